"""How long other writes wait while a content of 200 MB is deleted from an SQLite database."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import anyio

from benchmarks import _report
from litebatch_asgi.stores import DatabaseContentStore
from litebatch_asgi.testing import a_content, a_file
from litebatch_sqlite import SQLiteStorage

MIB = 1 << 20
SIZE = 200 * MIB
BAR_MS = 50.0


async def measured(*, deletes: bool) -> float:
    """The longest that a small write took, of as many as fit beside a deletion, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        storage = SQLiteStorage(Path(folder, "contents.db"))
        await storage.open()
        store, longest = DatabaseContentStore(storage.contents), 0.0
        content = await storage.contents.begin(a_content(), lease_seconds=60)
        await store.put(content.key, _blocks())
        deleted = anyio.Event()

        async def delete() -> None:
            if deletes:
                await store.delete(content.key)
            else:
                await anyio.sleep(2)
            deleted.set()

        async with anyio.create_task_group() as group:
            group.start_soon(delete)
            while not deleted.is_set():
                began = time.perf_counter()
                await storage.create_file(a_file(), [])
                longest = max(longest, time.perf_counter() - began)
        await storage.close()
    return longest


async def _blocks() -> AsyncIterator[bytes]:
    for _ in range(SIZE // MIB):
        yield bytes(MIB)


def main() -> None:
    """Show the longest write alone, and how much longer it is beside the deletion."""
    alone, beside = (1000 * anyio.run(partial(measured, deletes=deletes)) for deletes in (False, True))
    _report.show("longest write alone", f"{alone:.0f} ms")
    _report.at_most("longest write beside the deletion of 200 MB", beside - alone, BAR_MS, "ms more")


if __name__ == "__main__":
    main()
