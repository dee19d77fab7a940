"""What PostgreSQL refuses, breaks off and forgets, in our words; and nothing that is lost by it."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncGenerator

import anyio
import asyncpg
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import ConfigError, StateConflict, StorageUnavailable
from litebatch_asgi.models import BatchChange, BatchState, FileChange, FileState, JobState
from litebatch_asgi.testing import a_batch, a_copy, a_file, a_job
from litebatch_asgi.testing.conformance.base import state_of, stored_batch, stored_file, stored_job, writing
from litebatch_postgres import PostgresStorage
from litebatch_postgres.address import parse
from litebatch_postgres.driver_errors import opening, translated
from litebatch_postgres.executor import PostgresExecutor
from tests.postgres import (
    Server,
    database_url,
    empty_database_url,
    needs_socket,
    own_server,
    run_on,
    with_database,
)
from tests.storage.proxies import Cut, Proxy, in_front, socket_of

SECRET = "hunter2"


@pytest.fixture
async def url() -> AsyncGenerator[str]:
    async with database_url() as url:
        yield url


@pytest.fixture
async def proxy(url: str) -> Proxy:
    return Proxy(socket_of(url))


@pytest.fixture
async def storage(url: str, proxy: Proxy) -> AsyncGenerator[PostgresStorage]:
    async with in_front(proxy, url) as address:
        storage = PostgresStorage(address, max_pool_size=3)
        await storage.open()
        yield storage
        await storage.close()


def executor_on(url: str, **options: float) -> PostgresExecutor:
    address = parse(url, min_pool_size=0, max_pool_size=1, behind_pgbouncer=False)
    waits = {"acquire_seconds": 5.0, "command_seconds": 5.0} | options
    return PostgresExecutor(address, table_prefix="", **waits)


async def refused(url: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as raised:
        await PostgresStorage(url).open()
    assert SECRET not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"mysql://me:{SECRET}@host/db", "begins with postgresql://"),
        (f"postgresql://me:{SECRET}@[host/db", "cannot be read"),
        (f"postgresql://me:{SECRET}@host/db?pgbouncer={SECRET}", "true or false"),
        (f"postgresql://me:{SECRET}@host/db?max_pool_size=0", "at least 1"),
        (f"postgresql://me:{SECRET}@host/db?min_pool_size={SECRET}", "whole number from 0"),
        (f"postgresql://me:{SECRET}@host/db?min_pool_size=20", "at least min_pool_size"),
    ],
)
def test_urls_that_cannot_be_read(url: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as raised:
        PostgresStorage(url)
    assert SECRET not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"postgresql://me:{SECRET}@127.0.0.1:{SECRET}/db", "cannot be read"),
        (f"postgresql://me:se/{SECRET}@host/db", "cannot be read|not known"),
        (f"postgresql://me:{SECRET}@127.0.0.1/db?sslmode={SECRET}", "cannot be read"),
        (f"postgresql://me:{SECRET}@host.invalid/db", "host is not known"),
    ],
)
async def test_urls_that_lead_nowhere(url: str, told: str) -> None:
    await refused(url, told)


async def test_a_server_that_is_not_there_may_come_yet() -> None:
    storage = PostgresStorage(f"postgresql://me:{SECRET}@127.0.0.1:9/db")
    with pytest.raises(StorageUnavailable, match="check host and port") as raised:
        await storage.open()
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    assert SECRET not in repr(storage) + repr(vars(storage))


async def test_a_database_that_is_not_there(url: str) -> None:
    await refused(with_database(url, "missing"), "CREATE DATABASE")


async def test_an_option_that_is_not_there(url: str) -> None:
    await refused(f"{url}&connections={SECRET}", "an option that PostgreSQL does not know")


async def test_a_role_that_is_not_there(url: str) -> None:
    await refused(url.replace("postgres@", "nobody@"), "check the user")


def test_a_wrong_password() -> None:
    with pytest.raises(ConfigError, match="password"), opening(), translated():
        raise asyncpg.InvalidPasswordError("password authentication failed")


async def test_a_role_that_may_create_nothing() -> None:
    async with empty_database_url() as url:
        role = f"role_{urlsplit_name(url)}"
        await run_on(url, f"CREATE ROLE {role} LOGIN", "SELECT 1")
        await refused(url.replace("postgres@", f"{role}@"), "GRANT CREATE")
        await run_on(url, f"DROP ROLE {role}", "SELECT 1")


def urlsplit_name(url: str) -> str:
    return url.rpartition("/")[2].partition("?")[0]


async def test_beside_another_application_under_a_prefix() -> None:
    async with empty_database_url() as url:
        await run_on(url, "CREATE TABLE files (name text)", "SELECT 1")
        storage = PostgresStorage(url, table_prefix="litebatch_")
        await storage.open()
        file = await stored_file(storage)
        assert await storage.get_file(file.id) is not None
        await storage.close()
        assert await run_on(url, "SELECT count(*) FROM litebatch_files") == [(1,)]
        assert await run_on(url, "SELECT count(*) FROM files") == [(0,)]


async def test_a_database_of_a_newer_version(url: str) -> None:
    await run_on(url, "UPDATE installation SET schema_version = 99", "SELECT 1")
    await refused(url, "schema version 99")


async def test_a_pool_that_was_handed_in_stays_open(url: str) -> None:
    """With codecs of the host's own, that are not ours."""

    async def prepare(connection: asyncpg.Connection) -> None:
        for name in ("jsonb", "numeric"):
            await connection.set_type_codec(
                name, encoder=lambda _: "{}", decoder=lambda _: {}, schema="pg_catalog", format="text"
            )

    async with asyncpg.create_pool(url, min_size=1, max_size=2, init=prepare) as pool:
        storage = PostgresStorage(pool)
        await storage.open()
        batch = await stored_batch(storage, metadata={"a": "b"})
        assert (await state_of(storage, batch)).batch == batch
        await storage.close()
        assert await pool.fetchval("SELECT 1") == 1
        await storage.open()
        assert (await state_of(storage, batch)).batch == batch
        await storage.close()


