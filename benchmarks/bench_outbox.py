"""Events a second, from being written until a callable has them, beside a bare loop over the same rows."""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import asyncpg

from benchmarks import _report
from benchmarks._content import VIRTUAL_MODEL
from benchmarks._processes import scratch
from litebatch_asgi import CallableSink, Deployment, Event, LiteBatch
from litebatch_asgi.app import open_storage
from litebatch_asgi.models import File
from litebatch_asgi.sink import Sink
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import file_writing, stored_file
from tests.postgres import Server, own_server, run_on, with_database

BAR = 1000.0
EACH = 10
"""events of a subject, which are written in one transaction"""
WRITERS = 16
"""transactions that are under way at a time, as in a gateway with many batches"""
AT_ONCE = 100
"""rows that the bare loop reads and removes at a time, as a worker has places"""
LOOK_SECONDS = 0.05
_EVENT = "id, subject, seq, type, payload, created_at"
_DELIVERY = "sink, event_id, subject, seq, state, attempts, next_check_at, epoch, created_at"
_JOINED = (
    f"SELECT {', '.join(f'events.{column}' for column in _EVENT.split(', '))}, event_deliveries.*"
    " FROM event_deliveries JOIN events ON events.id = event_deliveries.event_id"
    f" ORDER BY next_check_at, event_id LIMIT {AT_ONCE}"
)
_numbers = count()


def events_of(subject: int, moment: Any) -> tuple[Event, ...]:
    """What has happened to a subject."""
    payload = {"batch_id": f"batch_lb{subject:026}", "status": "in_progress", "metadata": {"note": "x" * 200}}
    return tuple(
        Event(
            id=f"evt_lb{subject * EACH + number:026}",
            subject=f"batch_lb{subject:026}",
            type="batch.in_progress",
            payload=payload,
            created_at=moment,
        )
        for number in range(EACH)
    )


async def hang(event: Event) -> None:
    """Take nothing, and say nothing."""
    await asyncio.sleep(3600)


class Told(NamedTuple):
    """How fast events were told."""

    rate: float
    """a second, from the first that is written to the last that is told and marked"""
    cpu: float
    """milliseconds of this process for each, its threads and so SQLite included"""


async def told(url: str, subjects: int, *, beside: Sequence[Sink] = (), is_ordered: bool = True) -> Told:
    """Write events of so many subjects while a callable takes them."""
    took = 0
    has_all = asyncio.Event()

    async def take(event: Event) -> None:
        nonlocal took
        took += 1
        if took == subjects * EACH:
            has_all.set()

    deployment = Deployment(model_name=VIRTUAL_MODEL, model="openai/gpt-4o-mini", api_key="none")
    taking = CallableSink(take, name="takes", is_ordered=is_ordered)
    storage = open_storage(url)
    litebatch = LiteBatch(deployments=[deployment], storage=storage, sinks=[taking, *beside])
    async with litebatch.lifespan():
        files = [await stored_file(storage) for _ in range(WRITERS)]
        began, used = time.perf_counter(), time.process_time()
        await asyncio.gather(
            *(_write(storage, file, range(n, subjects, WRITERS)) for n, file in enumerate(files))
        )
        await has_all.wait()
        while await _pending(storage):  # noqa: ASYNC110 - what is told is marked by another task
            await asyncio.sleep(LOOK_SECONDS)
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
    if took != subjects * EACH:
        raise RuntimeError(f"{took} events were told, of {subjects * EACH}")
    return Told(took / seconds, 1000 * cpu / took)


async def _write(storage: Storage, file: File, subjects: Iterable[int]) -> None:
    for subject in subjects:
        events = events_of(subject, file.created_at)
        await storage.change_file(file.id, file_writing(events=events))


async def _pending(storage: Storage) -> int:
    return sum(each.pending for each in await storage.outbox.backlog() if each.sink.name == "takes")


def _rows(subject: int) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    events = [
        (event.id, event.subject, number, event.type, json.dumps(event.payload), 1)
        for number, event in enumerate(events_of(subject, 0), 1)
    ]
    return events, [("bare", row[0], row[1], row[2], "pending", 0, 1, 0, 1) for row in events]


