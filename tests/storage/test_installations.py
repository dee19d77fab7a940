"""Where a database lives: what is another place and what is not, and what is done about it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import asyncpg
import pytest
from databases import Database as HostDatabase
from msgspec.structs import replace

from litebatch_asgi.app import open_storage
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.installations import installations_of
from litebatch_asgi.storage import Installation, Storage
from litebatch_asgi.testing import MemoryStorage
from litebatch_asgi.testing.conformance import Capability, InstallationConformance, NewStorage
from litebatch_databases import DatabasesStorage
from litebatch_postgres import PostgresStorage
from litebatch_sqlite import SQLiteStorage
from litebatch_sqlite.place import Place
from tests.postgres import (
    database_url,
    empty_database_url,
    needs_socket,
    own_server,
    run_on,
)
from tests.storage.hosts import postgres_host, sqlite_host
from tests.storage.proxies import Pooler, in_front, socket_of

LASTING = frozenset({Capability.PERSISTENT, Capability.SHARED})


class TestSQLite(InstallationConformance):
    capabilities = LASTING

    @pytest.fixture
    def new_storage(self, tmp_path: Path) -> NewStorage:
        return lambda: SQLiteStorage(tmp_path / "litebatch.db")


class TestPostgres(InstallationConformance):
    capabilities = LASTING

    @pytest.fixture
    async def new_storage(self) -> AsyncGenerator[NewStorage]:
        async with database_url() as url:
            yield lambda: PostgresStorage(url, max_pool_size=2)


class TestDatabasesOnSQLite(InstallationConformance):
    capabilities = LASTING

    @pytest.fixture
    async def new_storage(self, tmp_path: Path) -> AsyncGenerator[NewStorage]:
        async with sqlite_host(tmp_path) as database:
            yield lambda: DatabasesStorage(database)


@pytest.mark.long
class TestDatabasesOnPostgres(InstallationConformance):
    capabilities = LASTING

    @pytest.fixture
    async def new_storage(self) -> AsyncGenerator[NewStorage]:
        async with postgres_host() as database:
            yield lambda: DatabasesStorage(database)


async def opened(storage: Storage) -> Installation:
    """What a database says of itself when it is opened."""
    try:
        return await storage.open()
    finally:
        await storage.close()


@pytest.fixture
async def original(tmp_path: Path) -> Path:
    """A database that was used."""
    path = tmp_path / "litebatch.db"
    await opened(SQLiteStorage(path))
    return path


async def test_a_copied_file_is_refused_and_not_written_to(original: Path) -> None:
    copy = original.with_name("copy.db")
    shutil.copyfile(original, copy)
    before = copy.read_bytes()
    with pytest.raises(ConfigError) as refusal:
        await opened(SQLiteStorage(copy))
    assert copy.read_bytes() == before
    told = str(refusal.value)
    assert f"it is now {Place.of(copy)}; it was {Place.of(original)}" in told
    assert "`litebatch database moved --database URL`" in told
    assert "`litebatch database copied --database URL`" in told


async def test_a_host_with_a_copied_file_is_refused(tmp_path: Path) -> None:
    """And told the prefix of its tables."""
    async with sqlite_host(tmp_path) as database:
        await opened(DatabasesStorage(database))
        path = Path(database.url.database)
    copy = tmp_path / "copy.db"
    shutil.copyfile(path, copy)
    async with HostDatabase(f"sqlite+aiosqlite:///{copy}") as host:
        with pytest.raises(ConfigError, match="moved --database URL --table-prefix litebatch_`"):
            await opened(DatabasesStorage(host))
        await DatabasesStorage(host).installations.moved(idle_seconds=60)
        await opened(DatabasesStorage(host))


async def test_a_backup_that_was_put_in_place_of_the_file_is_refused(original: Path) -> None:
    """Whether it is the original or a copy, nobody can see."""
    backup = original.with_name("backup.db")
    shutil.copyfile(original, backup)
    backup.replace(original)
    with pytest.raises(ConfigError):
        await opened(SQLiteStorage(original))


async def test_a_file_that_is_the_same_is_taken(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whatever path; also once it was restored in place, cleaned up, or renamed."""
    installation = await opened(SQLiteStorage(original))
    link, elsewhere = tmp_path / "link.db", tmp_path / "a" / "b"
    link.symlink_to(original)
    elsewhere.mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    for path in (link, Path("../../litebatch.db"), Path("sub/../../../litebatch.db")):
        (elsewhere / "sub").mkdir(exist_ok=True)
        assert await opened(SQLiteStorage(path)) == installation
    backup = tmp_path / "backup.db"
    shutil.copyfile(original, backup)
    shutil.copyfile(backup, original)
    assert await opened(SQLiteStorage(original)) == installation
    with closing(sqlite3.connect(original)) as connection:
        connection.execute("VACUUM")
    assert await opened(SQLiteStorage(original)) == installation
    shutil.move(original, tmp_path / "renamed.db")
    assert await opened(SQLiteStorage(tmp_path / "renamed.db")) == installation


async def test_a_file_is_told_by_inode_and_file_system(original: Path) -> None:
    """Devices are numbered anew at each start; a path may be seen in a container as another."""
    place = Place.of(original)
    assert place.is_the_one(str(place))
    assert place.is_the_one(str(replace(place, device=place.device + 1)))
    assert place.is_the_one(str(replace(place, path="/mounted/elsewhere, inode 7, device 1.db\n")))
    assert not place.is_the_one(str(replace(place, inode=place.inode + 1)))
    assert not place.is_the_one("file somewhere")


