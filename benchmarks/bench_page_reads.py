"""What pages of operators and owners read, from 1,000,000 batches on SQLite and PostgreSQL.

The batches are of 50 owners and 20 models, at 10 deployments; of each 1,000 two have failed, one has expired
and one is going on. One owner has next to no batches, one model and one deployment are next to never used.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import _report
from benchmarks._processes import scratch
from benchmarks._seed_search import DEPLOYMENTS, HUGE, RARE, batch_id, file_id, seed_postgres, seed_sqlite
from litebatch_asgi.app import open_storage
from litebatch_asgi.models import BatchStatus
from litebatch_asgi.operators import Operators
from litebatch_asgi.search import BatchSearch, Cursor, FileSearch
from litebatch_asgi.storage import Storage
from tests.postgres import Server, own_server

MANY, FEWER = 1_000_000, 50_000
BAR = 50.0
PAGE = 50
FAILED = frozenset({BatchStatus.FAILED, BatchStatus.EXPIRED})
GOING = frozenset({BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING})
COMPLETED = frozenset({BatchStatus.COMPLETED})

Read = Callable[[Storage], Awaitable[object]]


def batches(**filters: Any) -> Read:
    """Asks for a page of batches."""
    return lambda storage: storage.search.batches(BatchSearch(limit=PAGE, **filters))


def files(**filters: Any) -> Read:
    """Asks for a page of files."""

    async def read(storage: Storage) -> object:
        return await storage.search.files(FileSearch(limit=PAGE, now=await storage.now(), **filters))

    return read


def reads(count: int, middle: Cursor) -> dict[str, Read]:
    """What is measured."""
    owner, model, deployment = "team:7", "model-3", "deployment-3"
    return {
        "newest of everybody": batches(),
        "from the middle, everybody": batches(before=middle),
        "newer than the middle, everybody": batches(after=middle),
        "newest of an owner": batches(owner=owner),
        "from the middle, an owner": batches(owner=owner, before=middle),
        "failed or expired, everybody": batches(statuses=FAILED),
        "failed or expired, an owner": batches(owner=owner, statuses=FAILED),
        "failed or expired, the owner of most": batches(owner=HUGE, statuses=FAILED),
        "failed or expired, from the middle": batches(statuses=FAILED, before=middle),
        "going on, everybody": batches(statuses=GOING),
        "cancelled: none": batches(statuses=frozenset({BatchStatus.CANCELLED})),
        "completed, everybody": batches(statuses=COMPLETED),
        "completed, the owner of most": batches(owner=HUGE, statuses=COMPLETED),
        "of a model, everybody": batches(model=model),
        "of a rare model": batches(model=RARE),
        "of a model, failed": batches(model=model, statuses=FAILED),
        "of an owner and a model, failed": batches(owner=owner, model=model, statuses=FAILED),
        "at a deployment": batches(deployment_id=deployment),
        "at a deployment, from the middle": batches(deployment_id=deployment, before=middle),
        "at a rare deployment": batches(deployment_id=RARE),
        "at a rare deployment, the owner of most": batches(deployment_id=RARE, owner=HUGE),
        "at a deployment, a rare owner": batches(deployment_id=deployment, owner=RARE),
        "at a deployment, failed": batches(deployment_id=deployment, statuses=FAILED),
        "at a deployment, of a model, completed": batches(
            deployment_id=deployment, model=model, statuses=COMPLETED
        ),
        "a text in the newest": batches(text="NIGHTLY"),
        "a text: none": batches(text="nowhere at all"),
        "a text, an owner: none": batches(text="nowhere at all", owner=owner),
        "a text, failed: none": batches(text="nowhere at all", statuses=FAILED),
        "a batch by its id": batches(text=batch_id(count // 3)),
        "batches by the id of their file": batches(text=file_id(count // 3)),
        "files, everybody": files(),
        "files of an owner, a purpose": files(owner=owner, purpose="batch"),
        "files, a text: none": files(text="nowhere at all"),
        "how all deployments do": lambda storage: Operators(storage).reports(),
        "records of ten deployments": lambda storage: storage.jobs.records(DEPLOYMENTS, most=200),
    }


async def measure(name: str, storage: Storage, count: int, rounds: int) -> None:
    """Show each read, and the one that takes the longest."""
    await storage.heartbeats.beat("w", {id_: ["model-3"] for id_ in DEPLOYMENTS}, lapse_seconds=90)
    middle = await storage.get_batch(batch_id(count // 2))
    assert middle is not None
    with _report.medians(f"{name}: the slowest read", BAR) as medians:
        for what, read in reads(count, Cursor(created_at=middle.created_at, id=middle.id)).items():
            found = await read(storage)
            items: Sequence[object] | None = getattr(found, "items", None)
            if items is not None and bool(items) == what.endswith(": none"):
                raise RuntimeError(f"{what}: {len(items)} were found")
            medians.add(what, [await milliseconds(read, storage) for _ in range(rounds)])


async def milliseconds(read: Read, storage: Storage) -> float:
    """How long one read takes."""
    began = time.perf_counter()
    await read(storage)
    return 1000 * (time.perf_counter() - began)


async def show(name: str, seed: Awaitable[str], count: int, rounds: int) -> None:
    """Make a database of one kind, and read from it."""
    began = time.perf_counter()
    storage = open_storage(await seed)
    _report.show(f"{name}: {count:,} batches written", f"{time.perf_counter() - began:.1f} s")
    try:
        await storage.open()
        await measure(name, storage, count, rounds)
    finally:
        await storage.close()


async def run(folder: Path, server: Server, count: int, rounds: int) -> None:
    await show("SQLite", seed_sqlite(folder / "search.db", count), count, rounds)
    await show("PostgreSQL", seed_postgres(server, count), count, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help=f"{FEWER:,} batches")
    options = parser.parse_args()
    with scratch() as folder:
        folder.chmod(0o755)
        with own_server(folder) as server:
            asyncio.run(run(folder, server, FEWER if options.quick else MANY, options.rounds))


if __name__ == "__main__":
    main()
