"""What all of a running LiteBatch shares: storage, deployments, settings, clock, claims, background work."""

from __future__ import annotations

import asyncio
import logging
import random
import zlib
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import anyio
from anyio.abc import TaskGroup

from litebatch_asgi import deployment_events
from litebatch_asgi.costs import PriceBook
from litebatch_asgi.deployment_events import Rest
from litebatch_asgi.errors import LiteBatchError, StorageUnavailable, Unavailable
from litebatch_asgi.fleet import Fleet
from litebatch_asgi.heartbeats import DeploymentUse
from litebatch_asgi.leases import LeaseKeeper
from litebatch_asgi.lifecycle import grid_point, poll_delay
from litebatch_asgi.metrics import NO_METRICS, Metrics
from litebatch_asgi.models import Settings
from litebatch_asgi.models.tellings import Telling
from litebatch_asgi.paces import Paces
from litebatch_asgi.presence import Presence
from litebatch_asgi.rescue import look_gap_seconds
from litebatch_asgi.spool import Spooler
from litebatch_asgi.storage import Storage
from litebatch_asgi.stores import ContentStores
from litebatch_asgi.strategies import PlacementStrategy

logger: logging.Logger = logging.getLogger("litebatch_asgi")

T = TypeVar("T")

_REFRESHED_AT_ONCE = 500
"""batches that clients have asked for and that one statement makes due"""
_TOLD_AGAIN_SECONDS = 1.0
"""between two tries to tell of a deployment that rests"""
_MOST_ASKED = 50_000
"""batches of which it is remembered when a client asked for them last"""


