"""Databases that are filled by SQL in a few statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg

from litebatch_asgi.storage import Storage
from litebatch_postgres import PostgresStorage
from litebatch_sql import Table
from litebatch_sqlite import SQLiteStorage
from tests.postgres import Server, run_on, with_database

Statements = Callable[[Storage, str], Awaitable[list[str]]]
"""Makes a few rows in a storage that it opens and closes, and says what makes many of them, in a dialect."""

PADDED = {"sqlite": "printf('%026d', n)", "postgresql": "lpad(CAST(n AS text), 26, '0')"}
"""by dialect: the number as it ends an id"""
_NUMBERS = {
    "sqlite": "(WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})"
    " SELECT n FROM numbers) AS numbers",
    "postgresql": "generate_series(1, {count}) AS numbers (n)",
}


def numbers(dialect: str, count: int) -> str:
    """What selects each `n` from 1 to `count`."""
    return _NUMBERS[dialect].format(count=count)


def copies(table: Table[Any], dialect: str, count: int, **own: str) -> str:
    """What writes so many rows like each that is there, with columns of their own."""
    values = ", ".join(own.get(column, f'"{column}"') for column in table.columns)
    return (
        f"INSERT INTO {table.name} ({table.sql('columns')})"
        f" SELECT {values} FROM {table.name}, {numbers(dialect, count)}"
    )


async def fill_sqlite(path: Path, statements: Statements) -> str:
    """A new file with what these write, and its URL."""
    made = await statements(SQLiteStorage(path), "sqlite")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        for statement in made:
            connection.execute(statement)
    return f"sqlite:///{path}"


async def fill_postgres(server: Server, name: str, statements: Statements) -> str:
    """The same in a PostgreSQL database of this name."""
    await run_on(server.url(), f"CREATE DATABASE {name}")
    url = with_database(server.url(), name)
    made = await statements(PostgresStorage(url), "postgresql")
    await run_on(url, *made, "VACUUM ANALYZE", "SELECT 1")
    return url


async def durable(server: Server) -> None:
    """Let the server write as it does in earnest."""
    connection = await asyncpg.connect(server.url())
    for setting in ("fsync", "full_page_writes"):
        await connection.execute(f"ALTER SYSTEM SET {setting} = on")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.execute("CHECKPOINT")
    await connection.close()
