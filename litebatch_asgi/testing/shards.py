"""Shards in memory."""

from __future__ import annotations

from litebatch_asgi.models import Shard
from litebatch_asgi.testing.tables import Tables


class MemoryShardStore:
    """A `ShardStore` over dicts."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, file_id: str, shard: int) -> Shard | None:
        """See `ShardStore.get`."""
        self._tables.check_open()
        return self._tables.shards.get((file_id, shard))

    async def of_batch(self, batch_id: str) -> list[Shard]:
        """See `ShardStore.of_batch`."""
        self._tables.check_open()
        found = (shard for shard in self._tables.shards.values() if shard.batch_id == batch_id)
        return sorted(found, key=lambda shard: shard.shard)
