"""The background loop: claims what is due and carries it on. Any number of processes may run one."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from litebatch_asgi.batches.carrying import Carrier
from litebatch_asgi.errors import StateConflict, StorageUnavailable
from litebatch_asgi.files.repair import Repairer
from litebatch_asgi.models import FileCopy, Job
from litebatch_asgi.runtime import Runtime

logger = logging.getLogger(__name__)

AT_ONCE = 8
"""jobs, and as many copies, that are looked after at a time for each deployment"""
LONGEST_PAUSE = 1.0
"""seconds between two looks for due rows when nobody wakes the loop"""
BACK_OFF = (0.2, 0.5, 1.0, 2.0, 5.0)
"""seconds to pause after each look that the database did not answer"""


class Reconciler:
    """One loop; what it claims runs beside it, bounded for each deployment, so that none delays another."""

    def __init__(self, runtime: Runtime, carrier: Carrier) -> None:
        self._runtime = runtime
        self._carrier = carrier
        self._repairer = Repairer(runtime)
        self._busy_jobs: Counter[str | None] = Counter()
        self._busy_copies: Counter[str | None] = Counter()

    async def run(self) -> None:
        """Go on until cancelled; what is under way then gives its claims back."""
        failures = 0
        pause = min(LONGEST_PAUSE, self._runtime.fleet.min_poll_seconds(None))
        async with anyio.create_task_group() as group:
            while True:
                try:
                    await self._refresh()
                    claimed = await self._claim(group.start_soon)
                    failures = 0
                except StorageUnavailable as error:
                    logger.warning("the database does not answer", extra={"error": str(error)})
                    await anyio.sleep(BACK_OFF[min(failures, len(BACK_OFF) - 1)])
                    failures += 1
                    continue
                except Exception:
                    logger.exception("the loop failed and goes on")
                    claimed = 0
                if not claimed:
                    await self._runtime.woken(pause)

    async def _refresh(self) -> None:
        for batch_id in self._runtime.take_refreshes():
            await self._runtime.storage.refresh_batch(batch_id)

    async def _claim(self, start: Callable[..., object]) -> int:
        runtime = self._runtime
        lease = runtime.settings.lease_seconds
        ids = list(runtime.fleet.ids)
        jobs = await runtime.storage.claim_jobs(
            runtime.worker,
            lease_seconds=lease,
            room={id_: AT_ONCE - self._busy_jobs[id_] for id_ in (None, *ids)},
        )
        self._busy_jobs.update(job.deployment_id for job in jobs)
        for job in jobs:
            start(self._run, self._busy_jobs, job, partial(self._carrier.carry, job))
        copies = await runtime.storage.claim_copies(
            runtime.worker,
            lease_seconds=lease,
            room={id_: AT_ONCE - self._busy_copies[id_] for id_ in ids},
        )
        self._busy_copies.update(copy.deployment_id for copy in copies)
        for copy in copies:
            start(self._run, self._busy_copies, copy, partial(self._look_after, copy))
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

    async def _look_after(self, copy: FileCopy) -> None:
        try:
            await self._runtime.hold(copy, partial(self._repairer.look, copy))
        except StateConflict as error:
            logger.info("somebody else has a copy", extra={"file_id": copy.file_id, "error": str(error)})
        except StorageUnavailable as error:
            logger.warning("a copy rests: no database", extra={"file_id": copy.file_id, "error": str(error)})
