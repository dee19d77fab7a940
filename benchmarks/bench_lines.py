"""Lines that we run ourselves: claims, writes of results and reads of them, on both databases."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

from benchmarks import _report
from benchmarks._bulk import durable
from benchmarks._processes import scratch
from litebatch_asgi.models import (
    BatchChange,
    FileKind,
    Job,
    JobState,
    Lane,
    LineRange,
    LineResult,
    RangeWrite,
)
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing import a_batch, a_file, a_job, a_line_range
from litebatch_postgres import PostgresStorage
from litebatch_sqlite import SQLiteStorage
from tests.postgres import Server, own_server, run_on, with_database

LINES = 500
"""of a range"""
ROW = b'{"id": "x", "custom_id": "request-%d", "response": {"status_code": 200, "body": {"a": "%s"}}}\n'
CLAIM_BAR_MILLISECONDS = 5
WRITE_BAR = 10_000
ROOM = 10


def row(line: int) -> bytes:
    """A short result, of some 500 bytes."""
    return ROW % (line, b"x" * 400)


async def placed(storage: Storage, ranges: int) -> Job:
    """A live job with so many ranges, which are due."""
    file = a_file()
    batch = a_batch(file)
    job = a_job(batch, lane=Lane.LIVE, state=JobState.SUBMITTED, requests=LINES * ranges)
    made = tuple(
        a_line_range(job, seq=seq, first_line=LINES * seq, end_line=LINES * (seq + 1), lines=LINES)
        for seq in range(ranges)
    )
    await storage.create_file(file, [])
    change = BatchChange(batch=batch, new_jobs=(job,), line_ranges=made)
    await storage.create_batch(file.id, lambda _: change)
    return job


async def milliseconds(ask: Callable[[], Awaitable[object]], rounds: int) -> float:
    """How long one takes after the other: the median."""
    took: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        await ask()
        took.append(1000 * (time.perf_counter() - began))
    return median(took)


async def claims(storage: Storage, name: str) -> None:
    """Claim of many that are due, and one that finds nothing."""
    began = time.perf_counter()
    job = await placed(storage, 10_000)
    _report.show(f"{name}: 10,000 ranges placed", f"{1000 * (time.perf_counter() - began):.0f} ms")

    async def claim() -> None:
        held = await storage.lines.claim("worker", lease_seconds=60, room={"east": ROOM})
        if len(held) != ROOM:
            raise RuntimeError(f"{len(held)} ranges came")

    took = await milliseconds(claim, 100)
    _report.at_most(f"{name}: claim of {ROOM} of 10,000 due", took, CLAIM_BAR_MILLISECONDS, "ms")
    await storage.lines.close(job.id)
    nothing = await milliseconds(
        lambda: storage.lines.claim("worker", lease_seconds=60, room={"east": ROOM}), 100
    )
    _report.show(f"{name}: claim that finds nothing", f"{nothing:.2f} ms")


async def writes(storage: Storage, name: str, group: int, ranges: int) -> str:
    """Results a second in groups of so many, spread over `ROOM` ranges at a time; the job."""
    job = await placed(storage, ranges)
    left = ranges
    began, took = time.perf_counter(), list[float]()
    while left:
        held = await storage.lines.claim("worker", lease_seconds=600, room={"east": min(ROOM, left)})
        left -= len(held)
        took += await _run(storage, held, group)
    rate = LINES * ranges / (time.perf_counter() - began)
    figure = f"{rate:,.0f} a second, a write {1000 * median(took):.2f} ms"
    _report.show(f"{name}: results in groups of {group}", figure)
    return job.id


async def _run(storage: Storage, held: Sequence[LineRange], group: int) -> list[float]:
    """Write all results of these ranges; how long each write took."""
    took: list[float] = []
    current = {each.key: each for each in held}
    upcoming = [(each.key, line) for line in range(LINES) for each in held]
    for start in range(0, len(upcoming), group):
        made: dict[tuple[str, int], list[LineResult]] = {}
        for key, offset in upcoming[start : start + group]:
            line = current[key].first_line + offset
            kind = FileKind.ERROR if line % 100 == 0 else FileKind.OUTPUT
            made.setdefault(key, []).append(LineResult(line=line, kind=kind, row=row(line)))
        news = [RangeWrite(range=current[key], results=tuple(results)) for key, results in made.items()]
        began = time.perf_counter()
        after = await storage.lines.write(news)
        took.append(time.perf_counter() - began)
        current |= {each.key: each for each in after if each is not None}
    return took


async def pages(storage: Storage, name: str, job_id: str, count: int) -> None:
    """Read all results of a job in pages, and remove them."""
    for kind in (FileKind.OUTPUT, FileKind.ERROR):
        began, read, size, after = time.perf_counter(), 0, 0, -1
        while page := await storage.lines.rows(job_id, kind, after=after):
            read, size, after = read + len(page), size + sum(len(each.row) for each in page), page[-1].line
        took = time.perf_counter() - began
        _report.show(f"{name}: {read:,} {kind} rows in pages", f"{took:.2f} s, {size / took / 1e6:.0f} MB/s")
    progress = await milliseconds(lambda: storage.lines.progress(job_id), 20)
    _report.show(f"{name}: progress of {count:,} lines", f"{progress:.2f} ms")


@asynccontextmanager
async def opened(storage: Storage) -> AsyncGenerator[Storage]:
    await storage.open()
    yield storage
    await storage.close()


async def measure(storage: Storage, name: str, lines: int) -> None:
    async with opened(storage):
        await claims(storage, name)
        for group in (32, 200):
            await writes(storage, name, group, 20 if group == 32 else 100)
        job_id = await writes(storage, name, 1000, lines // LINES)
        await pages(storage, name, job_id, lines)


async def run(folder: Path, server: Server, lines: int) -> None:
    await measure(SQLiteStorage(folder / "lines.db"), "SQLite", lines)
    await durable(server)
    await run_on(server.url(), "CREATE DATABASE lines")
    await measure(PostgresStorage(with_database(server.url(), "lines")), "PostgreSQL", lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000, help="results that are read in pages")
    parser.add_argument("--quick", action="store_true", help="a tenth of them")
    arguments = parser.parse_args()
    lines = arguments.lines // 10 if arguments.quick else arguments.lines
    with scratch() as folder:
        folder.chmod(0o755)
        with own_server(folder) as server:
            asyncio.run(run(folder, server, lines))


if __name__ == "__main__":
    main()
