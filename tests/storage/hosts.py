"""Hosts that own a `databases.Database`, for tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from databases import Database

from litebatch_databases.lending import give_back, lend
from tests.postgres import empty_database_url

POOL_SIZE = 3
HOST_TABLES = ("users", "files", "teams", "jobs")
_RELATIONS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE name NOT GLOB 'sqlite_*'",
    "postgresql": "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('public')",
}


@asynccontextmanager
async def sqlite_host(folder: Path, **options: Any) -> AsyncGenerator[Database]:
    """A connected database in a file, with tables of the host."""
    async with Database(f"sqlite:///{folder}/host.db", **options) as database:
        await _set_up(database)
        yield database


@asynccontextmanager
async def postgres_host(*, max_size: int = POOL_SIZE, **options: Any) -> AsyncGenerator[Database]:
    """A connected database on a server, with tables of the host; its pool is whole again at the end."""
    async with (
        empty_database_url() as url,
        Database(url, min_size=1, max_size=max_size, **options) as database,
    ):
        await _set_up(database)
        yield database
        await assert_whole(database, max_size)


async def _set_up(database: Database) -> None:
    for table in HOST_TABLES:
        await database.execute(f"CREATE TABLE {table} (name TEXT)")


async def assert_whole(database: Database, size: int = POOL_SIZE) -> None:
    """Every connection of the pool can be had."""
    with anyio.fail_after(10):
        connections = [await lend(database) for _ in range(size)]
    for connection in connections:
        await give_back(connection)


async def add(database: Database, name: str, *, table: str = "users") -> None:
    """Insert a row of the host's."""
    await database.execute(f"INSERT INTO {table} VALUES (:name)", {"name": name})


async def names(database: Database, *, table: str = "users") -> list[str]:
    """The rows of the host's."""
    return [row[0] for row in await database.fetch_all(f"SELECT name FROM {table} ORDER BY name")]


async def relations(database: Database) -> set[str]:
    """The names of all tables and indexes."""
    return {row[0] for row in await database.fetch_all(_RELATIONS[database.url.dialect])}
