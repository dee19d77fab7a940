"""Databases of rounds: one that a driver may ask while it is restarted."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import asyncpg

from tests.database import Database, SQLiteDatabase
from tests.postgres import Server, run_on

AGAIN_SECONDS = 0.2
AWAY = (
    OSError,
    sqlite3.OperationalError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)
"""what is raised while a database does not answer"""


class RestartedDatabase:
    """A database on a PostgreSQL that is restarted now and then."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: asyncpg.Connection[Any] | None = None
        self._turn = anyio.Lock()

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What it says, as soon as it says something."""
        async with self._turn:
            while True:
                try:
                    return await self._rows(statement)
                except AWAY:
                    await anyio.sleep(AGAIN_SECONDS)

    async def change(self, statement: str) -> None:
        """Have it say something else; perhaps it is told so twice."""
        await self.rows(statement)

    async def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await self._connection.fetch(statement)]
        except BaseException:
            await self.aclose()  # cut off or cancelled: it is not used again
            raise

    async def aclose(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


@asynccontextmanager
async def new_database(folder: Path, server: Server | None) -> AsyncGenerator[Database]:
    """A database with nothing in it: a file in `folder`, or one on `server`, dropped afterwards."""
    if server is None:
        yield SQLiteDatabase(folder)
        return
    name = f"round_{secrets.token_hex(6)}"
    await run_on(server.url(), f"CREATE DATABASE {name}")
    database = RestartedDatabase(server.url(name))
    try:
        yield database
    finally:
        await database.aclose()
        await run_on(server.url(), f"DROP DATABASE {name} WITH (FORCE)")
