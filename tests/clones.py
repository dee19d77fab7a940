"""Databases that are made from others, as operators make them: clones, backups, restores."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from tests.database import Database, SQLiteDatabase
from tests.postgres import run_on, with_database
from tests.survival.databases import RestartedDatabase

_AGAIN_SECONDS = 0.05


@asynccontextmanager
async def cloned(database: Database, folder: Path) -> AsyncGenerator[Database]:
    """A clone of a database, which may be in use: a file in `folder`, or one on its server.

    The latter is dropped afterwards.
    """
    if database.url.startswith("sqlite"):
        await anyio.Path(folder).mkdir(exist_ok=True)
        clone = SQLiteDatabase(folder)
        await anyio.to_thread.run_sync(copy_file, database.url, clone.url)
        yield clone
        return
    name = f"clone_{secrets.token_hex(6)}"
    await clone_on_server(database.url, name)
    restarted = RestartedDatabase(with_database(database.url, name))
    try:
        yield restarted
    finally:
        await restarted.aclose()
        await run_on(_beside(database.url), f"DROP DATABASE {name} WITH (FORCE)")


class Backup:
    """A copy of a database that can take its place again."""

    def __init__(self, database: Database, copy: Database) -> None:
        self._database = database
        self._copy = copy

    async def restore(self, *, in_place: bool) -> bool:
        """Put the copy where the database is, which nobody uses; whether it is another place then.

        `in_place`: into the file that is there, if it is one; otherwise the copy is put in its stead.
        """
        url = self._database.url
        if url.startswith("sqlite"):
            work = copy_file if in_place else put_file
            await anyio.to_thread.run_sync(work, self._copy.url, url)
            return not in_place
        if isinstance(self._database, RestartedDatabase):
            await self._database.aclose()
        await run_on(_beside(url), f"DROP DATABASE {_name(url)} WITH (FORCE)", "SELECT 1")
        await clone_on_server(self._copy.url, _name(url))
        return True


@asynccontextmanager
async def backed_up(database: Database, folder: Path) -> AsyncGenerator[Backup]:
    """A backup of a database that may be in use."""
    async with cloned(database, folder) as copy:
        yield Backup(database, copy)


def put_file(url: str, to: str) -> None:
    """Put a copy of a file in the place of one that nobody has open, as `mv` does."""
    path = Path(to.removeprefix("sqlite:///"))
    new = path.with_suffix(".restored")
    copy_file(url, f"sqlite:///{new}")
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    new.replace(path)


def copy_file(url: str, to: str) -> None:
    """Copy an SQLite database, also into one that is there, whose file stays the same."""
    source, target = (sqlite3.connect(each.removeprefix("sqlite:///")) for each in (url, to))
    with closing(source), closing(target):
        source.backup(target)


async def clone_on_server(url: str, name: str) -> None:
    """Clone a database on its server.

    Whoever is connected to it is cut off: new ones wait until it is done.
    """
    done = anyio.Event()

    async def end_sessions() -> None:
        while not done.is_set():
            await run_on(
                _beside(url),
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{_name(url)}'",
            )
            await anyio.sleep(_AGAIN_SECONDS)

    async with anyio.create_task_group() as group:
        group.start_soon(end_sessions)
        await run_on(_beside(url), f"CREATE DATABASE {name} TEMPLATE {_name(url)} STRATEGY FILE_COPY")
        done.set()


async def write_to(database: Database, statement: str) -> None:
    """Change a row behind everybody's back."""
    if not database.url.startswith("sqlite"):
        await run_on(database.url, statement, "SELECT 1")
        return
    await anyio.to_thread.run_sync(_write, database.url.removeprefix("sqlite:///"), statement)


def _write(path: str, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def _beside(url: str) -> str:
    return with_database(url, "postgres")
