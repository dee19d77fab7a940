"""Many batches that run at a simulated provider, and their rows in a database of ours."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg

from benchmarks._client import Address, get_json, post_json, upload
from benchmarks._content import UPSTREAM_MODEL, VIRTUAL_MODEL, Content
from benchmarks._seed import OWNER, batch_id
from litebatch_asgi.models import Batch, BatchStatus, Counts, Job, JobState, ProviderBatch
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.providers.openai.objects import parse_batch
from litebatch_postgres import PostgresStorage
from litebatch_sql import Queries, Table, numbered
from litebatch_sql.tables import BATCHES, JOBS, TABLES
from litebatch_sqlite import SQLiteStorage

DEPLOYMENT = "deployment-0"
"""as `write_config` calls the first one"""
_CONTENT = Content(lines=100, line_bytes=400, model=UPSTREAM_MODEL)
_LOOKS_BEFORE = 20
"""without news: as of a batch that has run for a while"""
_PAGE = 100

Rows: TypeAlias = Iterable[tuple[Table[Any], list[dict[str, Any]]]]
"""Parameters of the rows to insert, by table."""


def job_id(number: int) -> str:
    """The id of the job of this number."""
    return f"job_lb{number:026}"


def run_batches(simulator: Address, count: int) -> list[ProviderBatch]:
    """Let the simulator run so many batches with the tags of our jobs; they are as its list shows them."""
    file_id = upload(simulator, _CONTENT.blocks(), _CONTENT.size)["id"]
    tags = [{TAG_JOB: job_id(number), TAG_INSTALLATION: "benchmark"} for number in range(count)]
    post_json(simulator, "/_simulator/running", {"input_file_id": file_id, "metadata": tags})
    return list(_listed(simulator))


def _listed(simulator: Address) -> Iterator[ProviderBatch]:
    after = ""
    while True:
        page = get_json(simulator, f"/v1/batches?limit={_PAGE}{after}")
        yield from map(parse_batch, page["data"])
        if not page["has_more"]:
            return
        after = f"&after={page['data'][-1]['id']}"


def seed_running(database: str, batches: Sequence[ProviderBatch]) -> None:
    """A database, a file or a URL of PostgreSQL, in which each batch has its job, due now."""
    asyncio.run(_seed_postgres(database, batches) if "://" in database else _seed_sqlite(database, batches))


async def _seed_sqlite(path: str, batches: Sequence[ProviderBatch]) -> None:
    storage = SQLiteStorage(Path(path))
    await storage.open()
    await storage.close()
    queries = Queries.load("litebatch_sqlite", TABLES)
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, rows in _rows(batches):
            connection.executemany(queries.sql(f"insert_{table.name}"), rows)


async def _seed_postgres(url: str, batches: Sequence[ProviderBatch]) -> None:
    storage = PostgresStorage(url)
    await storage.open()
    await storage.close()
    queries = Queries.load("litebatch_postgres", TABLES)
    connection = await asyncpg.connect(url)
    for table, rows in _rows(batches):
        insert = numbered(queries.sql(f"insert_{table.name}"))
        await connection.executemany(insert.sql, [insert.arguments(row) for row in rows])
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def _rows(batches: Sequence[ProviderBatch]) -> Rows:
    now = datetime.now(UTC)
    ours = [_batch(number, now) for number in range(len(batches))]
    yield BATCHES, [BATCHES.encode(batch) for batch in ours]
    yield JOBS, [JOBS.encode(_job(batch, seen, now)) for batch, seen in zip(ours, batches, strict=True)]


def _batch(number: int, now: datetime) -> Batch:
    return Batch(
        id=batch_id(number),
        owner=OWNER,
        created_by=None,
        input_file_id="file-lb01jvz3k8w4c9d2n6q5r7t8x0y1",
        endpoint="/v1/chat/completions",
        completion_window="24h",
        model=VIRTUAL_MODEL,
        status=BatchStatus.IN_PROGRESS,
        created_at=now,
        in_progress_at=now,
        expires_at=now + timedelta(hours=24),
        counts=Counts(total=_CONTENT.lines),
        looked_at=now,
    )


def _job(batch: Batch, seen: ProviderBatch, now: datetime) -> Job:
    return Job(
        id=seen.metadata[TAG_JOB],
        batch_id=batch.id,
        owner=OWNER,
        requests=_CONTENT.lines,
        deployment_id=DEPLOYMENT,
        provider_file_id=seen.input_file_id,
        submit_started_at=now,
        state=JobState.SUBMITTED,
        provider_batch_id=seen.id,
        snapshot=seen,
        created_at=now,
        next_check_at=now,
        refresh_from=now,
        checks=_LOOKS_BEFORE,
    )


def looks_at(database: str) -> dict[str, int]:
    """When each job is to be looked at next, in microseconds, by its id."""
    look = "SELECT id, next_check_at FROM jobs"
    if "://" not in database:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return dict(connection.execute(look).fetchall())

    async def ask() -> list[Any]:
        connection = await asyncpg.connect(database)
        try:
            return await connection.fetch(look)
        finally:
            await connection.close()

    return {row[0]: row[1] for row in asyncio.run(ask())}
