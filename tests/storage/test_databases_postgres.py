"""`DatabasesStorage` beside a host that uses the same pool of PostgreSQL connections."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import anyio.lowlevel
import asyncpg
import pytest
from databases import Database

from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.models import BatchChange
from litebatch_asgi.testing import a_batch, a_copy, a_file, a_job
from litebatch_databases import DatabasesStorage
from tests.postgres import empty_database_url, needs_socket
from tests.storage.hosts import add, assert_whole, names, postgres_host
from tests.storage.proxies import Cut, Proxy, in_front, socket_of


@pytest.fixture
async def database() -> AsyncGenerator[Database]:
    async with postgres_host() as database:
        yield database


@pytest.fixture
async def storage(database: Database) -> AsyncGenerator[DatabasesStorage]:
    storage = DatabasesStorage(database, acquire_seconds=1)
    await storage.open()
    yield storage
    await storage.close()


async def test_a_pool_without_a_free_connection_is_waited_for_then_told() -> None:
    async with postgres_host(max_size=1) as database:
        storage = DatabasesStorage(database, acquire_seconds=0.3)
        await storage.open()
        file = a_file()
        async with database.transaction():
            await add(database, "ann")
            with pytest.raises(StorageUnavailable, match="came free"):
                await storage.create_file(file, [])
            with pytest.raises(StorageUnavailable, match="came free"):
                await storage.get_file(file.id)
        await storage.create_file(file, [])
        assert await names(database) == ["ann"]
        await storage.close()


async def test_rows_that_the_host_has_written_keep_nobody_waiting(
    database: Database, storage: DatabasesStorage
) -> None:
    file = a_file()
    async with database.transaction():
        await add(database, "ann")
        await storage.create_file(file, [])
        assert await storage.get_file(file.id) is not None


async def test_codecs_of_the_host_change_nothing() -> None:
    async def init(connection: asyncpg.Connection[Any]) -> None:
        for name in ("json", "jsonb"):
            await connection.set_type_codec(name, encoder=json.dumps, decoder=json.loads, schema="pg_catalog")

    async with postgres_host(init=init) as database:
        assert (await database.fetch_all("""SELECT CAST('{"a": 1}' AS jsonb)"""))[0][0] == {"a": 1}
        storage = DatabasesStorage(database)
        await storage.open()
        file = a_file(models=("one", "two"))
        await storage.create_file(file, [])
        batch = a_batch(file, metadata={"quoted": '"'})
        change = BatchChange(batch=batch, new_jobs=(a_job(batch),))
        await storage.create_batch(file.id, lambda _: change)
        assert await storage.get_batch(batch.id) == batch
        state = await storage.get_file(file.id)
        assert state is not None
        assert state.file == file
        await storage.close()


async def test_a_host_that_has_disconnected(database: Database, storage: DatabasesStorage) -> None:
    await database.disconnect()
    with pytest.raises(StorageUnavailable, match="not connected"):
        await storage.get_batch("batch")
    await database.connect()
    assert await storage.get_batch("batch") is None


async def test_connections_that_the_server_ended_are_replaced(
    database: Database, storage: DatabasesStorage
) -> None:
    file = a_file()
    await storage.create_file(file, [])
    other = await asyncpg.connect(str(database.url))
    ended = await other.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await other.close()
    assert len(ended) > 0
    assert await storage.get_file(file.id) is not None
    await storage.create_file(a_file(), [])


@needs_socket
async def test_a_commit_whose_answer_is_lost_is_looked_up() -> None:
    async with empty_database_url() as url:
        proxy = Proxy(socket_of(url))
        async with in_front(proxy, url) as address, Database(address, min_size=1, max_size=2) as database:
            storage = DatabasesStorage(database)
            await storage.open()
            files = [a_file(), a_file()]
            proxy.to_cut = [Cut.AFTER]
            await storage.create_file(files[0], [])
            proxy.to_cut = [Cut.BEFORE]
            with pytest.raises(StorageUnavailable):
                await storage.create_file(files[1], [])
            assert proxy.to_cut == []
            assert await storage.get_file(files[0].id) is not None
            assert await storage.get_file(files[1].id) is None
            await assert_whole(database, 2)
            await storage.close()


@pytest.mark.parametrize("steps", range(0, 40, 2))
async def test_a_caller_that_is_cancelled_leaves_the_pool_whole(
    database: Database, storage: DatabasesStorage, steps: int
) -> None:
    file = a_file()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(storage.create_file, file, [a_copy(file)])
        tasks.start_soon(storage.get_file, file.id)
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    await assert_whole(database)
    state = await storage.get_file(file.id)
    assert state is None or len(state.copies) == 1
