"""Dispatching: a claimed job goes through the steps that its state asks for, until it has to wait."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import anyio

from litebatch_asgi.batches.endings import JobEndings
from litebatch_asgi.batches.placing import Placer
from litebatch_asgi.batches.polling import Poller
from litebatch_asgi.batches.settling import Settler
from litebatch_asgi.batches.unclear import UnclearJobs
from litebatch_asgi.batches.unsent import UnsentJobs
from litebatch_asgi.errors import ProviderError, StateConflict, StorageUnavailable
from litebatch_asgi.leases import Lease
from litebatch_asgi.models import Batch, Job, JobState, Lane, ProviderBatch
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)


class JobDispatcher:
    """Knows which step a job in which state needs."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        endings = JobEndings(runtime)
        self._unsent = UnsentJobs(runtime)
        self._unclear = UnclearJobs(runtime, self._unsent)
        self._placer = Placer(runtime, endings, self._unclear)
        self._poller = Poller(runtime, endings, self._unclear, self._unsent)
        self._settler = Settler(runtime, self._unsent)

    async def begin(self, job: Job, batch: Batch, *, since: float | None = None) -> None:
        """Begin with the first job of a new batch, which its creator holds."""
        if job.state is JobState.SUBMITTING:
            await self._run_steps(job, partial(self._placer.begin, job, batch), since)
        else:
            await self.dispatch(job, since=since)

    async def note(self, seen: Sequence[tuple[Job, ProviderBatch]]) -> None:
        """Write what a list has shown of claimed jobs that go on, and give them back."""
        try:
            await self._poller.note(seen)
        except StorageUnavailable as error:
            logger.warning("jobs rest: no database", extra={"jobs": len(seen), "error": str(error)})

    async def dispatch(self, job: Job, *, since: float | None = None) -> None:
        """Take a claimed job through its steps; `since` as for `LeaseKeeper.run`."""
        await self._run_steps(job, partial(self._step, job), since)

    async def _run_steps(
        self, job: Job, work: Callable[[Lease], Awaitable[Job | None]], since: float | None
    ) -> None:
        try:
            began = anyio.current_time()
            following = await self._runtime.leases.run(job, work, since=since)
            while following is not None:
                job, since, began = following, began, anyio.current_time()
                following = await self._runtime.leases.run(job, partial(self._step, job), since=since)
        except StateConflict as error:
            logger.info("somebody else goes on with a job", extra={"job_id": job.id, "error": str(error)})
        except StorageUnavailable as error:
            logger.warning("a job rests: no database", extra={"job_id": job.id, "error": str(error)})
        except ProviderError as error:
            logger.warning("a job rests", extra={"job_id": job.id, "error": error.message})

    def _is_out_of_reach(self, job: Job) -> bool:
        """Whether what a job is or has left is at a deployment that the configuration has not, or not so.

        One that runs live now has an adapter that knows of no batch: what a provider runs is no less there.
        """
        where = job.deployment_id
        return where is not None and job.lane is not Lane.LIVE and not self._runtime.fleet.has_batches(where)

    async def _step(self, job: Job, lease: Lease) -> Job | None:
        """One step; the job to go on with at once, which is ours, or None."""
        if job.state is JobState.FAILED:
            await self._unsent.close_refused(job)
            return None
        if self._is_out_of_reach(job):
            await self._unsent.deployment_gone(job)
            return None
        match job.state:
            case JobState.WAITING:
                if not await self._unsent.is_due(job):
                    return await self._placer.place(job, lease)
                unsent = await self._placer.unless_sent(job)
                if unsent is None or unsent.state is not JobState.WAITING:
                    return unsent
                await self._unsent.withdraw(unsent)
            case JobState.SUBMITTING:
                return await self._unclear.mark_unclear(job)
            case JobState.UNCLEAR:
                return await self._unclear.search(job)
            case JobState.SUBMITTED:
                return await self._poller.look(job)
            case JobState.ENDED:
                await self._settler.settle(job)
            case JobState.WATCHED:
                await self._unclear.watch(job)
            case _:
                pass
        return None
