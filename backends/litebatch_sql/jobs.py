"""Jobs in an SQL database, as operators see them."""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from litebatch_asgi.jobs import DeploymentRecord, EndedJob, JobQuery, record_of
from litebatch_asgi.models import Job, JobState, Outcome
from litebatch_sql.executor import Executor
from litebatch_sql.queries import Queries
from litebatch_sql.rows import Row, encode_keys, from_microseconds
from litebatch_sql.tables import JOBS

_OUTCOME = msgspec.json.Decoder(Outcome)


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

    async def records(self, deployment_ids: Collection[str], *, most: int) -> dict[str, DeploymentRecord]:
        """See `JobStore.records`."""
        statement = self._queries().sql("ended_jobs")
        records: dict[str, DeploymentRecord] = {}
        for id_ in deployment_ids:
            rows = await self._executor.fetch_all(statement, {"deployment_id": id_, "limit": most})
            records[id_] = record_of([_ended_job(row) for row in rows])
        return records


def _ended_job(row: Row) -> EndedJob:
    state, submit_started_at, ended_at, is_cut_short, outcome = row
    return EndedJob(
        state=JobState(state),
        submit_started_at=from_microseconds(submit_started_at) if submit_started_at is not None else None,
        ended_at=from_microseconds(ended_at),
        is_cut_short=bool(is_cut_short),
        outcome=_OUTCOME.decode(outcome) if outcome is not None else None,
    )
