"""Many files, written by SQL in a few statements."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from benchmarks._content import VIRTUAL_MODEL
from benchmarks._seed import OWNER
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing import a_file
from litebatch_postgres import PostgresStorage
from litebatch_sql.tables import FILES
from litebatch_sqlite import SQLiteStorage
from tests.postgres import Server, run_on, with_database

RARE = 200
"""How many files, the oldest, are of `OTHER_MODEL` and `OTHER_PURPOSE`: lists of them end at the far side."""
OTHER_MODEL, OTHER_PURPOSE = "rarely-used", "user_data"
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_NUMBERS = {
    "sqlite": "(WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})"
    " SELECT n FROM numbers) AS numbers",
    "postgresql": "generate_series(1, {count}) AS numbers (n)",
}
_PADDED = {"sqlite": "printf('%026d', n)", "postgresql": "lpad(CAST(n AS text), 26, '0')"}


async def _statements(storage: Storage, dialect: str, count: int) -> list[str]:
    """Write one file; the statements that make so many more of it, a second apart."""
    await storage.open()
    first = a_file(owner=OWNER, models=(VIRTUAL_MODEL,), created_at=_BEGIN, accepted_at=_BEGIN)
    await storage.create_file(first, [])
    await storage.close()
    own = {
        "id": f"'file-lb' || {_PADDED[dialect]}",
        "created_at": "created_at + CAST(n AS bigint) * 1000000",
        "purpose": f"CASE WHEN n <= {RARE} THEN '{OTHER_PURPOSE}' ELSE purpose END",
    }
    columns = FILES.sql("columns")
    values = ", ".join(own.get(column, f'"{column}"') for column in FILES.columns)
    numbers = _NUMBERS[dialect].format(count=count)
    rare = f"CASE WHEN purpose = '{OTHER_PURPOSE}' THEN '{OTHER_MODEL}' ELSE '{VIRTUAL_MODEL}' END"
    return [
        f"INSERT INTO files ({columns}) SELECT {values} FROM files, {numbers}",
        "DELETE FROM file_models",
        "INSERT INTO file_models (file_id, model, owner, purpose, created_at)"
        f" SELECT id, {rare}, owner, purpose, created_at FROM files",
    ]


async def seed_sqlite(path: Path, count: int) -> str:
    """A database with so many files, and its URL."""
    statements = await _statements(SQLiteStorage(path), "sqlite", count)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        for statement in statements:
            connection.execute(statement)
    return f"sqlite:///{path}"


async def seed_postgres(server: Server, count: int) -> str:
    """The same in a PostgreSQL database."""
    name = f"files_{count}"
    await run_on(server.url(), f"CREATE DATABASE {name}")
    url = with_database(server.url(), name)
    statements = await _statements(PostgresStorage(url), "postgresql", count)
    await run_on(url, *statements, "VACUUM ANALYZE", "SELECT 1")
    return url
