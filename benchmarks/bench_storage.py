"""A read, a page, a claim: on every backend, with 1,000 batches and with 1,000,000."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median

from databases import Database

from benchmarks import _report
from benchmarks._bulk import PADDED, copies, durable, fill_postgres, fill_sqlite
from benchmarks._processes import scratch
from litebatch_asgi.models import BatchStatus, JobState, Work
from litebatch_asgi.storage import BatchQuery, Storage
from litebatch_asgi.testing import a_batch, a_file, a_job
from litebatch_asgi.testing.conformance.base import stored_batch
from litebatch_databases import DatabasesStorage
from litebatch_postgres import PostgresStorage
from litebatch_sql.tables import BATCHES, JOBS
from litebatch_sqlite import SQLiteStorage
from tests.postgres import Server, own_server

FEW, MANY = 1000, 1_000_000
PAGE, DUE = 100, 100
AT_ONCE = 16
OWNER = "team:search"
ROOM: dict[str | None, int] = {"east": DUE}

Opened = AbstractAsyncContextManager[Storage]


def batch_id(number: int) -> str:
    """The id of a seeded batch, counted from 1."""
    return f"batch_lb{number:026}"


async def seeds(storage: Storage, dialect: str, count: int) -> list[str]:
    """Write one batch that has ended, with its job; the statements that make many of it.

    A second apart, of one owner; `DUE` jobs are due, the others are settled.
    """
    await storage.open()
    batch = a_batch(a_file(), owner=OWNER, status=BatchStatus.COMPLETED)
    job = a_job(batch, state=JobState.SETTLED, next_check_at=None)
    await stored_batch(storage, job, batch=batch)
    await storage.close()
    padded = PADDED[dialect]
    ours = {"id": f"'batch_lb' || {padded}", "created_at": "created_at + CAST(n AS bigint) * 1000000"}
    due = {"state": f"CASE WHEN n <= {DUE} THEN 'submitted' ELSE state END"}
    due["next_check_at"] = f"CASE WHEN n <= {DUE} THEN n END"
    jobs = {"id": f"'job_lb' || {padded}", "batch_id": f"'batch_lb' || {padded}"} | due
    return [copies(BATCHES, dialect, count, **ours), copies(JOBS, dialect, count, **jobs)]


async def seed_sqlite(path: Path, count: int) -> str:
    """A file with so many batches, and its URL."""
    return await fill_sqlite(path, partial(seeds, count=count))


async def seed_postgres(server: Server, count: int) -> str:
    """A database with so many batches, and its URL."""
    return await fill_postgres(server, f"batches_{count}", partial(seeds, count=count))


@asynccontextmanager
async def native(storage: Storage) -> AsyncGenerator[Storage]:
    await storage.open()
    yield storage
    await storage.close()


@asynccontextmanager
async def over_databases(url: str) -> AsyncGenerator[Storage]:
    async with Database(url) as database, native(DatabasesStorage(database, table_prefix="")) as storage:
        yield storage


async def milliseconds(ask: Callable[[], Awaitable[object]], rounds: int) -> float:
    """How long one takes after the other: the median."""
    took: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        await ask()
        took.append(1000 * (time.perf_counter() - began))
    return median(took)


async def reads_a_second(storage: Storage, rounds: int) -> float:
    """Reads of single batches, `AT_ONCE` in flight."""

    async def read(worker: int) -> None:
        for number in range(rounds):
            batch = await storage.get_batch(batch_id(1 + (worker * 37 + number * 101) % FEW))
            if batch is None:
                raise RuntimeError("a batch is missing")

    began = time.perf_counter()
    await asyncio.gather(*(read(worker) for worker in range(AT_ONCE)))
    return AT_ONCE * rounds / (time.perf_counter() - began)


async def measured(storage: Storage, count: int, rounds: int) -> dict[str, float]:
    """All figures of one storage."""

    async def page() -> None:
        found = await storage.list_batches(BatchQuery(owner=OWNER, limit=PAGE))
        if len(found) != PAGE:
            raise RuntimeError(f"{len(found)} batches came")

    async def claim() -> None:
        claimed = await storage.claims.claim_jobs("worker", lease_seconds=0, room=ROOM, work=Work.PLACE)
        if len(claimed) != DUE:
            raise RuntimeError(f"{len(claimed)} jobs came")

    return {
        "read, ms": await milliseconds(lambda: storage.get_batch(batch_id(count // 2)), 10 * rounds),
        f"reads a second, {AT_ONCE} at once": await reads_a_second(storage, 5 * rounds),
        f"page of {PAGE}, ms": await milliseconds(page, rounds),
        f"claim of {DUE} due jobs, ms": await milliseconds(claim, rounds),
    }


async def compare(few: dict[str, str], many: dict[str, str], rounds: int) -> None:
    """Show each backend at both sizes, and what it takes beside the smaller one."""
    backends: dict[str, tuple[str, Callable[[str], Opened]]] = {
        "SQLite": ("sqlite", lambda url: native(SQLiteStorage(url))),
        "PostgreSQL": ("postgresql", lambda url: native(PostgresStorage(url, max_pool_size=AT_ONCE))),
        "databases, SQLite": ("sqlite", over_databases),
        "databases, PostgreSQL": ("postgresql", over_databases),
    }
    for name, (dialect, opened) in backends.items():
        async with AsyncExitStack() as stack:
            small = await stack.enter_async_context(opened(few[dialect]))
            large = await stack.enter_async_context(opened(many[dialect]))
            of_few = await measured(small, FEW, rounds)
            of_many = await measured(large, MANY, rounds)
        for what, figure in of_few.items():
            ratio = of_many[what] / figure
            _report.show(f"{name}: {what}", f"{figure:.2f} and {of_many[what]:.2f}, {ratio:.2f} times")


async def run(folder: Path, server: Server, rounds: int) -> None:
    urls: dict[int, dict[str, str]] = {}
    for count in (FEW, MANY):
        began = time.perf_counter()
        urls[count] = {
            "sqlite": await seed_sqlite(folder / f"{count}.db", count),
            "postgresql": await seed_postgres(server, count),
        }
        _report.show(f"{count:,} batches and jobs written twice", f"{time.perf_counter() - began:.1f} s")
    await durable(server)
    await compare(urls[FEW], urls[MANY], rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="20 rounds")
    options = parser.parse_args()
    with scratch() as folder:
        folder.chmod(0o755)
        with own_server(folder) as server:
            asyncio.run(run(folder, server, 20 if options.quick else options.rounds))


if __name__ == "__main__":
    main()
