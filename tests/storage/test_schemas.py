"""Ours never go among somebody else's tables: in which schema of a PostgreSQL database they are."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import BatchChange
from litebatch_asgi.testing import a_batch, a_file, a_job
from litebatch_databases import DatabasesStorage
from litebatch_postgres import PostgresStorage
from litebatch_postgres.address import parse
from litebatch_sql import Queries, SQLStorage, numbered
from litebatch_sql.tables import TABLES
from tests.forks import run
from tests.postgres import database_url, empty_database_url, needs_socket, run_on
from tests.storage.hosts import HOST_TABLES, postgres_host
from tests.storage.proxies import Pooler, in_front, socket_of

LITELLM = (
    'CREATE TABLE "LiteLLM_VerificationToken" (token text)',
    "CREATE TABLE _prisma_migrations (id text)",
    "CREATE TABLE files (name text)",
    "CREATE TABLE installation (name text)",
    "SELECT 1",
)
"""of an application that has tables with names of ours, too"""
WHERE = """
SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = 'file_copies' ORDER BY schemaname
"""


async def assert_works(storage: SQLStorage) -> str:
    """It can be opened, written to and read, and opened again by another; its installation's id."""
    installation = await storage.open()
    file = a_file()
    await storage.create_file(file, [])
    batch = a_batch(file)
    change = BatchChange(batch=batch, new_jobs=(a_job(batch),))
    await storage.create_batch(file.id, lambda _: change)
    assert await storage.get_batch(batch.id) == batch
    await storage.close()
    again = await storage.open()
    await storage.close()
    assert again.id == installation.id
    return again.id


@pytest.fixture
async def url() -> AsyncGenerator[str]:
    """A database that is LiteLLM's."""
    async with empty_database_url() as url:
        await run_on(url, *LITELLM)
        yield url


async def test_beside_the_tables_of_another_application_ours_have_a_schema(url: str) -> None:
    installation = await assert_works(PostgresStorage(url))
    assert await run_on(url, WHERE) == [("litebatch",)]
    assert await run_on(url, "SELECT count(*) FROM public.files") == [(0,)]
    assert await run_on(url, "SHOW search_path") == [('"$user", public',)]
    assert await run_on(url, "SELECT id FROM litebatch.installation") == [(installation,)]


async def test_every_statement_finds_its_tables_in_the_schema(url: str) -> None:
    await assert_works(PostgresStorage(url))
    assert (await run_on(url, "SELECT count(*) FROM litebatch.receipts"))[0][0] > 0
    queries = Queries.load("litebatch_postgres", TABLES, prefix='"litebatch".')
    connection = await asyncpg.connect(url, server_settings={"search_path": ""})
    for name in queries._bodies:  # pyright: ignore[reportPrivateUsage]
        choices = ("each",) if name == "spend" else ()  # one of its two tables
        await connection.prepare(numbered(queries.sql(name, *choices)).sql)
    await connection.close()


async def test_an_empty_database_is_used_as_it_is() -> None:
    async with empty_database_url() as url:
        of_an_extension = ("CREATE TABLE a (b text)", "ALTER EXTENSION plpgsql ADD TABLE a", "SELECT 1")
        await run_on(url, *of_an_extension)
        await assert_works(PostgresStorage(url))
        assert await run_on(url, WHERE) == [("public",)]


async def test_a_schema_that_was_made_for_it_is_used() -> None:
    async with empty_database_url() as url:
        await run_on(url, "CREATE SCHEMA litebatch", "SELECT 1")
        await assert_works(PostgresStorage(url))
        assert await run_on(url, WHERE) == [("litebatch",)]


async def test_where_ours_are_already_they_stay() -> None:
    async with database_url(fresh=True) as url:
        await run_on(url, 'CREATE TABLE "LiteLLM_TeamTable" (id text)', "SELECT 1")
        await assert_works(PostgresStorage(url))
        assert await run_on(url, WHERE) == [("public",)]


async def test_tables_of_another_schema_leave_public_alone() -> None:
    async with empty_database_url() as url:
        await run_on(url, "CREATE SCHEMA litellm", "CREATE TABLE litellm.a (b text)", "SELECT 1")
        await assert_works(PostgresStorage(url))
        assert await run_on(url, WHERE) == [("litebatch",)]


async def test_a_schema_can_be_chosen(url: str) -> None:
    ids = {await assert_works(PostgresStorage(f"{url}&schema={name}")) for name in ("Our-Own", "second")}
    assert len(ids) == 2
    assert await run_on(url, WHERE) == [("Our-Own",), ("second",)]


