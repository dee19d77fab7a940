"""What all of a running LiteBatch shares: storage, deployments, settings, clock, claims, background work."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import anyio
from anyio.abc import TaskGroup

from litebatch_asgi.errors import LiteBatchError, StateConflict, StorageUnavailable, Unavailable
from litebatch_asgi.fleet import Fleet
from litebatch_asgi.lifecycle import poll_delay
from litebatch_asgi.models import FileCopy, Job, Settings
from litebatch_asgi.spool import Spooler
from litebatch_asgi.storage import Storage
from litebatch_asgi.strategies import PlacementStrategy

logger: logging.Logger = logging.getLogger("litebatch_asgi")

T = TypeVar("T")

GIVE_BACK_SECONDS = 2.0
"""How long a claim that is being given back at shutdown may take."""


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
        settings: Settings,
        spooler: Spooler,
        executor: ThreadPoolExecutor,
        strategy: PlacementStrategy,
        clock: Callable[[], datetime],
        worker: str,
        installation_id: str,
        tasks: TaskGroup,
    ) -> None:
        self.storage = storage
        self.fleet = fleet
        self.settings = settings
        self.spooler = spooler
        self._executor = executor
        self.strategy = strategy
        self.now = clock
        self.worker = worker
        self.installation_id = installation_id
        self._tasks = tasks
        self._calls = 0
        self._is_stopping = False
        self._idle = anyio.Event()
        self._woken = anyio.Event()
        self._to_refresh: set[str] = set()
        self._to_give_back: list[Job | FileCopy] = []
        self._runs_until: dict[str, float] = {}

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

    async def run_under_lease(
        self, claim: Job | FileCopy, work: Callable[[], Awaitable[T]], *, since: float | None = None
    ) -> T:
        """Do work while keeping the claim on its row alive.

        The claim was asked for at `since`, by `anyio.current_time()`, or later; None: nobody knows. Raises
        `StateConflict`, with the work cancelled, once somebody else has the row. Cancelled from outside,
        the claim is given back at once, for another process to go on; where the work ended because the
        database does not answer, as soon as it does.
        """
        if since is not None:
            self._runs_until[_name(claim)] = since + self.settings.lease_seconds
        try:
            return await self._run_under_lease(claim, work)
        except StorageUnavailable:
            self._to_give_back.append(claim)
            self.wake()
            raise
        finally:
            self._runs_until.pop(_name(claim), None)

    async def ensure_lease(self, claim: Job | FileCopy, seconds: float) -> None:
        """Make sure that a claim of ours runs that long: nobody begins before what is done under it ends.

        Told by the time since the claim was asked for, whatever the clocks say. Raises `StateConflict` if
        the claim was lost, `StorageUnavailable` if nobody can tell.
        """
        left = self._runs_until.get(_name(claim), 0.0) - anyio.current_time()
        if left < seconds and not await self._renewed(claim):
            raise StateConflict(f"the claim on {_name(claim)} was lost")

    async def _run_under_lease(self, claim: Job | FileCopy, work: Callable[[], Awaitable[T]]) -> T:
        outcome: list[T] = []
        errors: list[Exception] = []
        lost = False

        async def beat() -> None:
            nonlocal lost
            while not lost:
                await anyio.sleep(self.settings.lease_seconds / 3)
                lost = not await self._still_held(claim)
            group.cancel_scope.cancel()

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(beat)
                try:
                    outcome.append(await work())
                except Exception as error:
                    errors.append(error)
                group.cancel_scope.cancel()
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(GIVE_BACK_SECONDS, shield=True), suppress(StorageUnavailable):
                await self.storage.renew([claim], lease_seconds=0)
            raise
        if errors:
            raise errors[0]
        if not outcome:
            raise StateConflict(f"the claim on {_name(claim)} was lost")
        return outcome[0]

    async def _still_held(self, claim: Job | FileCopy) -> bool:
        try:
            return await self._renewed(claim)
        except StorageUnavailable:
            return True  # the fence decides when the answer is stored

    async def _renewed(self, claim: Job | FileCopy) -> bool:
        asked = anyio.current_time()
        lease = self.settings.lease_seconds
        is_held = bool(await self.storage.renew([claim], lease_seconds=lease))
        if is_held:
            self._runs_until[_name(claim)] = asked + lease
        return is_held

    def next_look(self, now: datetime, deployment_id: str | None, checks: int) -> datetime:
        """When to look at something again that was looked at `checks` times without news."""
        delay = poll_delay(
            checks,
            floor=self.fleet.min_poll_seconds(deployment_id),
            ceiling=self.settings.max_poll_seconds,
            chance=random.random(),  # noqa: S311 - jitter, not secrecy
        )
        return now + timedelta(seconds=delay)

    def wake(self) -> None:
        """Something may be due: let the reconciler look at once."""
        self._woken.set()

    def refresh(self, batch_id: str) -> None:
        """Ask for a fresh look at a batch, soon; costs the caller nothing."""
        self._to_refresh.add(batch_id)
        self.wake()

    async def hand_over(self) -> None:
        """Write down what others go on with: batches to look at afresh, claims that could not be given back.

        Raises `StorageUnavailable`; what was not written then is written at the next call.
        """
        claims = tuple(self._to_give_back)
        if claims:
            await self.storage.renew(claims, lease_seconds=0)
            del self._to_give_back[: len(claims)]
        for batch_id in tuple(self._to_refresh):
            await self.storage.refresh_batch(batch_id)
            self._to_refresh.discard(batch_id)

    async def woken(self, seconds: float | None = None) -> None:
        """Wait until `wake` is called, at most `seconds`."""
        with anyio.move_on_after(seconds):
            await self._woken.wait()
        self._woken = anyio.Event()


def _name(claim: Job | FileCopy) -> str:
    return claim.id if isinstance(claim, Job) else "/".join(map(str, claim.key))
