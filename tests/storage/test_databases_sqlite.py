"""`DatabasesStorage` beside a host that uses the same SQLite file, through the same `Database`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from databases import Database, DatabaseURL

from litebatch_asgi.errors import ConfigError, StorageUnavailable
from litebatch_asgi.models import FileChange
from litebatch_asgi.testing import a_copy, a_file
from litebatch_databases import DatabasesStorage
from tests.storage.hosts import add, names, sqlite_host


def connection_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "_connection_worker_thread" in thread.name]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncGenerator[Database]:
    async with sqlite_host(tmp_path, timeout=0.05) as database:
        yield database


@pytest.fixture
async def storage(database: Database) -> AsyncGenerator[DatabasesStorage]:
    storage = DatabasesStorage(database)
    await storage.open()
    yield storage
    await storage.close()


@pytest.mark.parametrize("mode", ["delete", "wal"])
async def test_the_journal_mode_of_the_host_stays(database: Database, mode: str) -> None:
    await database.execute(f"PRAGMA journal_mode = {mode}")
    storage = DatabasesStorage(database)
    await storage.open()
    await storage.create_file(a_file(), [])
    await storage.close()
    (row,) = await database.fetch_all("PRAGMA journal_mode")
    assert row[0] == mode


async def test_what_the_host_has_not_committed_is_waited_for_then_told(
    database: Database, storage: DatabasesStorage
) -> None:
    file = a_file()
    async with database.transaction():
        await add(database, "ann")
        with pytest.raises(StorageUnavailable, match="locked"):
            await storage.create_file(file, [])
        assert await storage.get_file(file.id) is None
    await storage.create_file(file, [])
    assert await storage.get_file(file.id) is not None
    assert await names(database) == ["ann"]


async def test_a_lock_that_the_host_gives_up_is_waited_for(tmp_path: Path) -> None:
    async with sqlite_host(tmp_path, timeout=20) as database:
        storage = DatabasesStorage(database)
        await storage.open()
        file = a_file()
        async with anyio.create_task_group() as tasks, database.connection() as connection:
            await connection.execute("BEGIN IMMEDIATE")
            tasks.start_soon(storage.create_file, file, ())
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
            await connection.execute("COMMIT")
        assert await storage.get_file(file.id) is not None
        await storage.close()


async def test_copies_go_with_their_file(database: Database, storage: DatabasesStorage) -> None:
    """They rely on foreign keys, which SQLite forgets with each connection."""
    file = a_file()
    await storage.create_file(file, [a_copy(file)])
    await storage.change_file(file.id, lambda _: FileChange(remove=True))
    assert await database.fetch_all("SELECT file_id FROM litebatch_file_copies") == []


async def test_opening_that_is_cancelled_leaves_nothing_open(tmp_path: Path) -> None:
    for steps in range(40):
        async with Database(f"sqlite:///{tmp_path}/{steps}.db") as database:
            storage = DatabasesStorage(database)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(storage.open)
                for _ in range(steps):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            await storage.close()


async def test_a_task_that_is_cancelled_while_it_opens_leaves_nothing_open(tmp_path: Path) -> None:
    for steps in range(20):
        async with Database(f"sqlite:///{tmp_path}/{steps}.db") as database:
            storage = DatabasesStorage(database)
            task = asyncio.ensure_future(storage.open())
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            task.cancel()
            await asyncio.wait([task])
            await storage.close()
            for thread in connection_threads():
                await anyio.to_thread.run_sync(thread.join)


@pytest.mark.parametrize("which", [1, 2])
async def test_a_connection_that_comes_with_the_cancellation_is_given_back(
    tmp_path: Path, which: int
) -> None:
    """The task is cancelled in the very turn of the event loop in which it has been lent."""
    seen: set[asyncio.Task[Any]] = set()

    def lent() -> asyncio.Task[Any] | None:
        names = {task: getattr(task.get_coro(), "__name__", "") for task in asyncio.all_tasks()}
        return next((task for task, name in names.items() if name == "lend" and task not in seen), None)

    async with Database(f"sqlite:///{tmp_path}/host.db") as database:
        storage = DatabasesStorage(database)
        opening = asyncio.ensure_future(storage.open())
        while len(seen) < which:
            await anyio.lowlevel.checkpoint()
            lending = lent()
            if lending is not None:
                seen.add(lending)
                if len(seen) == which:
                    lending.add_done_callback(lambda _: opening.cancel())
        await asyncio.wait([opening])
        assert opening.cancelled()
        with pytest.raises(StorageUnavailable, match="not open"):
            await storage.get_file("file-x")


@pytest.mark.parametrize("url", ["sqlite:///:memory:", "sqlite:///file::memory:?cache=shared"])
async def test_a_database_in_memory(url: str) -> None:
    async with Database(url, uri="cache" in url) as database:
        with pytest.raises(ConfigError, match="in memory"):
            await DatabasesStorage(database).open()


async def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    async with Database(f"sqlite:///{tmp_path}/missing/host.db") as database:
        with pytest.raises(ConfigError, match="cannot be opened"):
            await DatabasesStorage(database).open()
        for thread in connection_threads():  # the driver does not wait for a thread that found no file
            await anyio.to_thread.run_sync(thread.join)


@pytest.mark.parametrize("url", ["mysql://host/db", "postgresql+aiopg://host/db"])
def test_a_database_that_there_are_no_queries_for(url: str) -> None:
    database = Database("sqlite:///host.db")
    database.url = DatabaseURL(url)
    with pytest.raises(ConfigError, match="by asyncpg"):
        DatabasesStorage(database)