async def test_a_chosen_schema_of_another_application_is_refused(url: str) -> None:
    for storage in (
        PostgresStorage(f"{url}&schema=public"),
        PostgresStorage(f"{url}&schema=public&pgbouncer=true"),
    ):
        with pytest.raises(ConfigError, match=r"schema public holds tables of .*schema=litebatch"):
            await storage.open()
    await assert_works(PostgresStorage(f"{url}&schema=public", table_prefix="lb_"))
    assert await run_on(url, "SELECT schemaname FROM pg_tables WHERE tablename = 'lb_files'") == [("public",)]


async def test_a_schema_litebatch_of_another_application_is_refused(url: str) -> None:
    await run_on(url, "CREATE SCHEMA litebatch", "CREATE TABLE litebatch.a (b text)", "SELECT 1")
    with pytest.raises(ConfigError, match=r"the schema litebatch holds tables of somebody else, such as a,"):
        await PostgresStorage(url).open()
    assert await run_on(url, WHERE) == []


@pytest.mark.parametrize("name", ["pg_own", "a b", '"', "9", "x" * 64, "a'b"])
def test_names_that_no_schema_may_have(name: str) -> None:
    with pytest.raises(ConfigError, match="schema in the URL"):
        PostgresStorage(f"postgresql://me@host/db?schema={name}")


@asynccontextmanager
async def as_role(url: str) -> AsyncGenerator[tuple[str, str]]:
    """The name of a role that may do nothing but connect, and the URL for it."""
    role = f"role_{secrets.token_hex(6)}"
    await run_on(url, f"CREATE ROLE {role} LOGIN", "SELECT 1")
    try:
        yield role, url.replace("postgres@", f"{role}@")
    finally:
        await run_on(url, f"DROP OWNED BY {role}", f"DROP ROLE {role}", "SELECT 1")


async def test_a_role_that_may_not_create_the_schema_is_told_who_can(url: str) -> None:
    async with as_role(url) as (role, theirs):
        with pytest.raises(ConfigError, match=r"such as public.*may not create") as refusal:
            await PostgresStorage(theirs).open()
        told = str(refusal.value)
        command = told.partition("`")[2].partition("`")[0]
        assert command == f'CREATE SCHEMA "litebatch" AUTHORIZATION "{role}"'
        assert await run_on(url, WHERE) == []
        await run_on(url, command, "SELECT 1")
        await assert_works(PostgresStorage(theirs))
        assert await run_on(url, WHERE) == [("litebatch",)]


async def test_a_role_that_may_not_create_tables_in_the_schema_is_told_who_can(url: str) -> None:
    async with as_role(url) as (_, theirs):
        await run_on(url, "CREATE SCHEMA litebatch", "SELECT 1")
        with pytest.raises(ConfigError, match="may not create tables in the schema litebatch") as refusal:
            await PostgresStorage(theirs).open()
        await run_on(url, str(refusal.value).partition("`")[2].partition("`")[0], "SELECT 1")
        await assert_works(PostgresStorage(theirs))


async def test_a_role_that_may_not_read_is_told_so() -> None:
    async with empty_database_url() as url, as_role(url) as (_, theirs):
        await assert_works(PostgresStorage(url))
        with pytest.raises(
            ConfigError, match=r"may not do this \(permission denied for table installation\)"
        ):
            await PostgresStorage(theirs).open()


@needs_socket
async def test_behind_pgbouncer_it_is_the_same(url: str) -> None:
    async with in_front(Pooler(socket_of(url)), url) as pooled:
        for option in ("", "&schema=chosen"):
            await assert_works(PostgresStorage(f"{pooled}{option}&pgbouncer=true", max_pool_size=1))
    assert await run_on(url, WHERE) == [("chosen",), ("litebatch",)]


async def test_many_that_begin_at_once_agree(url: str) -> None:
    storages = [PostgresStorage(url, max_pool_size=1) for _ in range(4)]
    installations = await asyncio.gather(*(storage.open() for storage in storages))
    for storage in storages:
        await storage.close()
    assert len({installation.id for installation in installations}) == 1


async def test_tables_that_come_while_it_looks_are_seen() -> None:
    """What was found out before the turn to migrate is looked at again in it."""
    async with empty_database_url() as url:
        blocker = await asyncpg.connect(url)
        await blocker.execute("BEGIN")
        await blocker.execute("SELECT pg_advisory_xact_lock(7596842331)")
        opening = asyncio.create_task(PostgresStorage(url).open())
        waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while (await run_on(url, waits))[0][0] == 0:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0)
        await blocker.execute("CREATE TABLE files (name text)")
        await blocker.execute("COMMIT")
        await opening
        await blocker.close()
        assert await run_on(url, WHERE) == [("litebatch",)]


