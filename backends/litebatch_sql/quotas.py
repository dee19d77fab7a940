"""Learned limits in an SQL database."""

from __future__ import annotations

from collections.abc import Callable, Collection

from litebatch_asgi.quotas import KEPT, LearnedLimit, OpenTokens
from litebatch_sql.executor import Executor, Transaction, in_transaction
from litebatch_sql.leases import clock
from litebatch_sql.queries import Queries
from litebatch_sql.rows import encode_keys
from litebatch_sql.tables import LIMITS


class SQLQuotaStore:
    """A `QuotaStore` over an `Executor`; `queries` raises until it is open."""

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def learn(self, deployment_id: str, model: str, tokens: int) -> None:
        """See `QuotaStore.learn`."""
        sql = self._queries().sql
        limit = {"deployment_id": deployment_id, "model": model, "tokens": tokens, "now": clock()}

        async def write(transaction: Transaction) -> None:
            await transaction.execute(sql("learn_limit"), limit)
            await transaction.execute(sql("forget_old_limits"), _younger_than(KEPT.total_seconds()))

        await in_transaction(self._executor, write)

    async def forget(self, deployment_id: str, model: str, *, below: int) -> bool:
        """See `QuotaStore.forget`."""
        statement = self._queries().sql("forget_limit")
        limit = {"deployment_id": deployment_id, "model": model, "tokens": below}
        return await in_transaction(self._executor, lambda each: each.execute(statement, limit)) > 0

    async def known(self, deployment_ids: Collection[str], seconds: float) -> list[LearnedLimit]:
        """See `QuotaStore.known`."""
        parameters = {"keys": encode_keys(sorted(set(deployment_ids))), **_younger_than(seconds)}
        rows = await self._executor.fetch_all(self._queries().sql("known_limits"), parameters)
        return list(map(LIMITS.decode, rows))

    async def open_tokens(self, deployment_ids: Collection[str]) -> list[OpenTokens]:
        """See `QuotaStore.open_tokens`."""
        parameters = {"keys": encode_keys(sorted(set(deployment_ids)))}
        rows = await self._executor.fetch_all(self._queries().sql("open_tokens"), parameters)
        return [
            OpenTokens(deployment_id=where, model=model, tokens=tokens, jobs=jobs)
            for where, model, tokens, jobs in sorted(tuple(row) for row in rows)
        ]


def _younger_than(seconds: float) -> dict[str, int]:
    return {"age": int(seconds * 1_000_000), "now": clock()}
