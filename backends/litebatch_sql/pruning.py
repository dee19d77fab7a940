"""Rows that nobody needs any more, removed from the database of an SQL storage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from litebatch_asgi.pruning import Place, Pruned
from litebatch_sql.executor import Executor, Transaction, in_transaction
from litebatch_sql.leases import clock
from litebatch_sql.queries import Queries
from litebatch_sql.rows import Row, encode_keys, from_microseconds, to_microseconds

_OF_OPERATORS = ("remove_events_of_operators", "remove_told", "remove_old_scope_budgets")
_OF_BATCHES = (
    *("remove_events_of", "sweep_lines_of_batches", "remove_jobs_of_batches"),
    "remove_shards_of_batches",
)


class SQLPruningStore:
    """A `PruningStore` over an `Executor`; `queries` raises until it is open.

    What is old is looked for outside of transactions, and looked at again, locked, where it is removed.
    """

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def ended_batches(self, before: datetime, *, after: Place | None, limit: int) -> Pruned:
        """See `PruningStore.ended_batches`."""
        sql = self._queries().sql
        rows = await self._old("old_batches", before, after, limit)
        old = [row[1] for row in rows if row[2]]

        async def remove(transaction: Transaction) -> int:
            ended = await transaction.fetch_all(sql("lock_ended_batches"), _among(old, before))
            with_results = [row[0] for row in ended if row[1]]
            gone = _among([row[0] for row in ended if not row[1]], before)
            await transaction.execute(sql("drop_snapshots"), _among(with_results, before))
            for name in _OF_BATCHES:
                await transaction.execute(sql(name), gone)
            return await transaction.execute(sql("remove_batches"), gone)

        removed = await in_transaction(self._executor, remove) if old else 0
        return _pruned(removed, rows, limit)

    async def deleted_files(self, before: datetime, *, after: Place | None, limit: int) -> Pruned:
        """See `PruningStore.deleted_files`."""
        sql = self._queries().sql
        rows = await self._old("old_deleted_files", before, after, limit)

        async def remove(transaction: Transaction) -> int:
            old = _among([row[1] for row in rows], before)
            locked = await transaction.fetch_all(sql("lock_deleted_files"), old)
            gone = {**_among([row[0] for row in locked], before), "now": clock()}
            await transaction.execute(sql("release_contents"), gone)
            await transaction.execute(sql("remove_events_of"), gone)
            return await transaction.execute(sql("remove_files"), gone)

        removed = await in_transaction(self._executor, remove) if rows else 0
        return _pruned(removed, rows, limit)

    async def idempotency_keys(self, before: datetime, *, limit: int) -> int:
        """See `PruningStore.idempotency_keys`."""
        sweep = self._queries().sql("sweep_keys")
        limits = {"since": to_microseconds(before), "limit": limit}
        return await in_transaction(self._executor, lambda each: each.execute(sweep, limits))

    async def operator_events(self, before: datetime, *, limit: int) -> int:
        """See `PruningStore.operator_events`."""
        sql = self._queries().sql
        limits = {"before": to_microseconds(before), "limit": limit}

        async def remove(transaction: Transaction) -> int:
            return max([await transaction.execute(sql(name), limits) for name in _OF_OPERATORS])

        return await in_transaction(self._executor, remove)

    async def _old(self, name: str, before: datetime, after: Place | None, limit: int) -> Sequence[Row]:
        parameters: dict[str, Any] = {"before": to_microseconds(before), "limit": limit}
        if after is None:
            return await self._executor.fetch_all(self._queries().sql(name), parameters)
        parameters |= {"last_at": to_microseconds(after.at), "last_id": after.id}
        return await self._executor.fetch_all(self._queries().sql(name, "after"), parameters)


def _among(ids: Sequence[str], before: datetime) -> dict[str, Any]:
    return {"keys": encode_keys(ids), "before": to_microseconds(before)}


def _pruned(removed: int, rows: Sequence[Row], limit: int) -> Pruned:
    if len(rows) < limit:
        return Pruned(removed=removed, after=None)
    return Pruned(removed=removed, after=Place(at=from_microseconds(rows[-1][0]), id=rows[-1][1]))