class BackgroundTask:
    """A piece of background work whose end somebody may wait for."""

    def __init__(self) -> None:
        self._done = anyio.Event()

    async def run(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do the work; an error that nobody expected is logged."""
        try:
            await work()
        except LiteBatchError as error:
            logger.info("background work ended early", extra={"error": str(error)})
        except Exception:
            logger.exception("background work failed")
        finally:
            self._done.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for the end, at most `seconds`; whether it has come."""
        with anyio.move_on_after(seconds):
            await self._done.wait()
        return self._done.is_set()


class Runtime:
    """What files, batches and the reconciler work with while the lifespan lasts."""

    def __init__(
        self,
        *,
        storage: Storage,
        fleet: Fleet,
        prices: PriceBook,
        settings: Settings,
        spooler: Spooler,
        executor: ThreadPoolExecutor,
        strategy: PlacementStrategy,
        clock: Callable[[], datetime],
        worker: str,
        installation_id: str,
        tasks: TaskGroup,
        stores: ContentStores,
        metrics: Metrics = NO_METRICS,
        logs_events: bool = False,
    ) -> None:
        self.storage = storage
        self.fleet = fleet
        self.prices = prices
        self.settings = settings
        self.spooler = spooler
        # What is paid for must come to its owner, whatever others upload: its disk space is not theirs, and
        # has no limit but what the jobs that are settled at once have answered.
        self.result_spooler: Spooler = Spooler(settings.spool_path, executor)
        self._executor = executor
        self.strategy = strategy
        self.paces: Paces = Paces(storage.jobs, clock, seconds=settings.max_poll_seconds)
        self.now = clock
        self.worker = worker
        self.installation_id = installation_id
        self._tasks = tasks
        self.stores = stores
        self.metrics = metrics
        self._calls = 0
        self._is_stopping = False
        self._idle = anyio.Event()
        self._woken = anyio.Event()
        self._to_refresh: dict[str, None] = {}
        self._asked_at: dict[str, float] = {}
        self._event_listeners: list[Callable[[], None]] = []
        self._live_listeners: list[Callable[[str | None], None]] = []
        self.logs_events: bool = logs_events
        self.presence: Presence = Presence(storage.heartbeats, fleet.catalog, settings, worker, self._gone)
        fleet.when_resting(self._rests)
        self.leases: LeaseKeeper = LeaseKeeper(
            storage, seconds=settings.lease_seconds, wake=self.wake, metrics=metrics
        )

    @contextmanager
    def call(self) -> Generator[None]:
        """A call that starts work: `stop` waits for it. Raises `Unavailable` once that was called."""
        if self._is_stopping:
            raise Unavailable("The gateway is shutting down, try again later.")
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    async def stop(self, seconds: float) -> None:
        """Cancel all work that was started, then let the calls that wait for it end, for at most so long."""
        self._is_stopping = True
        self._tasks.cancel_scope.cancel()
        with anyio.move_on_after(seconds, shield=True):
            while self._calls:
                self._idle = anyio.Event()
                await self._idle.wait()

    def start(self, work: Callable[[], Awaitable[object]]) -> BackgroundTask:
        """Begin work that may outlive the request, but not the lifespan."""
        task = BackgroundTask()
        self._tasks.start_soon(task.run, work)
        return task

    async def in_executor(self, work: Callable[..., T], *args: Any) -> T:
        """Call `work` in our own threads, for what would hold the event loop."""
        return await asyncio.wrap_future(self._executor.submit(partial(work, *args)))

    def next_look(
        self,
        now: datetime,
        deployment_id: str | None,
        checks: int,
        *,
        ceiling: float | None = None,
        growth: float = 1.5,
    ) -> datetime:
        """When to look at something again that was looked at `checks` times without news.

        After at most `ceiling` seconds, `max_poll_seconds` unless it is given.
        """
        delay = poll_delay(
            checks,
            floor=self.fleet.min_poll_seconds(deployment_id),
            ceiling=self.settings.max_poll_seconds if ceiling is None else ceiling,
            chance=random.random(),  # noqa: S311 - jitter, not secrecy
            growth=growth,
        )
        return now + timedelta(seconds=delay)

    def look_gap_seconds(self, deployment_id: str) -> float:
        """So much later than it was due a look at a job of a deployment has left a gap."""
        return look_gap_seconds(self.settings, self.fleet.min_poll_seconds(deployment_id))

    def refresh_from(self, now: datetime, deployment_id: str | None) -> datetime:
        """From when on a client's wish may bring the next look at a running job forward.

        At once where nobody is asked for it, for we run it ourselves.
        """
        if deployment_id is not None and self.fleet.is_live(deployment_id):
            return now
        floor = self.fleet.min_poll_seconds(deployment_id)
        return now + timedelta(seconds=max(floor, self.settings.refresh_after_seconds))

    def next_round(self, now: datetime, deployment_id: str, checks: int) -> datetime:
        """`next_look` for one of many jobs that were looked at together: so that they are so again."""
        floor = self.fleet.min_poll_seconds(deployment_id)
        ceiling = max(self.settings.max_poll_seconds, floor)
        due = self.next_look(now, deployment_id, checks)
        if (due - now).total_seconds() < ceiling:
            return due
        return grid_point(now, floor=floor, interval=ceiling, phase=zlib.crc32(deployment_id.encode()))

    def wake(self) -> None:
        """Something may be due: let the reconciler look at once."""
        self._woken.set()

    def when_events_are_written(self, call: Callable[[], None]) -> None:
        """Have something called whenever this process has written events."""
        self._event_listeners.append(call)

    def events_written(self) -> None:
        """Events may be there to deliver: let those who do it look at once."""
        for call in self._event_listeners:
            call()

    def when_live_jobs_change(self, call: Callable[[str | None], None]) -> None:
        """Have something called whenever this process has placed a live job (None) or closed one (its id)."""
        self._live_listeners.append(call)

    def live_jobs_changed(self, closed: str | None = None) -> None:
        """Requests may be there to run, or those of a job are not to run any more."""
        for call in self._live_listeners:
            call(closed)

    async def tell(self, telling: Telling) -> None:
        """Write an event about something that has no row of its own, once. Raises `StorageUnavailable`."""
        if await self.storage.outbox.tell(telling):
            self.events_written()

    async def _gone(self, use: DeploymentUse) -> None:
        await self.tell(deployment_events.gone(use, self.now()))

    def _rests(self, rest: Rest) -> None:
        """Tell of it as long as it lasts: a database that is away for a moment is waited for."""
        telling = deployment_events.resting(rest, self.now())
        until = anyio.current_time() + max(rest.seconds, _TOLD_AGAIN_SECONDS)

        async def tell() -> None:
            while True:
                try:
                    return await self.tell(telling)
                except StorageUnavailable:
                    if anyio.current_time() >= until:
                        raise
                    await anyio.sleep(_TOLD_AGAIN_SECONDS)

        self.start(tell)

    def refresh(self, batch_id: str) -> None:
        """Ask for a fresh look at a batch, soon; costs the caller nothing.

        Asked again within `refresh_after_seconds` nothing happens: clients may poll as often as they like.
        """
        now = anyio.current_time()
        if now < self._asked_at.get(batch_id, 0.0) + self.settings.refresh_after_seconds:
            return
        self._asked_at.pop(batch_id, None)
        self._asked_at[batch_id] = now
        if len(self._asked_at) > _MOST_ASKED:
            del self._asked_at[next(iter(self._asked_at))]
        self._to_refresh[batch_id] = None
        self.wake()

    def refresh_now(self, batch_id: str) -> None:
        """Ask for a look at a batch at once: there is news of it."""
        self._to_refresh[batch_id] = None
        self.wake()

    async def hand_over(self) -> None:
        """Write down what others go on with: batches to look at afresh, claims that could not be given back.

        Raises `StorageUnavailable`; what was not written then is written at the next call.
        """
        await self.leases.give_back()
        batch_ids = list(islice(self._to_refresh, _REFRESHED_AT_ONCE))
        if batch_ids:
            await self.storage.claims.refresh(batch_ids)
            for batch_id in batch_ids:
                del self._to_refresh[batch_id]
        if self._to_refresh:
            self.wake()

    async def woken(self, seconds: float | None = None) -> None:
        """Wait until `wake` is called, at most `seconds`."""
        with anyio.move_on_after(seconds):
            await self._woken.wait()
        self._woken = anyio.Event()