async def test_a_pool_that_is_not_open(url: str) -> None:
    with pytest.raises(ConfigError, match="await it"):
        await PostgresStorage(asyncpg.create_pool(url)).open()


async def test_a_connection_is_waited_for_so_long(url: str) -> None:
    executor = executor_on(url, acquire_seconds=1)
    await executor.open()
    async with executor.write():
        with pytest.raises(StorageUnavailable, match="came free"):
            await executor.fetch_one("SELECT 1", {})
    assert await executor.fetch_one("SELECT 1", {}) == (1,)
    await executor.close()


async def test_an_answer_is_waited_for_so_long(url: str) -> None:
    executor = executor_on(url, command_seconds=0.1)
    await executor.open()
    with pytest.raises(StorageUnavailable, match="in time"):
        await executor.fetch_one("SELECT pg_sleep(60)", {})
    with pytest.raises(StorageUnavailable, match="in time"):
        async with executor.write() as transaction:
            await transaction.fetch_one("SELECT pg_sleep(60)", {})
    assert await executor.fetch_one("SELECT 1", {}) == (1,)
    await executor.close()


async def test_a_statement_that_is_wrong_stays_a_defect(url: str) -> None:
    executor = executor_on(url)
    await executor.open()
    with pytest.raises(asyncpg.UndefinedTableError):
        await executor.fetch_all("SELECT * FROM missing", {})
    await executor.close()


async def test_a_transaction_does_not_go_on_after_a_defect(url: str) -> None:
    executor = executor_on(url)
    await executor.open()

    async def go_on() -> None:
        async with executor.write() as transaction:
            with pytest.raises(asyncpg.UndefinedTableError):
                await transaction.fetch_all("SELECT * FROM missing", {})

    with pytest.raises(AssertionError, match="went on"):
        await go_on()
    await executor.close()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (asyncpg.TooManyConnectionsError, "no connection left"),
        (asyncpg.DiskFullError, "disk"),
        (asyncpg.ReadOnlySQLTransactionError, "read-only"),
        (asyncpg.LockNotAvailableError, "busy"),
        (asyncpg.CannotConnectNowError, "starting or shutting down"),
        (asyncpg.AdminShutdownError, "starting or shutting down"),
        (asyncpg.ConnectionFailureError, "starting or shutting down"),
        (asyncpg.IdleInTransactionSessionTimeoutError, "took too long"),
        (asyncpg.InvalidPasswordError, "does not answer"),
        (asyncpg.PostgresIOError, "does not answer"),
        (ConnectionResetError, "broke"),
    ],
)
def test_what_is_told_of_a_database_that_is_away(error: type[Exception], told: str) -> None:
    with pytest.raises(StorageUnavailable, match=told), translated():
        raise error(SECRET)


async def test_another_one_s_key_is_a_conflict(url: str) -> None:
    storage = PostgresStorage(url)
    await storage.open()
    file = await stored_file(storage)
    with pytest.raises(StateConflict):
        await storage.create_file(file, [])
    with pytest.raises(StateConflict):  # there is no such file
        await storage.change_file(
            file.id, lambda _: FileChange(copies=(a_copy(a_file(), file_id="file-missing"),))
        )
    await storage.close()


@needs_socket
async def test_a_commit_whose_answer_is_lost_was_a_commit(storage: PostgresStorage, proxy: Proxy) -> None:
    proxy.to_cut = [Cut.AFTER]
    file = await stored_file(storage)
    assert proxy.to_cut == []
    assert await storage.get_file(file.id) is not None


@needs_socket
async def test_a_commit_that_did_not_arrive_was_none(storage: PostgresStorage, proxy: Proxy) -> None:
    file = a_file()
    proxy.to_cut = [Cut.BEFORE]
    with pytest.raises(StorageUnavailable):
        await storage.create_file(file, [])
    assert await storage.get_file(file.id) is None
    await storage.create_file(file, [])


