"""A gateway's database, for the commands that work on one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from litebatch_asgi.models import BatchStatus, Counts, JobState, ProviderBatch
from litebatch_asgi.testing import a_batch, a_file, a_job
from litebatch_asgi.testing.conformance.base import stored_batch
from litebatch_sqlite import SQLiteStorage

NIGHTLY, LARGE = "01m8dcavfhfqas1wectssmy5e8", "01m8dcavg0vbn7rqxe7zj4k2t3"
"""what the ids of two batches end with"""


def make_database(path: Path) -> Path:
    """A database as a gateway leaves it that has served nobody."""

    async def make() -> None:
        storage = SQLiteStorage(path)
        await storage.open()
        await storage.close()

    asyncio.run(make())
    return path


def fill_with_jobs(path: Path) -> None:
    """Two batches, of which one has two shards; one deployment is drained, and one is gone."""
    asyncio.run(_fill_with_jobs(path))


async def _fill_with_jobs(path: Path) -> None:
    storage = SQLiteStorage(path)
    await storage.open()
    served = {
        "eu-general": ["gpt-4o-batch"],
        "us-east": ["gpt-4o-batch", "gpt-4o-mini-batch"],
        "search": ["*"],
    }
    await storage.heartbeats.beat("worker", served, lapse_seconds=90)
    await storage.heartbeats.drain("us-east")
    now = datetime.now(UTC)
    large = a_batch(a_file(), id=f"batch_lb{LARGE}", owner="team:search-and-ranking")
    told = ProviderBatch(
        id="batch_1", status=BatchStatus.IN_PROGRESS, counts=Counts(total=50_000, completed=31_000, failed=12)
    )
    there = {"state": JobState.SUBMITTED, "snapshot": told, "requests": 50_000, "tokens": 12_500_000}
    await stored_batch(
        storage,
        a_job(
            large,
            id=f"job_lb{LARGE}-0-1",
            deployment_id="eu-general",
            created_at=now - timedelta(hours=3, minutes=5),
            **there,
        ),
        a_job(
            large,
            id=f"job_lb{LARGE}-1-2",
            shard=1,
            deployment_id=None,
            requests=48_000,
            attempt=2,
            created_at=now - timedelta(minutes=12, seconds=5),
        ),
        batch=large,
    )
    nightly = a_batch(a_file(), id=f"batch_lb{NIGHTLY}", owner="user:7")
    gone = a_job(
        nightly,
        id=f"job_lb{NIGHTLY}-0-1",
        deployment_id="old-account",
        state=JobState.UNCLEAR,
        requests=120,
        tokens=9000,
        created_at=now - timedelta(days=1, hours=1),
    )
    await stored_batch(storage, gone, batch=nightly)
    await storage.close()
