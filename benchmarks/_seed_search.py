"""Batches, jobs and files as an installation has them after a while, written by SQL in a few statements."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from litebatch_asgi.models import BatchChange, BatchStatus, Counts, JobState, Outcome, ProviderBatch
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing import a_batch, a_file, a_job
from litebatch_postgres import PostgresStorage
from litebatch_sql.rows import Table
from litebatch_sql.tables import BATCHES, FILES, JOBS
from litebatch_sqlite import SQLiteStorage
from tests.postgres import Server, run_on, with_database

RARE = "rare"
"""an owner, a model and a deployment that a few of the oldest batches have"""
HUGE = "owner-0"
"""the owner of four batches in ten"""
DEPLOYMENTS = tuple(f"deployment-{number}" for number in range(10))
_BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=7)
_STEP = 500_000
"""microseconds between two batches"""
_NUMBERS = {
    "sqlite": "(WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})"
    " SELECT n FROM numbers) AS numbers",
    "postgresql": "generate_series(1, {count}) AS numbers (n)",
}
_PADDED = {"sqlite": "printf('%026d', n)", "postgresql": "lpad(CAST(n AS text), 26, '0')"}
_STATUS = (
    "CASE WHEN n % 1000 IN (3, 503) THEN 'failed' WHEN n % 1000 = 7 THEN 'expired'"
    " WHEN n % 1000 = 9 THEN 'in_progress' ELSE 'completed' END"
)
_OLDEST = "n <= 200"
_OWNER = (
    f"CASE WHEN n > 200 AND n <= 400 THEN '{RARE}' WHEN n % 5 < 2 THEN '{HUGE}' ELSE 'owner-' || (n % 49) END"
)


def batch_id(number: int) -> str:
    """The id of the batch of this number, counted from 1, the oldest."""
    return f"batch_lb{number:026}"


def file_id(number: int) -> str:
    """That of its input."""
    return f"file-lb{number:026}"


async def _statements(storage: Storage, dialect: str, count: int) -> list[str]:
    """Write one of each; the statements that make so many more of them."""
    await storage.open()
    file = a_file(created_at=_BEGIN, accepted_at=_BEGIN)
    batch = a_batch(
        file,
        status=BatchStatus.COMPLETED,
        metadata={"team": "search", "purpose": "nightly evaluation"},
        counts=Counts(total=50_000, completed=49_990, failed=10),
        created_at=_BEGIN,
    )
    job = a_job(
        batch,
        state=JobState.SETTLED,
        submit_started_at=_BEGIN,
        ended_at=_BEGIN + timedelta(minutes=10),
        next_check_at=None,
        outcome=Outcome(counts=Counts(total=50_000, completed=49_990, failed=10), executed=50_000),
        snapshot=ProviderBatch(id="batch_abc", status=BatchStatus.COMPLETED),
    )
    await storage.create_file(file, [])
    await storage.create_batch(file.id, lambda _: BatchChange(batch=batch, new_jobs=(job,)))
    await storage.close()
    padded, later = _PADDED[dialect], f"created_at + CAST(n AS bigint) * {_STEP}"
    batch_of, file_of = f"'batch_lb' || {padded}", f"'file-lb' || {padded}"
    rare = f"CASE WHEN {_OLDEST} THEN '{RARE}' ELSE"
    places = {
        "files": {"id": file_of, "owner": _OWNER, "created_at": later},
        "batches": {
            "id": batch_of,
            "input_file_id": file_of,
            "owner": _OWNER,
            "model": f"{rare} 'model-' || (n % 20) END",
            "status": _STATUS,
            "created_at": later,
        },
        "jobs": {
            "id": f"'job_lb' || {padded} || '-0-1'",
            "batch_id": batch_of,
            "owner": _OWNER,
            "deployment_id": f"{rare} 'deployment-' || (n % 10) END",
            "created_at": later,
            "submit_started_at": f"submit_started_at + CAST(n AS bigint) * {_STEP}",
            "ended_at": f"ended_at + CAST(n AS bigint) * {_STEP}",
        },
    }
    numbers = _NUMBERS[dialect].format(count=count)
    return [_copies(table, places[table.name], numbers) for table in (FILES, BATCHES, JOBS)]


def _copies(table: Table[Any], own: dict[str, str], numbers: str) -> str:
    values = ", ".join(own.get(column, f'"{column}"') for column in table.columns)
    return f"INSERT INTO {table.name} ({table.sql('columns')}) SELECT {values} FROM {table.name}, {numbers}"


async def seed_sqlite(path: Path, count: int) -> str:
    """A database with so many of each, and its URL."""
    statements = await _statements(SQLiteStorage(path), "sqlite", count)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        for statement in statements:
            connection.execute(statement)
    return f"sqlite:///{path}"


async def seed_postgres(server: Server, count: int) -> str:
    """The same in a PostgreSQL database."""
    await run_on(server.url(), "CREATE DATABASE search")
    url = with_database(server.url(), "search")
    statements = await _statements(PostgresStorage(url), "postgresql", count)
    await run_on(url, *statements, "VACUUM ANALYZE", "SELECT 1")
    return url