async def test_a_host_that_wants_no_prefix_gets_the_schema() -> None:
    async with postgres_host() as database:
        await assert_works(DatabasesStorage(database, table_prefix=""))
        await assert_works(DatabasesStorage(database))
        tables = (
            "SELECT schemaname FROM pg_tables WHERE tablename IN ('installation', 'litebatch_installation')"
        )
        found = sorted(row[0] for row in await database.fetch_all(tables))
        assert found == ["litebatch", "public"]
        for table in HOST_TABLES:
            assert await database.fetch_all(f"SELECT * FROM {table}") == []


async def test_moving_and_copying_find_the_schema(url: str, tmp_path: Path) -> None:
    installation = await assert_works(PostgresStorage(url))
    async with empty_database_url(template=url.partition("?")[0].rpartition("/")[2]) as clone:
        for storage in (PostgresStorage(clone), PostgresStorage(f"{clone}&schema=litebatch")):
            with pytest.raises(ConfigError, match="the database is not where it was"):
                await storage.open()
        for command in ("moved", "copied"):
            ended = run("database", command, "--yes", "--force", "--database", clone, cwd=tmp_path)
            assert ended.returncode == 0, ended.stderr
            (row,) = await run_on(clone, "SELECT id FROM litebatch.installation")
            assert (row[0] == installation) is (command == "moved")
        await assert_works(PostgresStorage(clone))
        nothing = run("database", "moved", "--database", f"{clone}&schema=public", cwd=tmp_path)
        assert "the database has no LiteBatch in it" in nothing.stderr


async def test_the_command_line_finds_the_schema(url: str, tmp_path: Path) -> None:
    refused = run("keys", "create", "--database", url, cwd=tmp_path)
    assert "error: the database has no LiteBatch in it" in refused.stderr
    await assert_works(PostgresStorage(url))
    assert run("keys", "create", "--database", url, cwd=tmp_path).returncode == 0
    assert await run_on(url, "SELECT count(*) FROM litebatch.virtual_keys") == [(1,)]


def parsed(options: str) -> tuple[object, ...]:
    address = parse(
        f"postgresql://me@host/db?{options}", min_pool_size=0, max_pool_size=10, behind_pgbouncer=False
    )
    return (
        address.max_pool_size,
        address.schema,
        address.cached_statements,
        address.connect_seconds,
        address.acquire_seconds,
        address.command_seconds,
        address.ignored,
        address.dsn.partition("?")[2],
    )


NAMED = "application_name=litebatch"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", (10, None, 100, 10.0, None, None, (), NAMED)),
        ("schema=own&connection_limit=5", (5, "own", 100, 10.0, None, None, (), NAMED)),
        (
            "pool_timeout=3&connect_timeout=4&socket_timeout=6",
            (10, None, 100, 4, 3, 6, (), NAMED),
        ),
        ("pool_timeout=0&connect_timeout=0", (10, None, 100, 86400, 86400, None, (), NAMED)),
        ("statement_cache_size=0", (10, None, 0, 10.0, None, None, (), NAMED)),
        ("pgbouncer=true&statement_cache_size=500", (10, None, 0, 10.0, None, None, (), NAMED)),
        (
            "sslmode=require&channel_binding=prefer",
            (10, None, 100, 10.0, None, None, (), f"sslmode=require&{NAMED}"),
        ),
        (
            "channel_binding=require&keepalives=1",
            (10, None, 100, 10.0, None, None, ("channel_binding", "keepalives"), NAMED),
        ),
        ("application_name=us", (10, None, 100, 10.0, None, None, (), "application_name=us")),
        (
            "options=-c%20work_mem%3D64MB&target_session_attrs=primary",
            (
                *(10, None, 100, 10.0, None, None, ()),
                f"options=-c+work_mem%3D64MB&target_session_attrs=primary&{NAMED}",
            ),
        ),
    ],
)
def test_parameters_of_a_url(options: str, expected: tuple[object, ...]) -> None:
    assert parsed(options) == expected


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("sslidentity=a&sslaccept=strict", "leave out sslaccept, sslidentity"),
        ("sslmode=verify-full&sslrootcert=/none.pem", "names files that are not there: check sslrootcert"),
        ("connection_limit=many", "connection_limit in the URL of the database is a whole number"),
        ("pool_timeout=-1", "pool_timeout in the URL of the database is a whole number"),
    ],
)
def test_parameters_that_cannot_be_followed(options: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parsed(options)


async def test_parameters_that_reach_the_server_and_those_without_effect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with database_url() as url:
        options = "channel_binding=require&options=-c%20work_mem%3D77MB&target_session_attrs=primary"
        storage = PostgresStorage(f"{url}&{options}&connect_timeout=5&connection_limit=1")
        with caplog.at_level(logging.WARNING):
            await storage.open()
        assert caplog.messages == ["options of the database's URL that have no effect: channel_binding"]
        executor = storage._executor  # pyright: ignore[reportPrivateUsage]
        assert await executor.fetch_one("SHOW work_mem", {}) == ("77MB",)
        await storage.close()
