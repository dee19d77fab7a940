"""Many batches, written by SQL in one statement."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from benchmarks._content import VIRTUAL_MODEL
from litebatch_asgi.models import Batch, BatchStatus, Counts, Usage
from litebatch_postgres import PostgresStorage
from litebatch_sql import Queries, numbered
from litebatch_sql.tables import BATCHES, TABLES
from litebatch_sqlite import SQLiteStorage

OWNER = "local"
"""whom everything belongs to: the one owner of a gateway without a master key"""
_BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=7)
"""recent: ended batches are forgotten after a while"""
_EACH = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count - 1) "


def batch_id(number: int) -> str:
    """The id of the batch of this number, counted from 0, the oldest."""
    return f"batch_lb{number:026}"


async def seed(database: Path, count: int) -> None:
    """Make a database with so many completed batches, a second apart."""
    storage = SQLiteStorage(database)
    await storage.open()
    await storage.close()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        columns = ", ".join(BATCHES.columns)
        parameters = ", ".join(f":{column}" for column in BATCHES.columns)
        connection.execute(f"INSERT INTO batches ({columns}) VALUES ({parameters})", BATCHES.encode(_first()))
        own = {"id": "printf('batch_lb%026d', n)", "created_at": "created_at + n * 1000000"}
        values = ", ".join(own.get(column, column) for column in BATCHES.columns)
        copies = (
            f"{_EACH} INSERT INTO batches ({columns}) SELECT {values} FROM numbers, batches WHERE id = :id"
        )
        connection.execute(copies, {"count": count, "id": batch_id(0)})


async def seed_postgres(url: str, count: int) -> None:
    """The same in a PostgreSQL database."""
    storage = PostgresStorage(url)
    await storage.open()
    await storage.close()
    insert = numbered(Queries.load("litebatch_postgres", TABLES).sql("insert_batches"))
    own = {"id": "'batch_lb' || lpad(n::text, 26, '0')", "created_at": "created_at + n * 1000000::bigint"}
    columns = ", ".join(BATCHES.columns)
    values = ", ".join(own.get(column, column) for column in BATCHES.columns)
    connection = await asyncpg.connect(url)
    await connection.execute(insert.sql, *insert.arguments(BATCHES.encode(_first())))
    await connection.execute(
        f"INSERT INTO batches ({columns}) SELECT {values} FROM batches, generate_series(1, {count - 1}) AS n"
    )
    await connection.execute("VACUUM ANALYZE batches")
    await connection.close()


def _first() -> Batch:
    return Batch(
        id=batch_id(0),
        owner=OWNER,
        created_by=None,
        input_file_id="file-lb01jvz3k8w4c9d2n6q5r7t8x0y1",
        endpoint="/v1/chat/completions",
        completion_window="24h",
        model=VIRTUAL_MODEL,
        metadata={"team": "search", "purpose": "nightly evaluation"},
        status=BatchStatus.COMPLETED,
        created_at=_BEGIN,
        in_progress_at=_BEGIN + timedelta(seconds=40),
        expires_at=_BEGIN + timedelta(hours=24),
        finalizing_at=_BEGIN + timedelta(hours=2),
        completed_at=_BEGIN + timedelta(hours=2, seconds=30),
        counts=Counts(total=50_000, completed=49_990, failed=10),
        usage=Usage(input_tokens=9_000_000, output_tokens=4_000_000, total_tokens=13_000_000),
        output_file_id="file-lb01jvz3k8w4c9d2n6q5r7t8x0y2",
        error_file_id="file-lb01jvz3k8w4c9d2n6q5r7t8x0y3",
        looked_at=_BEGIN + timedelta(hours=2),
    )
