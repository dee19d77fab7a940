"""Sessions that were ended, in an SQL database."""

from __future__ import annotations

from collections.abc import Callable

from litebatch_sql.executor import Executor, Transaction, in_transaction
from litebatch_sql.leases import clock
from litebatch_sql.queries import Queries


class SQLSessionStore:
    """A `SessionStore` over an `Executor`; `queries` raises until it is open."""

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def end(self, session_id: str, *, seconds: float) -> None:
        """See `SessionStore.end`."""
        sql = self._queries().sql
        ended = {"id": session_id, "span": int(seconds * 1_000_000), "now": clock()}

        async def write(transaction: Transaction) -> None:
            await transaction.execute(sql("forget_sessions"), {"now": clock()})
            await transaction.execute(sql("end_session"), ended)

        await in_transaction(self._executor, write)

    async def has_ended(self, session_id: str) -> bool:
        """See `SessionStore.has_ended`."""
        parameters = {"id": session_id, "now": clock()}
        return await self._executor.fetch_one(self._queries().sql("ended_session"), parameters) is not None
