"""Presence: this process says which deployments it serves, and learns which ones nobody serves any more."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import anyio

from litebatch_asgi.catalog import Catalog
from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.failpoints import hit
from litebatch_asgi.heartbeats import DeploymentUse, HeartbeatStore, matches
from litebatch_asgi.models import Settings

logger: logging.Logger = logging.getLogger(__name__)

BEAT_SECONDS = 30.0
"""between two heartbeats; sooner where `gone_grace_seconds` is short"""
DRAINED_SECONDS = 3.0
"""between two looks at which deployments are drained"""
MISSED_BEATS = 3
"""after which heartbeats count as lapsed"""


class Presence:
    """The heartbeats of one process.

    A deployment that rows name and this configuration lacks may be served by another process. It is gone
    when none has named it for `gone_grace_seconds` during which heartbeats never lapsed.
    """

    def __init__(
        self,
        store: HeartbeatStore,
        catalog: Catalog,
        settings: Settings,
        worker: str,
        tell_gone: Callable[[DeploymentUse], Awaitable[None]],
    ) -> None:
        self._store = store
        self._tell_gone = tell_gone
        self._catalog = catalog
        self._grace = settings.gone_grace_seconds
        self._seconds = min(BEAT_SECONDS, self._grace / (2 * MISSED_BEATS))
        self._worker = worker
        self._gone: frozenset[str] = frozenset()
        self._served: dict[str, frozenset[str]] = {}
        self._drained: frozenset[str] = frozenset()

    @property
    def _lapse(self) -> float:
        return MISSED_BEATS * self._seconds

    @property
    def gone(self) -> frozenset[str]:
        """The deployments that jobs or copies name and that nobody serves any more."""
        return self._gone - self._catalog.deployments.keys()

    @property
    def drained(self) -> frozenset[str]:
        """The deployments that operators keep new jobs away from; told anew every few seconds."""
        return self._drained

    def serves(self, deployment_id: str, model: str) -> bool:
        """Whether some process serves the virtual model at this deployment, this one included."""
        own = self._catalog.deployments_for(model)
        named = self._served.get(deployment_id, frozenset())
        return deployment_id in own or any(matches(name, model) for name in named)

    def serving(self, model: str) -> frozenset[str]:
        """The deployments at which some process serves the virtual model, this one included."""
        elsewhere = (id_ for id_ in self._served if self.serves(id_, model))
        return frozenset(self._catalog.deployments_for(model)).union(elsewhere)

    def is_served(self, deployment_id: str) -> bool:
        """Whether some process has this deployment, this one included."""
        return deployment_id in self._catalog.deployments or deployment_id in self._served

    async def run(self) -> None:
        """Beat until cancelled; a database that is away is waited for."""
        beats_at = anyio.current_time() + self._seconds
        while True:
            await anyio.sleep(min(self._seconds, DRAINED_SECONDS))
            is_beat = anyio.current_time() >= beats_at
            if is_beat:
                beats_at = anyio.current_time() + self._seconds
            try:
                await (self.beat() if is_beat else self.look())
                hit("presence.beaten")
            except StorageUnavailable as error:
                if is_beat:
                    logger.warning("no heartbeat: the database is away", extra={"error": str(error)})
            except Exception:
                logger.exception("no heartbeat" if is_beat else "nobody knows what is drained")

    async def say(self) -> None:
        """Say what this process serves. Raises `StorageUnavailable` where the database cannot be written."""
        names: dict[str, list[str]] = {}
        for group in self._catalog.groups.values():
            for deployment_id in group.deployments:
                names.setdefault(deployment_id, []).append(group.name)
        await self._store.beat(self._worker, names, lapse_seconds=self._lapse)

    async def beat(self) -> None:
        """Say what this process serves, and learn what others say. Raises `StorageUnavailable`."""
        await self.say()
        await self.look()
        lapse = self._lapse
        self._served = await self._store.served(lapse)
        gone = frozenset(await self._store.gone(self._grace, lapse_seconds=lapse))
        if gone - self._gone:
            for use in await self._store.in_use():
                if use.deployment_id in gone - self._gone:
                    await self._tell_gone(use)
        for deployment_id in sorted(gone - self._gone):
            logger.error(
                "deployment %s is gone: no process has had it in its configuration for %g seconds, and jobs "
                "or copies are still there; put it back, or their batches end without it",
                deployment_id,
                self._grace,
            )
        self._gone = gone

    async def look(self) -> None:
        """Learn which deployments are drained. Raises `StorageUnavailable`."""
        drained = frozenset(await self._store.drained())
        for deployment_id in sorted((drained ^ self._drained) & self._catalog.deployments.keys()):
            told = "is drained: it gets no new jobs" if deployment_id in drained else "is drained no more"
            logger.warning("deployment %s %s", deployment_id, told)
        self._drained = drained

    async def missing(self) -> list[DeploymentUse]:
        """What is kept at deployments that this configuration does not have. Raises `StorageUnavailable`."""
        in_use = await self._store.in_use()
        return [use for use in in_use if use.deployment_id not in self._catalog.deployments]
