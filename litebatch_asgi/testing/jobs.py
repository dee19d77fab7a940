"""Jobs in memory, as operators see them."""

from __future__ import annotations

from litebatch_asgi.jobs import JobQuery
from litebatch_asgi.models import Job
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


def _is_asked(job: Job, query: JobQuery) -> bool:
    of_batch = job.next_check_at is not None if query.batch_id is None else job.batch_id == query.batch_id
    return (
        of_batch
        and query.deployment_id in (None, job.deployment_id)
        and (not query.states or job.state in query.states)
        and (query.after is None or job.id < query.after)
    )