@needs_socket
async def test_a_commit_that_is_still_on_its_way_is_waited_for(
    storage: PostgresStorage, proxy: Proxy, url: str
) -> None:
    proxy.to_cut = [Cut.LATE]
    file = a_file()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(storage.create_file, file, ())
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%receipts%'"
        while not await run_on(url, f"{waiting} AND datname = current_database()"):
            await anyio.lowlevel.checkpoint()
        assert await storage.get_file(file.id) is None
        proxy.is_late.set()
    assert await storage.get_file(file.id) is not None


@needs_socket
async def test_each_of_many_lost_answers_is_resolved(storage: PostgresStorage, proxy: Proxy) -> None:
    """Writers are used again, and their numbers tell one transaction from the next."""
    batch = await stored_batch(storage)
    seen: list[int] = []

    def count(state: BatchState) -> None:
        seen.append(len(state.jobs))

    for number in range(2, 8):
        proxy.to_cut = [Cut.BEFORE, Cut.AFTER][number % 2 :][:1]
        job = a_job(batch, attempt=number)
        try:
            await storage.change_batch(batch.id, writing(new_jobs=(job,)))
        except StorageUnavailable:
            assert number % 2 == 0
            await storage.change_batch(batch.id, writing(new_jobs=(job,)))
    await storage.change_batch(batch.id, count)
    assert seen == [7]


@needs_socket
async def test_connections_that_died_are_replaced(storage: PostgresStorage, proxy: Proxy) -> None:
    for _ in range(3):
        file = await stored_file(storage)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(storage.get_file, file.id)
        proxy.cut_all()
        assert await storage.get_file(file.id) is not None
        proxy.cut_all()
        await stored_file(storage)


async def test_who_gives_way_in_a_deadlock_tries_again(url: str) -> None:
    storage = PostgresStorage(url)
    await storage.open()
    job = await stored_job(storage)
    looks: list[BatchState] = []

    def decide(state: BatchState) -> BatchChange:
        looks.append(state)
        return writing(jobs=(replace(state.jobs[0], state=JobState.SUBMITTED),))(state)

    other, observer = await asyncpg.connect(url), await asyncpg.connect(url)
    await other.execute("SET deadlock_timeout = '1min'")  # the storage notices first
    pid = await other.fetchval("SELECT pg_backend_pid()")
    waits = f"SELECT 1 FROM pg_stat_activity WHERE {pid} = ANY(pg_blocking_pids(pid))"
    async with anyio.create_task_group() as tasks, other.transaction():
        await other.execute("UPDATE jobs SET checks = 7 WHERE id = $1", job.id)
        tasks.start_soon(storage.change_batch, job.batch_id, decide)
        while not await observer.fetch(waits):
            await anyio.lowlevel.checkpoint()
        await other.fetch("SELECT 1 FROM batches WHERE id = $1 FOR UPDATE", job.batch_id)
    for connection in (other, observer):
        await connection.close()
    [written] = (await state_of(storage, job)).jobs
    assert (written.state, looks[-1].jobs[0].checks) == (JobState.SUBMITTED, 7)
    await storage.close()


async def test_a_task_that_is_cancelled_twice_rolls_back(url: str) -> None:
    storage = PostgresStorage(url)
    await storage.open()
    file = await stored_file(storage)

    def decide(state: FileState) -> FileChange:
        task.cancel()
        asyncio.get_running_loop().call_soon(task.cancel)
        return FileChange(copies=(a_copy(file),))

    task = asyncio.ensure_future(storage.change_file(file.id, decide))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await storage.change_file(file.id, lambda _: None)).copies == ()
    await storage.close()


async def test_behind_pgbouncer_no_prepared_statement_has_a_name(url: str) -> None:
    names = "SELECT name FROM pg_prepared_statements"
    for option, is_empty in (("", False), ("&pgbouncer=true", True)):
        storage = PostgresStorage(f"{url}{option}", max_pool_size=1)
        await storage.open()
        await state_of(storage, await stored_batch(storage))
        executor = storage._executor  # pyright: ignore[reportPrivateUsage]
        assert (await executor.fetch_all(names, {}) == []) == is_empty
        await storage.close()


async def test_a_server_that_restarts_is_found_again() -> None:
    with own_server() as server:
        storage = PostgresStorage(server.url())
        await storage.open()
        batch = await stored_batch(storage, batch=a_batch(a_file()))
        for mode in ("fast", "immediate"):
            await _restarted(server, storage, mode)
            assert (await state_of(storage, batch)).batch == batch
            await stored_file(storage)
        await storage.close()


async def _restarted(server: Server, storage: PostgresStorage, mode: str) -> None:
    await asyncio.to_thread(server.stop, mode)
    for call in (storage.now(), storage.create_file(a_file(), [])):
        with pytest.raises(StorageUnavailable):
            await call
    await asyncio.to_thread(server.start)
