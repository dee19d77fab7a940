"""Jobs in an SQL database, as operators see them."""

from __future__ import annotations

from collections.abc import Callable

from litebatch_asgi.jobs import JobQuery
from litebatch_asgi.models import Job
from litebatch_sql.executor import Executor
from litebatch_sql.queries import Queries
from litebatch_sql.rows import encode_keys
from litebatch_sql.tables import JOBS


class SQLJobStore:
    """A `JobStore` over an `Executor`; `queries` raises until it is open."""

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def get(self, job_id: str) -> Job | None:
        """See `JobStore.get`."""
        row = await self._executor.fetch_one(self._queries().sql("get_job"), {"id": job_id})
        return JOBS.decode(row) if row else None

    async def list(self, query: JobQuery) -> list[Job]:
        """See `JobStore.list`."""
        given = {"deployment": query.deployment_id, "after": query.after, "state": query.states}
        name = "list_jobs" if query.batch_id is None else "list_jobs_of_batch"
        statement = self._queries().sql(name, *(option for option, value in given.items() if value))
        parameters = {
            "batch_id": query.batch_id,
            "deployment_id": query.deployment_id,
            "after": query.after,
            "keys": encode_keys(sorted(query.states)),
            "limit": query.limit,
        }
        return list(map(JOBS.decode, await self._executor.fetch_all(statement, parameters)))
