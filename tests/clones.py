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
    with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"))) as connection:
        connection.execute(statement)
        connection.commit()


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def _beside(url: str) -> str:
    return with_database(url, "postgres")
