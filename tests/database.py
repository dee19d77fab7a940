"""The databases that tests run on: a file each, or a database each on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, closing
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.to_thread
import asyncpg
import pytest

from litebatch_sqlite import SQLiteStorage
from tests.postgres import database_url

BACKENDS = ("sqlite", "postgresql")


def pairs_with(kinds: Iterable[str]) -> list[Any]:
    """`(kind, backend)` for all of both, as parameters: all but one of each kind are left to the long run."""
    return [
        pytest.param((kind, backend), id=f"{kind}-{backend}", marks=() if is_quick else pytest.mark.long)
        for number, kind in enumerate(kinds)
        for backend, is_quick in zip(BACKENDS, (number % 2 == 0, number % 2 == 1), strict=True)
    ]


class Database(Protocol):
    """A database of one test's own."""

    @property
    def url(self) -> str:
        """What a gateway is given."""
        ...

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What it says now."""
        ...

    async def change(self, statement: str) -> None:
        """Have it say something else."""
        ...


class SQLiteDatabase:
    """A file in a folder, where the first that opens it makes it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "litebatch.db"
        self.url = f"sqlite:///{self._path}"

    @classmethod
    def migrated(cls, folder: Path) -> SQLiteDatabase:
        """The same, with a file in which the migrations have run, and nothing else: it opens sooner.

        One that is there already stays as it is; a folder that is not is made.
        """
        database = cls(folder)
        if database._path.exists():
            return database
        folder.mkdir(exist_ok=True)
        database._path.write_bytes(_template())
        with closing(sqlite3.connect(database._path)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(_NEW_INSTALLATION, (secrets.token_hex(8),))
            connection.commit()
        return database

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What it says now."""
        return await anyio.to_thread.run_sync(self._rows, statement)

    async def change(self, statement: str) -> None:
        """Have it say something else."""
        await anyio.to_thread.run_sync(self._rows, statement)

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            return connection.execute(statement).fetchall()


class PostgresDatabase:
    """A database on the server of the tests; a connection is made when it is asked first."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: asyncpg.Connection[Any] | None = None
        self._turn = anyio.Lock()

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What it says now."""
        async with self._turn:
            if self._connection is None:
                self._connection = await asyncpg.connect(self.url)
            return [tuple(row) for row in await self._connection.fetch(statement)]

    async def change(self, statement: str) -> None:
        """Have it say something else."""
        await self.rows(statement)

    async def aclose(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()


_NEW_INSTALLATION = "UPDATE installation SET id = ?, fingerprint = NULL, created_at = unixepoch() * 1000000"
"""whoever opens the database first lets it live where it is"""


@cache
def _template() -> bytes:
    """A file in which the migrations have run."""

    async def migrate() -> None:
        storage = SQLiteStorage(path)
        await storage.open()
        await storage.close()

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as thread:
        path = Path(folder, "litebatch.db")
        thread.submit(asyncio.run, migrate()).result()
        return path.read_bytes()


@asynccontextmanager
async def database_on(backend: str, folder: Path) -> AsyncGenerator[Database]:
    """A database of this kind, which is gone with the folder or the block."""
    if backend == "sqlite":
        yield SQLiteDatabase.migrated(folder)
        return
    async with database_url() as url, aclosing(PostgresDatabase(url)) as database:
        yield database
