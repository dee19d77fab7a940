"""What SQLite refuses, in our words; and nothing that stays behind."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from litebatch_asgi.app import open_storage
from litebatch_asgi.errors import ConfigError, StorageUnavailable
from litebatch_asgi.models import FileChange, FileState
from litebatch_asgi.testing import a_copy, a_file
from litebatch_sqlite import SQLiteStorage
from litebatch_sqlite.driver_errors import translated
from litebatch_sqlite.executor import READERS, SQLiteExecutor


def connection_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "_connection_worker_thread" in thread.name]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "litebatch.db"


@pytest.fixture
async def storage(database: Path) -> AsyncGenerator[SQLiteStorage]:
    storage = SQLiteStorage(database, busy_timeout_seconds=0.05)
    await storage.open()
    yield storage
    await storage.close()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_a_relative_url_is_a_path_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for database in ("sqlite:///here.db", "plain.db"):
        storage = SQLiteStorage(database)
        await storage.open()
        await storage.close()
    assert names(tmp_path) == {"here.db", "plain.db"}


SLOW = """
WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000000) SELECT count(*) FROM n
"""
"""More than half a second."""


@pytest.fixture
async def executor(database: Path) -> AsyncGenerator[SQLiteExecutor]:
    executor = SQLiteExecutor(database, busy_timeout_seconds=0.05)
    await executor.open()
    yield executor
    await executor.close()


@pytest.mark.parametrize("slow", [1, 2])
async def test_a_slow_read_holds_up_no_other(executor: SQLiteExecutor, slow: int) -> None:
    """Also where its caller has left."""
    finished: list[str] = []

    async def read(sql: str) -> None:
        await executor.fetch_one(sql, {})
        finished.append(sql)

    async with anyio.create_task_group() as tasks:
        for _ in range(slow):
            tasks.start_soon(read, SLOW)
        await anyio.lowlevel.checkpoint()
        for _ in range(READERS):
            await read("SELECT 1")
        assert finished == ["SELECT 1"] * READERS
    with anyio.move_on_after(0.05):
        await read(SLOW)
    await read("SELECT 2")
    assert finished[READERS:] == [SLOW] * slow + ["SELECT 2"]


async def test_no_reader_writes(executor: SQLiteExecutor) -> None:
    async with executor.write() as transaction:
        await transaction.execute("CREATE TABLE names (name)", {})
    for _ in range(2 * READERS):
        with pytest.raises(StorageUnavailable, match="cannot be written"):
            await executor.fetch_one("INSERT INTO names VALUES ('ann')", {})
    assert await executor.fetch_all("SELECT * FROM names", {}) == []


async def test_an_absolute_url_has_four_slashes(database: Path) -> None:
    storage = open_storage(f"sqlite:///{database}")
    await storage.open()
    await storage.close()
    assert names(database.parent) == {database.name}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite://", "three slashes"),
        ("sqlite://litebatch.db", "three slashes"),
        ("postgresql://host/db", "three slashes"),
        ("sqlite:///", "names no file"),
        ("", "names no file"),
        ("sqlite:///:memory:", "memory://"),
        (":memory:", "memory://"),
        ("sqlite:///a.db?mode=ro", "options"),
    ],
)
def test_urls_that_name_no_file_are_refused(url: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        SQLiteStorage(url)


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "litebatch.yaml"
    path.write_text("model_list: []\n" * 100)
    return path


async def refused(database: Path, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        await SQLiteStorage(database).open()


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    await refused(tmp_path / "missing" / "litebatch.db", "its folder must be there")


async def test_a_file_that_is_no_database(text_file: Path) -> None:
    await refused(text_file, "not an SQLite database")


async def test_a_database_of_another_application(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE files (name TEXT)")
    before = await anyio.Path(database).read_bytes()
    await refused(database, r"tables of somebody else, such as files, .* name another file")
    assert await anyio.Path(database).read_bytes() == before
    storage = SQLiteStorage(database, table_prefix="litebatch_")
    await storage.open()
    await storage.close()


async def test_a_table_of_another_application_may_have_the_name_of_one_of_ours(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE installation (name TEXT)")
    await refused(database, "such as installation")


async def test_a_database_of_a_newer_version(storage: SQLiteStorage, database: Path) -> None:
    await storage.close()
    with closing(sqlite3.connect(database)) as other:
        other.execute("UPDATE installation SET schema_version = 99")
        other.commit()
    await refused(database, "schema version 99")


async def test_every_connection_is_set_up(database: Path) -> None:
    executor = SQLiteExecutor(database, busy_timeout_seconds=1.5)
    await executor.open()
    await executor.open()
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 1500}
    for name, value in expected.items():
        assert await executor.fetch_one(f"PRAGMA {name}", {}) == (value,)
        async with executor.write() as transaction:
            assert await transaction.fetch_one(f"PRAGMA {name}", {}) == (value,)
    with pytest.raises(StorageUnavailable, match="read-only"):
        await executor.fetch_all("CREATE TABLE other (id)", {})
    await executor.close()


async def test_a_database_that_stays_locked(storage: SQLiteStorage, database: Path) -> None:
    file = a_file()
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable, match="locked by another process"):
            await storage.create_file(file, [])
        assert await storage.get_file(file.id) is None
        other.execute("ROLLBACK")
    await storage.create_file(file, [])
    assert await storage.get_file(file.id) is not None


async def test_a_lock_that_another_process_gives_up_is_waited_for(database: Path) -> None:
    storage = SQLiteStorage(database, busy_timeout_seconds=20)
    await storage.open()
    file = a_file()
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(storage.create_file, file, ())
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
            other.execute("COMMIT")
    assert await storage.get_file(file.id) is not None
    await storage.close()


async def test_a_full_disk(storage: SQLiteStorage, database: Path) -> None:
    await storage.close()
    executor = SQLiteExecutor(database, busy_timeout_seconds=1)
    await executor.open()
    async with executor.write() as transaction:
        await transaction.execute("CREATE TABLE filling (content BLOB)", {})
        await transaction.fetch_all("PRAGMA max_page_count = 1", {})  # means: no more than there are
    with pytest.raises(StorageUnavailable, match="full"):
        async with executor.write() as transaction:
            await transaction.execute_many(
                "INSERT INTO filling VALUES (:content)", ({"content": b"x" * 65_536} for _ in range(100))
            )
    assert await executor.fetch_all("SELECT count(*) FROM filling", {}) == [(0,)]
    async with executor.write() as transaction:
        await transaction.execute("DELETE FROM filling", {})
    await executor.close()


def test_a_connection_that_was_closed() -> None:
    connection = sqlite3.connect(":memory:")
    connection.close()
    with pytest.raises(StorageUnavailable, match="closed"), translated():
        connection.execute("SELECT 1")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (sqlite3.SQLITE_IOERR_READ, "does not answer"),
        (sqlite3.SQLITE_CORRUPT_INDEX, "damaged"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "read-only"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "locked"),
    ],
)
def test_details_of_an_error_do_not_matter(code: int, told: str) -> None:
    error = sqlite3.OperationalError("an error")
    error.sqlite_errorcode = code
    with pytest.raises(StorageUnavailable, match=told) as raised, translated():
        raise error
    assert raised.value.__cause__ is error


async def test_a_statement_that_is_wrong_stays_a_defect(database: Path) -> None:
    executor = SQLiteExecutor(database, busy_timeout_seconds=1)
    await executor.open()
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await executor.fetch_all("SELECT * FROM missing", {})
    await executor.close()


async def test_opening_that_is_cancelled_leaves_nothing_open(tmp_path: Path) -> None:
    for steps in range(60):
        storage = SQLiteStorage(tmp_path / f"{steps}.db")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(storage.open)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        await storage.close()


async def test_closing_that_is_cancelled_closes_all_the_same(storage: SQLiteStorage) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await storage.close()
    for thread in connection_threads():
        thread.join(5)
    assert connection_threads() == []


async def test_closing_waits_for_the_change_under_way(storage: SQLiteStorage) -> None:
    file = a_file()
    await storage.create_file(file, [])
    copies = tuple(a_copy(file, shard=shard) for shard in range(20))
    async with anyio.create_task_group() as tasks:

        def decide(state: FileState) -> FileChange:
            tasks.start_soon(storage.close)
            return FileChange(copies=copies)

        await storage.change_file(file.id, decide)
    await storage.open()
    state = await storage.get_file(file.id)
    assert state is not None
    assert state.copies == copies


async def test_a_task_that_is_cancelled_twice_rolls_back(storage: SQLiteStorage) -> None:
    file = a_file()
    await storage.create_file(file, [])

    def decide(state: FileState) -> FileChange:
        task.cancel()
        asyncio.get_running_loop().call_soon(task.cancel)
        return FileChange(copies=(a_copy(file),))

    task = asyncio.ensure_future(storage.change_file(file.id, decide))
    with pytest.raises(asyncio.CancelledError):
        await task
    state = await storage.change_file(file.id, lambda _: None)
    assert state.copies == ()