async def bare_sqlite(path: Path, subjects: int) -> float:
    """The same rows written, read and removed by the driver alone, in as many transactions."""
    insert_events = f"INSERT INTO events ({_EVENT}) VALUES (?, ?, ?, ?, ?, ?)"
    insert_deliveries = f"INSERT INTO event_deliveries ({_DELIVERY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    began = time.perf_counter()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        for subject in range(subjects):
            events, deliveries = _rows(subject)
            with connection:
                connection.executemany(insert_events, events)
                connection.executemany(insert_deliveries, deliveries)
        while found := connection.execute(_JOINED).fetchall():
            with connection:
                connection.executemany(
                    "DELETE FROM event_deliveries WHERE event_id = ?", [(row[0],) for row in found]
                )
    return subjects * EACH / (time.perf_counter() - began)


async def bare_postgres(url: str, subjects: int) -> float:
    """See `bare_sqlite`."""
    insert_events = f"INSERT INTO events ({_EVENT}) VALUES ($1, $2, $3, $4, $5::text::jsonb, $6)"
    insert_deliveries = (
        f"INSERT INTO event_deliveries ({_DELIVERY}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    )
    connection = await asyncpg.connect(url)
    began = time.perf_counter()
    for subject in range(subjects):
        events, deliveries = _rows(subject)
        async with connection.transaction():
            await connection.executemany(insert_events, events)
            await connection.executemany(insert_deliveries, deliveries)
    while found := await connection.fetch(_JOINED):
        await connection.execute(
            "DELETE FROM event_deliveries WHERE event_id = ANY($1)", [row[0] for row in found]
        )
    seconds = time.perf_counter() - began
    await connection.close()
    return subjects * EACH / seconds


@asynccontextmanager
async def new_sqlite(folder: Path) -> AsyncGenerator[str]:
    """The URL of a database with nothing in it but its tables."""
    url = f"sqlite:///{folder / f'outbox-{next(_numbers)}.db'}"
    await _set_up(url)
    yield url


@asynccontextmanager
async def new_postgres(server: Server) -> AsyncGenerator[str]:
    """The same on a server."""
    name = f"outbox_{next(_numbers)}"
    await run_on(server.url(), f"CREATE DATABASE {name}")
    url = with_database(server.url(), name)
    await _set_up(url)
    yield url
    await run_on(server.url(), f"DROP DATABASE {name} WITH (FORCE)")


async def _set_up(url: str) -> None:
    storage = open_storage(url)
    await storage.open()
    await storage.close()


async def measure(what: str, source: Path | Server, subjects: int, rounds: int) -> None:
    """Show what is told a second, alone and beside another sink that hangs, in turn with the bare loop."""
    bare: list[float] = []
    alone: list[Told] = []
    beside: list[Told] = []
    unordered: list[Told] = []
    for _ in range(rounds):
        async with _new(source) as url:
            if url.startswith("sqlite:///"):
                bare.append(await bare_sqlite(Path(url.removeprefix("sqlite:///")), subjects))
            else:
                bare.append(await bare_postgres(url, subjects))
        async with _new(source) as url:
            alone.append(await told(url, subjects))
        async with _new(source) as url:
            beside.append(await told(url, subjects, beside=[CallableSink(hang, name="hangs")]))
        async with _new(source) as url:
            unordered.append(await told(url, subjects, is_ordered=False))
    _report.show(f"{what}, the bare loop", f"{_report.spread(bare, 0)} events a second")
    for name, runs in (("in no order", unordered), ("in order", alone), ("beside one that hangs", beside)):
        figure = f"{_report.spread([each.rate for each in runs], 0)} events a second"
        cpu = f"{_report.spread([each.cpu for each in runs])} ms of CPU each"
        _report.show(f"{what}, {name}", f"{figure}, {cpu}")
    ratios = [ours.rate / other for ours, other in zip(alone, bare, strict=True)]
    _report.beside(f"{what}, in order beside the bare loop", ratios)
    ratios = [with_it.rate / without.rate for with_it, without in zip(beside, alone, strict=True)]
    _report.beside(f"{what}, beside one that hangs beside alone", ratios)
    _report.at_least(f"{what}, in order", median(each.rate for each in alone), BAR, "events a second")


def _new(source: Path | Server) -> Any:
    return new_sqlite(source) if isinstance(source, Path) else new_postgres(source)


async def run(folder: Path, server: Server, events: int, rounds: int) -> None:
    for what, source in (("SQLite", folder), ("PostgreSQL", server)):
        await measure(what, source, events // EACH, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round with a fifth of the events")
    options = parser.parse_args()
    events, rounds = (options.events // 5, 1) if options.quick else (options.events, options.rounds)
    with scratch() as folder:
        folder.chmod(0o755)
        with own_server(folder) as server:
            asyncio.run(run(folder, server, events, rounds))


if __name__ == "__main__":
    main()