@pytest.mark.parametrize("unknown", ["there", "here", "both"])
async def test_where_a_file_system_has_no_id_path_or_device_tell(original: Path, unknown: str) -> None:
    there = here = replace(Place.of(original), filesystem="0123abcd")
    if unknown != "here":
        there = replace(there, filesystem="unknown")
    if unknown != "there":
        here = replace(here, filesystem="unknown")
    assert here.is_the_one(str(there))
    assert here.is_the_one(str(replace(there, device=there.device + 1)))
    assert here.is_the_one(str(replace(there, path="/elsewhere.db")))
    assert not here.is_the_one(str(replace(there, path="/elsewhere.db", device=there.device + 1)))


def test_another_file_system_is_another_place() -> None:
    """Files that were made first on a new disk have the same inode and path on each."""
    here = Place(path="/data/litebatch.db", inode=12, device=2064, filesystem="0123abcd")
    assert not here.is_the_one(str(replace(here, filesystem="4567cdef")))


async def test_what_knows_no_place_yet_takes_the_present_one(original: Path) -> None:
    copy = original.with_name("copy.db")
    shutil.copyfile(original, copy)
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("UPDATE installation SET fingerprint = NULL")
        connection.commit()
    assert (await opened(SQLiteStorage(copy))).fingerprint == str(Place.of(copy))
    assert (await opened(SQLiteStorage(copy))).fingerprint == str(Place.of(copy))


async def test_no_database_is_made_to_be_moved(tmp_path: Path) -> None:
    missing = tmp_path / "typo.db"
    store = installations_of(SQLiteStorage(missing))
    with pytest.raises(ConfigError, match="there is no database file"):
        await store.moved(idle_seconds=0)
    assert not missing.exists()


async def test_memory_can_be_neither_moved_nor_copied() -> None:
    assert (await MemoryStorage().open()).fingerprint is None
    with pytest.raises(ConfigError, match="MemoryStorage has no database"):
        installations_of(MemoryStorage())


async def test_a_database_that_is_not_ours_is_told_so() -> None:
    async with empty_database_url() as url:
        store = installations_of(PostgresStorage(url))
        for call in (store.look(alive_seconds=0), store.moved(idle_seconds=0), store.copied(idle_seconds=0)):
            with pytest.raises(ConfigError, match="has no LiteBatch in it"):
                await call


@asynccontextmanager
async def cloned(url: str) -> AsyncGenerator[str]:
    """The URL of a clone of a database, made by CREATE DATABASE ... TEMPLATE."""
    name = url.partition("?")[0].rpartition("/")[2]
    async with empty_database_url(template=name) as clone:
        yield clone


async def test_a_clone_on_the_same_server_is_refused() -> None:
    async with database_url(fresh=True) as url:
        installation = await opened(PostgresStorage(url))
        async with cloned(url) as clone:
            with pytest.raises(ConfigError) as refusal:
                await opened(PostgresStorage(clone))
            assert f"it was {installation.fingerprint}" in str(refusal.value)
            async with HostDatabase(clone.replace("postgresql://", "postgresql+asyncpg://")) as host:
                with pytest.raises(ConfigError):
                    await opened(DatabasesStorage(host, table_prefix=""))
        assert await opened(PostgresStorage(url)) == installation


@needs_socket
async def test_the_same_database_by_another_host_name_is_taken(tmp_path: Path) -> None:
    async with database_url() as url:
        installation = await opened(PostgresStorage(url))
        async with in_front(Pooler(socket_of(url)), url) as elsewhere:
            assert elsewhere.partition("?")[2] != url.partition("?")[2]
            assert await opened(PostgresStorage(elsewhere, behind_pgbouncer=True)) == installation


@needs_socket
@pytest.mark.long
async def test_a_replica_that_took_over_is_taken() -> None:
    """The identifier of a cluster is that of its replicas."""
    with own_server() as server:
        await run_on(server.url(), "CREATE DATABASE app", "SELECT 1")
        installation = await opened(PostgresStorage(server.url("app")))
        folder = server.socket.parents[1]
        server.stop()
        with own_server(data=folder / "data") as replica:
            assert await opened(PostgresStorage(replica.url("app"))) == installation
        server.start()


async def test_where_the_role_may_not_ask_for_the_system_name_and_oid_tell() -> None:
    async with database_url(fresh=True) as url:
        await opened(PostgresStorage(url))
        connection = await asyncpg.connect(url)
        try:
            role = "role_" + url.partition("?")[0].rpartition("_")[2]
            await connection.execute(
                "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC;"
                f"CREATE ROLE {role} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
            )
        finally:
            await connection.close()
        limited = url.replace("postgres@", f"{role}@")
        try:
            told = await opened(PostgresStorage(limited))  # the system was known before
            assert told.fingerprint is not None
            assert "unknown" not in told.fingerprint
            assert await PostgresStorage(limited).installations.moved(idle_seconds=0) != told
            assert "system unknown" in str((await opened(PostgresStorage(limited))).fingerprint)
            assert await opened(PostgresStorage(url)) == await opened(PostgresStorage(limited))
            async with cloned(url) as clone:
                with pytest.raises(ConfigError):
                    await opened(PostgresStorage(clone.replace("postgres@", f"{role}@")))
        finally:
            await run_on(url, f"DROP OWNED BY {role}", f"DROP ROLE {role}", "SELECT 1")


async def test_any_storage_of_ours_by_its_url(original: Path) -> None:
    copy = original.with_name("copy.db")
    shutil.copyfile(original, copy)
    seen = await installations_of(open_storage(f"sqlite:///{copy}")).look(alive_seconds=60)
    assert not seen.is_at_home
    assert seen.present == str(Place.of(copy))
