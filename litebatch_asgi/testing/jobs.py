"""Jobs in memory, as operators see them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from litebatch_asgi.jobs import DeploymentRecord, EndedJob, JobQuery, record_of
from litebatch_asgi.models import Job, JobState
from litebatch_asgi.testing.tables import Tables


class MemoryJobStore:
    """A `JobStore` over dicts."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, job_id: str) -> Job | None:
        """See `JobStore.get`."""
        self._tables.check_open()
        return self._tables.jobs.get(job_id)

    async def list(self, query: JobQuery) -> list[Job]:
        """See `JobStore.list`."""
        self._tables.check_open()
        found = [job for job in self._tables.jobs.values() if _is_asked(job, query)]
        return sorted(found, key=lambda job: job.id, reverse=True)[: query.limit]

    async def records(self, deployment_ids: Collection[str], *, most: int) -> dict[str, DeploymentRecord]:
        """See `JobStore.records`."""
        self._tables.check_open()
        return {id_: record_of(_ended(self._tables.jobs.values(), id_)[:most]) for id_ in deployment_ids}


def _ended(jobs: Iterable[Job], deployment_id: str) -> list[EndedJob]:
    """The last first."""
    ended = [
        EndedJob(
            state=job.state,
            submit_started_at=job.submit_started_at,
            ended_at=job.ended_at,
            is_cut_short=job.stop_requested_at is not None or job.to_cancel or job.cancel_sent_at is not None,
            outcome=job.outcome,
        )
        for job in jobs
        if job.deployment_id == deployment_id and job.state is not JobState.ENDED and job.ended_at is not None
    ]
    return sorted(ended, key=lambda job: job.ended_at, reverse=True)


def _is_asked(job: Job, query: JobQuery) -> bool:
    of_batch = job.next_check_at is not None if query.batch_id is None else job.batch_id == query.batch_id
    return (
        of_batch
        and query.deployment_id in (None, job.deployment_id)
        and (not query.states or job.state in query.states)
        and (query.after is None or job.id < query.after)
    )
