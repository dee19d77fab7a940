"""Batches, jobs and files as an installation has them after a while, written by SQL in a few statements."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from benchmarks._bulk import PADDED, copies, fill_postgres, fill_sqlite
from litebatch_asgi.models import BatchChange, BatchStatus, Counts, JobState, Outcome, ProviderBatch
from litebatch_asgi.search import Cursor
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing import a_batch, a_file, a_job
from litebatch_sql.tables import BATCHES, FILES, JOBS
from tests.postgres import Server

RARE = "rare"
"""an owner, a model and a deployment that a few of the oldest batches have"""
HUGE = "team:0"
"""the owner of four batches in ten"""
DEPLOYMENTS = tuple(f"deployment-{number}" for number in range(10))
_BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=7)
_STEP = 500_000
"""microseconds between two batches"""
_STATUS = (
    "CASE WHEN n % 1000 IN (3, 503) THEN 'failed' WHEN n % 1000 = 7 THEN 'expired'"
    " WHEN n % 1000 = 9 THEN 'in_progress' ELSE 'completed' END"
)
_OLDEST = "n <= 200"
_OWNER = (
    f"CASE WHEN n > 200 AND n <= 400 THEN '{RARE}' WHEN n % 5 < 2 THEN '{HUGE}' ELSE 'team:' || (n % 49) END"
)


def batch_id(number: int) -> str:
    """The id of the batch of this number, counted from 1, the oldest."""
    return f"batch_lb{number:026}"


def file_id(number: int) -> str:
    """That of its input."""
    return f"file-lb{number:026}"


def cursor(number: int) -> Cursor:
    """Where the batch of this number is in lists."""
    return Cursor(created_at=_BEGIN + timedelta(microseconds=number * _STEP), id=batch_id(number))


async def statements(storage: Storage, dialect: str, count: int) -> list[str]:
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
    padded, later = PADDED[dialect], f"created_at + CAST(n AS bigint) * {_STEP}"
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
    return [copies(table, dialect, count, **places[table.name]) for table in (FILES, BATCHES, JOBS)]


async def seed_sqlite(path: Path, count: int) -> str:
    """A database with so many of each, and its URL."""
    return await fill_sqlite(path, partial(statements, count=count))


async def seed_postgres(server: Server, count: int) -> str:
    """The same in a PostgreSQL database."""
    return await fill_postgres(server, "search", partial(statements, count=count))
