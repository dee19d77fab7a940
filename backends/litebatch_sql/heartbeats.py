"""Heartbeats in the database of an SQL storage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

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
from litebatch_sql.executor import Executor, Reader, Transaction, in_transaction
from litebatch_sql.leases import clock, database_clock
from litebatch_sql.queries import Queries
from litebatch_sql.rows import from_microseconds, to_microseconds
from litebatch_sql.set_back import bring_back
from litebatch_sql.tables import HEARTBEATS


class SQLHeartbeatStore:
    """A `HeartbeatStore` over an `Executor`; `queries` raises until it is open."""

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def beat(self, worker: str, deployments: Served, *, lapse_seconds: float) -> None:
        """See `HeartbeatStore.beat`. A heartbeat from the future tells of a clock that was set back."""
        queries = self._queries()
        named = {id_: tuple(models) for id_, models in deployments.items()}

        async def beat(transaction: Transaction) -> None:
            now, beats = await self._now(transaction), await self._beats(transaction)
            last = max((each.seen_at for each in beats), default=now)
            await bring_back(transaction, queries, last=last, now=now)
            since = since_of(beats, worker, now, timedelta(seconds=lapse_seconds))
            own = Heartbeat(worker=worker, deployments=named, since=since, seen_at=now)
            await transaction.execute(queries.sql("put_heartbeat"), HEARTBEATS.encode(own))
            if any(each.seen_at < now - KEPT for each in beats):
                before = {"before": to_microseconds(now - KEPT)}
                await transaction.execute(queries.sql("remove_heartbeats"), before)

        await in_transaction(self._executor, beat)

    async def in_use(self) -> list[DeploymentUse]:
        """See `HeartbeatStore.in_use`."""
        jobs, copies = await self._counted("jobs_in_use"), await self._counted("copies_in_use")
        beats = await self._beats(self._executor)
        return [
            DeploymentUse(
                deployment_id=id_,
                open_jobs=jobs.get(id_, 0),
                copies=copies.get(id_, 0),
                last_seen=last_seen(beats, id_),
            )
            for id_ in sorted({*jobs, *copies})
        ]

    async def gone(self, seconds: float, *, lapse_seconds: float) -> list[str]:
        """See `HeartbeatStore.gone`."""
        in_use = await self._executor.fetch_all(self._queries().sql("deployments_in_use"), {})
        # heartbeats afterwards: who has begun to use a deployment names it
        now, beats = await self._now(self._executor), await self._beats(self._executor)
        grace, lapse = timedelta(seconds=seconds), timedelta(seconds=lapse_seconds)
        return gone_of([row[0] for row in in_use], beats, now, grace=grace, lapse=lapse)

    async def served(self, seconds: float) -> dict[str, frozenset[str]]:
        """See `HeartbeatStore.served`."""
        now, beats = await self._now(self._executor), await self._beats(self._executor)
        return served_by(beats, now - timedelta(seconds=seconds))

    async def drain(self, deployment_id: str) -> None:
        """See `HeartbeatStore.drain`."""
        statement, named = self._queries().sql("drain"), {"deployment_id": deployment_id, "now": clock()}
        await in_transaction(self._executor, lambda each: each.execute(statement, named))

    async def undrain(self, deployment_id: str) -> bool:
        """See `HeartbeatStore.undrain`."""
        statement, named = self._queries().sql("undrain"), {"deployment_id": deployment_id}
        return await in_transaction(self._executor, lambda each: each.execute(statement, named)) > 0

    async def drained(self) -> dict[str, datetime]:
        """See `HeartbeatStore.drained`."""
        rows = await self._executor.fetch_all(self._queries().sql("drained"), {})
        return {row[0]: from_microseconds(row[1]) for row in rows}

    async def _counted(self, name: str) -> dict[str, int]:
        rows = await self._executor.fetch_all(self._queries().sql(name), {})
        return {row[0]: row[1] for row in rows if row[0]}

    async def _now(self, reader: Reader) -> datetime:
        return from_microseconds(await database_clock(reader, self._queries()))

    async def _beats(self, reader: Reader) -> list[Heartbeat]:
        rows = await reader.fetch_all(self._queries().sql("list_heartbeats"), {})
        return [HEARTBEATS.decode(row) for row in rows]
