"""Heartbeats in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from litebatch_asgi.heartbeats import (
    KEPT,
    DeploymentUse,
    Heartbeat,
    Served,
    gone_of,
    last_seen,
    served_by,
    since_of,
)
from litebatch_asgi.models import CopyState, FileCopy, Job


class MemoryHeartbeatStore:
    """A `HeartbeatStore` that lives as long as the object does.

    `jobs` and `copies` give all there are; they raise while the storage is closed.
    """

    def __init__(self, jobs: Callable[[], Iterable[Job]], copies: Callable[[], Iterable[FileCopy]]) -> None:
        self._jobs = jobs
        self._copies = copies
        self._beats: dict[str, Heartbeat] = {}
        self._drained: dict[str, datetime] = {}

    async def beat(self, worker: str, deployments: Served, *, lapse_seconds: float) -> None:
        """See `HeartbeatStore.beat`."""
        self._jobs()
        now = datetime.now(UTC)
        since = since_of(self._beats.values(), worker, now, timedelta(seconds=lapse_seconds))
        named = {id_: tuple(models) for id_, models in deployments.items()}
        self._beats[worker] = Heartbeat(worker=worker, deployments=named, since=since, seen_at=now)
        for each in [each for each in self._beats.values() if each.seen_at < now - KEPT]:
            del self._beats[each.worker]

    async def in_use(self) -> list[DeploymentUse]:
        """See `HeartbeatStore.in_use`."""
        jobs, copies = self._open_jobs(), self._kept_copies()
        return [
            DeploymentUse(
                deployment_id=id_,
                open_jobs=jobs[id_],
                copies=copies[id_],
                last_seen=last_seen(self._beats.values(), id_),
            )
            for id_ in sorted({*jobs, *copies})
        ]

    async def gone(self, seconds: float, *, lapse_seconds: float) -> list[str]:
        """See `HeartbeatStore.gone`."""
        in_use = {*self._open_jobs(), *self._kept_copies()}
        grace, lapse = timedelta(seconds=seconds), timedelta(seconds=lapse_seconds)
        return gone_of(in_use, list(self._beats.values()), datetime.now(UTC), grace=grace, lapse=lapse)

    async def served(self, seconds: float) -> dict[str, frozenset[str]]:
        """See `HeartbeatStore.served`."""
        self._jobs()
        return served_by(self._beats.values(), datetime.now(UTC) - timedelta(seconds=seconds))

    async def drain(self, deployment_id: str) -> None:
        """See `HeartbeatStore.drain`."""
        self._jobs()
        self._drained.setdefault(deployment_id, datetime.now(UTC))

    async def undrain(self, deployment_id: str) -> bool:
        """See `HeartbeatStore.undrain`."""
        self._jobs()
        return self._drained.pop(deployment_id, None) is not None

    async def drained(self) -> dict[str, datetime]:
        """See `HeartbeatStore.drained`."""
        self._jobs()
        return dict(sorted(self._drained.items()))

    def _open_jobs(self) -> Counter[str]:
        due = (job for job in self._jobs() if job.next_check_at is not None)
        return Counter(job.deployment_id for job in due if job.deployment_id is not None)

    def _kept_copies(self) -> Counter[str]:
        return Counter(
            copy.deployment_id
            for copy in self._copies()
            if copy.state is not CopyState.DELETED or copy.next_check_at is not None
        )
