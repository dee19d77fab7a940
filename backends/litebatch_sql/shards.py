"""Shards in an SQL database."""

from __future__ import annotations

from collections.abc import Callable

from litebatch_asgi.models import Shard
from litebatch_sql.executor import Executor
from litebatch_sql.queries import Queries
from litebatch_sql.tables import SHARDS


class SQLShardStore:
    """A `ShardStore` over an `Executor`; `queries` raises until it is open."""

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def get(self, file_id: str, shard: int) -> Shard | None:
        """See `ShardStore.get`."""
        wanted = {"file_id": file_id, "shard": shard}
        row = await self._executor.fetch_one(self._queries().sql("get_shard"), wanted)
        return SHARDS.decode(row) if row else None

    async def of_batch(self, batch_id: str) -> list[Shard]:
        """See `ShardStore.of_batch`."""
        statement = self._queries().sql("get_shards_of_batch")
        rows = await self._executor.fetch_all(statement, {"batch_id": batch_id})
        return list(map(SHARDS.decode, rows))
