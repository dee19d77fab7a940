"""Contents in the database of an SQL storage: their rows, and the bytes of some."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import Content
from litebatch_sql.executor import Executor, Transaction, in_transaction
from litebatch_sql.leases import clock, leased
from litebatch_sql.queries import Queries
from litebatch_sql.rows import encode_json, encode_keys, to_microseconds
from litebatch_sql.tables import CONTENTS


class SQLContentRows:
    """`ContentRows` over an `Executor`; `queries` raises until it is open."""

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def begin(self, content: Content, *, lease_seconds: float) -> Content:
        """See `ContentRows.begin`."""
        queries = self._queries()

        async def begin(transaction: Transaction) -> Content:
            (written,) = await leased(transaction, queries, [content], lease_seconds)
            await transaction.execute(queries.sql("insert_contents"), CONTENTS.encode(written))
            return written

        return await in_transaction(self._executor, begin)

    async def get(self, key: str) -> Content | None:
        """See `ContentRows.get`."""
        row = await self._executor.fetch_one(self._queries().sql("get_content"), {"key": key})
        return CONTENTS.decode(row) if row else None

    async def abandon(self, contents: Sequence[Content]) -> None:
        """See `ContentRows.abandon`."""
        keys = [(each.key, each.epoch, each.claimed_by) for each in contents]
        if keys:
            await self._execute("abandon_contents", {"keys": encode_json(keys), "now": clock()})

    async def claim_due(
        self,
        worker: str,
        *,
        stores: Collection[str],
        limit: int,
        lease_seconds: float,
        watch_seconds: float,
    ) -> list[Content]:
        """See `ContentRows.claim_due`."""
        sql = self._queries().sql
        wanted = {"keys": encode_keys(sorted(stores)), "limit": limit, "now": clock()}
        if not await self._executor.fetch_one(sql("due_contents"), {**wanted, "limit": 1}):
            return []

        async def claim(transaction: Transaction) -> list[Content]:
            due = await transaction.fetch_all(sql("lock_due_contents"), wanted)
            if not due:
                return []
            claim = {
                "keys": encode_keys([row[0] for row in due]),
                "worker": worker,
                "lease": round(lease_seconds * 1_000_000),
                "watch": round(watch_seconds * 1_000_000),
                "now": clock(),
            }
            await transaction.execute(sql("claim_contents"), claim)
            rows = await transaction.fetch_all(sql("claimed_contents"), claim)
            return list(map(CONTENTS.decode, rows))

        return await in_transaction(self._executor, claim)

    async def postpone(self, content: Content, due: datetime) -> None:
        """See `ContentRows.postpone`."""
        later = {"key": content.key, "epoch": content.epoch, "due": to_microseconds(due)}
        if not await self._execute("postpone_content", later):
            raise _lost(content)

    async def remove(self, content: Content) -> None:
        """See `ContentRows.remove`."""
        if not await self._execute("remove_content", {"key": content.key, "epoch": content.epoch}):
            raise _lost(content)

    async def outgrown(self, store: str) -> int | None:
        """See `ContentRows.outgrown`."""
        queries = self._queries()
        if "advised_content_bytes" not in queries:
            return None
        advised = await self._executor.fetch_one(queries.sql("advised_content_bytes"), {})
        held = await self._executor.fetch_one(queries.sql("bytes_in_store"), {"store": store})
        assert advised is not None
        assert held is not None
        return held[0] if held[0] > advised[0] else None

    async def put_chunk(self, key: str, seq: int, chunk: bytes) -> None:
        """See `ContentRows.put_chunk`."""
        if not await self._execute("insert_chunk", {"key": key, "seq": seq, "chunk": chunk}):
            raise StateConflict(f"content {key} is not being written")

    async def get_chunk(self, key: str, seq: int) -> bytes | None:
        """See `ContentRows.get_chunk`."""
        row = await self._executor.fetch_one(self._queries().sql("get_chunk"), {"key": key, "seq": seq})
        return bytes(row[0]) if row else None

    async def delete_chunks(self, key: str, *, limit: int) -> int:
        """See `ContentRows.delete_chunks`."""
        return await self._execute("delete_chunks", {"key": key, "limit": limit})

    async def _execute(self, name: str, parameters: dict[str, Any]) -> int:
        sql = self._queries().sql(name)
        return await in_transaction(self._executor, lambda transaction: transaction.execute(sql, parameters))


def _lost(content: Content) -> StateConflict:
    return StateConflict(f"{content.name} is not there, or has another epoch than {content.epoch}")
