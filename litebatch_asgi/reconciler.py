"""The background loop: claims what is due and carries it on. Any number of processes may run one."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from litebatch_asgi.batches.dispatching import JobDispatcher
from litebatch_asgi.errors import StateConflict, StorageUnavailable
from litebatch_asgi.files.expiry import Sweeper
from litebatch_asgi.files.reconciling import CopyReconciler
from litebatch_asgi.models import FileCopy, Job
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

AT_ONCE = 8
"""jobs, and as many copies, that are looked after at a time for each deployment"""
LONGEST_PAUSE = 1.0
"""seconds between two looks for due rows when nobody wakes the loop"""
SWEEP_SECONDS = 300.0
"""between two looks for expired files that no copy calls for"""
BACK_OFF = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""seconds to pause at most, and at least half as long, after each look that the database did not answer"""


class Reconciler:
    """One loop; what it claims runs beside it, bounded for each deployment, so that none delays another."""

    def __init__(self, runtime: Runtime, dispatcher: JobDispatcher) -> None:
        self._runtime = runtime
        self._dispatcher = dispatcher
        self._copy_reconciler = CopyReconciler(runtime)
        self._sweeper = Sweeper(runtime)
        self._busy_jobs: Counter[str | None] = Counter()
        self._busy_copies: Counter[str | None] = Counter()

    async def run(self) -> None:
        """Go on until cancelled; what is under way then gives its claims back."""
        pause = min(LONGEST_PAUSE, self._runtime.fleet.min_poll_seconds(None))
        async with anyio.create_task_group() as group:
            group.start_soon(_for_ever, self._sweeper.sweep, partial(_sleep, SWEEP_SECONDS))
            look = partial(self._look, group.start_soon)
            await _for_ever(look, lambda: self._runtime.woken(_scattered(pause)))

    async def _look(self, start: Callable[..., object]) -> int:
        await self._runtime.hand_over()
        return await self._claim(start)

    async def _claim(self, start: Callable[..., object]) -> int:
        runtime = self._runtime
        lease = runtime.settings.lease_seconds
        ids = list(runtime.fleet.ids)
        since = anyio.current_time()
        # those of no deployment yet may all be on their way to one that is slow
        room: dict[str | None, int] = {None: AT_ONCE * len(ids), **dict.fromkeys(ids, AT_ONCE)}
        jobs: list[Job] = []
        for settling in (False, True):
            claimed = await runtime.storage.claim_jobs(
                runtime.worker,
                lease_seconds=lease,
                room={id_: most - self._busy_jobs[id_] for id_, most in room.items()},
                settling=settling,
            )
            self._busy_jobs.update(job.deployment_id for job in claimed)
            for job in claimed:
                start(self._run, self._busy_jobs, job, partial(self._dispatcher.dispatch, job, since=since))
            jobs += claimed
        since = anyio.current_time()
        copies = await runtime.storage.claim_copies(
            runtime.worker,
            lease_seconds=lease,
            room={id_: AT_ONCE - self._busy_copies[id_] for id_ in ids},
        )
        self._busy_copies.update(copy.deployment_id for copy in copies)
        for copy in copies:
            start(self._run, self._busy_copies, copy, partial(self._look_after, copy, since))
        return len(jobs) + len(copies)

    async def _run(
        self, busy: Counter[str | None], row: Job | FileCopy, work: Callable[[], Awaitable[None]]
    ) -> None:
        try:
            await work()
        except Exception:
            logger.exception("a due row could not be looked after", extra={"deployment": row.deployment_id})
        finally:
            busy[row.deployment_id] -= 1
            self._runtime.wake()

    async def _look_after(self, copy: FileCopy, since: float) -> None:
        try:
            await self._runtime.leases.run(copy, partial(self._copy_reconciler.look, copy), since=since)
        except StateConflict as error:
            logger.info("somebody else has a copy", extra={"file_id": copy.file_id, "error": str(error)})
        except StorageUnavailable as error:
            logger.warning("a copy rests: no database", extra={"file_id": copy.file_id, "error": str(error)})


class Handover:
    """What a replica without the loop runs: it writes down what it asks of those that have one."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def run(self) -> None:
        """Go on until cancelled; costs the database nothing while nothing is asked."""
        await _for_ever(self._runtime.hand_over, self._runtime.woken)


async def _for_ever(look: Callable[[], Awaitable[object]], rest: Callable[[], Awaitable[None]]) -> None:
    """Look, rest, and so on; without rest where a look had something to do, later where no database is."""
    failures = 0
    while True:
        found: object = None
        try:
            found = await look()
            if failures:
                logger.info("the database answers again")
            failures = 0
        except StorageUnavailable as error:
            logger.warning("the database does not answer", extra={"error": str(error)})
            await _sleep(BACK_OFF[min(failures, len(BACK_OFF) - 1)])
            failures += 1
            continue
        except Exception:
            logger.exception("the loop failed and goes on")
        if not found:
            await rest()


async def _sleep(seconds: float) -> None:
    await anyio.sleep(_scattered(seconds))


def _scattered(seconds: float) -> float:
    """Half of it to all of it: replicas shall not do the same at the same moment."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not secrecy
