"""`DatabasesStorage` does what every storage has to do, and leaves its host alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
from databases import Database

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import BatchChange, FileChange, FileKind, FilePart, FileState
from litebatch_asgi.testing import a_batch, a_copy, a_file, a_part
from litebatch_asgi.testing.conformance import Capability, NewStorage, StorageConformance
from litebatch_databases import DatabasesStorage
from tests.postgres import database_url
from tests.storage.hosts import (
    HOST_TABLES,
    POOL_SIZE,
    add,
    assert_whole,
    names,
    postgres_host,
    relations,
    sqlite_host,
)


class TestDatabasesOnSQLite(StorageConformance):
    capabilities = frozenset({Capability.PERSISTENT, Capability.SHARED})

    @pytest.fixture
    async def new_storage(self, tmp_path: Path) -> AsyncGenerator[NewStorage]:
        async with sqlite_host(tmp_path) as database:
            yield lambda: DatabasesStorage(database)


@pytest.mark.long
class TestDatabasesOnPostgres(StorageConformance):
    capabilities = frozenset({Capability.PERSISTENT, Capability.SHARED})

    @pytest.fixture
    async def new_storage(self) -> AsyncGenerator[NewStorage]:
        # beside tables of another storage, which stand for the host's
        async with database_url() as url, Database(url, min_size=1, max_size=POOL_SIZE) as database:
            yield lambda: DatabasesStorage(database)
            await assert_whole(database)


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Database]:
    host = sqlite_host(tmp_path) if request.param == "sqlite" else postgres_host()
    async with host as database:
        yield database


@pytest.fixture
async def storage(database: Database) -> AsyncGenerator[DatabasesStorage]:
    storage = DatabasesStorage(database)
    await storage.open()
    yield storage
    await storage.close()


class Refused(Exception):
    pass


async def test_the_host_goes_on_after_closing(database: Database) -> None:
    storage = DatabasesStorage(database)
    await storage.open()
    await storage.close()
    assert database.is_connected
    await add(database, "ann")
    assert await names(database) == ["ann"]


async def test_tables_of_the_host_are_left_alone(database: Database) -> None:
    before = await relations(database)
    for table in HOST_TABLES:
        await add(database, table, table=table)
    storage = DatabasesStorage(database)
    await storage.open()
    file = a_file()
    await storage.create_file(file, [a_copy(file)])
    await storage.change_file(file.id, lambda _: FileChange(remove=True))
    await storage.close()
    for table in HOST_TABLES:
        assert await names(database, table=table) == [table]
    after = await relations(database)
    assert before < after
    assert {name for name in after - before if not name.startswith("litebatch_")} == set()


async def test_two_installations_in_one_database(database: Database) -> None:
    storages = [DatabasesStorage(database, table_prefix=prefix) for prefix in ("one_", "two_")]
    ids = {(await storage.open()).id for storage in storages}
    assert len(ids) == 2
    file = a_file()
    await storages[0].create_file(file, [])
    assert await storages[1].get_file(file.id) is None
    for storage in storages:
        await storage.close()


async def test_a_rollback_of_the_host_takes_nothing_of_ours(
    database: Database, storage: DatabasesStorage
) -> None:
    file = a_file()
    transaction = await database.transaction()
    await storage.create_file(file, [])
    await add(database, "ann")
    assert await storage.get_file(file.id) is not None
    assert await names(database) == ["ann"]
    await transaction.rollback()
    assert await storage.get_file(file.id) is not None
    assert await names(database) == []


async def test_a_rollback_of_ours_takes_nothing_of_the_host(
    database: Database, storage: DatabasesStorage
) -> None:
    file = a_file()
    await storage.create_file(file, [])

    def refuse(state: FileState) -> FileChange:
        raise Refused

    async with database.transaction():
        with pytest.raises(Refused):
            await storage.change_file(file.id, refuse)
        await add(database, "ann")
    assert await names(database) == ["ann"]


async def test_tasks_within_a_transaction_of_the_host_write_for_good(
    database: Database, storage: DatabasesStorage
) -> None:
    files = [a_file() for _ in range(5)]
    transaction = await database.transaction()
    async with anyio.create_task_group() as tasks:
        for file in files:
            tasks.start_soon(storage.create_file, file, ())
    await transaction.rollback()
    for file in files:
        assert await storage.get_file(file.id) is not None


async def test_the_host_sees_what_is_committed_only(database: Database, storage: DatabasesStorage) -> None:
    file, output = a_file(), a_file(kind=FileKind.OUTPUT)
    await storage.create_file(file, [])
    batch = a_batch(file)
    token = anyio.lowlevel.current_token()
    seen: list[int] = []

    async def look() -> None:
        rows = await database.fetch_all("SELECT count(*) FROM litebatch_batches")
        seen.append(rows[0][0])

    def parts() -> Iterator[FilePart]:
        anyio.from_thread.run(look, token=token)
        yield a_part(output)

    change = BatchChange(batch=batch, files=(output,), parts=parts())
    await storage.create_batch(file.id, lambda _: change)
    await look()
    assert seen == [0, 1]


async def test_a_task_that_is_cancelled_twice_rolls_back(
    database: Database, storage: DatabasesStorage
) -> None:
    file = a_file()
    await storage.create_file(file, [])

    def decide(state: FileState) -> FileChange:
        task.cancel()
        asyncio.get_running_loop().call_soon(task.cancel)
        return FileChange(copies=(a_copy(file),))

    task = asyncio.ensure_future(storage.change_file(file.id, decide))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await storage.change_file(file.id, lambda _: None)).copies == ()
    await add(database, "ann")


async def test_a_database_that_is_not_connected(database: Database) -> None:
    other = Database(database.url)
    with pytest.raises(ConfigError, match="not connected"):
        await DatabasesStorage(other).open()
    assert not other.is_connected


async def test_a_database_that_rolls_everything_back(database: Database) -> None:
    async with Database(database.url, force_rollback=True) as other:
        with pytest.raises(ConfigError, match="force_rollback"):
            await DatabasesStorage(other).open()


async def test_a_prefix_that_cannot_be_one(database: Database) -> None:
    with pytest.raises(ConfigError, match="table_prefix"):
        DatabasesStorage(database, table_prefix="users; --")
