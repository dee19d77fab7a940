"""The store in the database: no transaction of it is large."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from litebatch_asgi.stores import DatabaseContentStore
from litebatch_asgi.testing import a_content
from litebatch_asgi.testing.conformance.content_stores import blocks
from litebatch_asgi.testing.conformance.contents import due
from litebatch_sql.executor import Transaction
from litebatch_sqlite import SQLiteStorage
from litebatch_sqlite.executor import SQLiteExecutor
from tests.database import SQLiteDatabase

MIB = 1 << 20
AT_ONCE = 2 * MIB + 4096


class Told(list[int]):
    """How many bytes of chunks each transaction has written or deleted."""


@asynccontextmanager
async def counted(
    executor: SQLiteExecutor, write: Callable[[SQLiteExecutor], Any], told: Told
) -> AsyncGenerator[Transaction]:
    size = "SELECT coalesce(sum(length(chunk)), 0) FROM content_chunks"
    async with write(executor) as transaction:
        (before,) = await transaction.fetch_one(size, {})
        yield transaction
        (after,) = await transaction.fetch_one(size, {})
        told.append(abs(after - before))


async def test_each_transaction_holds_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other writers have their turn after each of them, however large a content is."""
    storage, told = SQLiteStorage(SQLiteDatabase.migrated(tmp_path).url), Told()
    await storage.open()
    write = SQLiteExecutor.write

    def write_counted(executor: SQLiteExecutor) -> AbstractAsyncContextManager[Transaction]:
        return counted(executor, write, told)

    monkeypatch.setattr(SQLiteExecutor, "write", write_counted)
    store = DatabaseContentStore(storage.contents)
    content = await storage.contents.begin(a_content(), lease_seconds=0)
    assert await store.put(content.key, blocks([b"x" * (5 * MIB)] * 5)) == 25 * MIB
    assert max(told) <= AT_ONCE
    assert sum(told) == 25 * MIB
    await due(storage)
    told.clear()
    await store.delete(content.key)
    assert max(told) <= AT_ONCE
    assert sum(told) == 25 * MIB
    await storage.close()
