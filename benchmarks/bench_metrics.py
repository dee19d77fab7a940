"""What counting costs: gateways that count beside one that does not; and figures of a large database."""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import _report, bench_get, bench_storage, bench_upload
from benchmarks._content import Content
from benchmarks._gateway import write_config
from benchmarks._processes import Server, running, scratch
from benchmarks._seed import batch_id, seed
from litebatch_asgi.metrics.gauges import FigureReader
from litebatch_asgi.metrics.slots import FOLDER
from litebatch_asgi.storage import Storage
from litebatch_postgres import PostgresStorage
from litebatch_sqlite import SQLiteStorage
from tests.postgres import own_server, run_on

BATCHES = 1000
CONTENT = Content(lines=5000, line_bytes=4000)
BAR = 1.05
BAR_FIGURES_MS = 100.0
OPEN = 50_000
OPENED = (
    f"UPDATE batches SET status = 'in_progress' WHERE id <= '{bench_storage.batch_id(OPEN)}'",
    f"UPDATE jobs SET state = 'submitted', next_check_at = created_at WHERE id <= 'job_lb{OPEN:026}'",
)
"""run on what `bench_storage` seeds"""


def compare(what: str, servers: Sequence[Server], cost: Callable[[Server], float], rounds: int) -> None:
    """Measure all of them by turns, the last one being that which counts nothing."""
    for server in servers:
        cost(server)
    taken = [[cost(server) for server in servers] for _ in range(rounds)]
    for name, place in (("counting", 0), ("as a worker", 1)):
        ratios = [each[place] / each[-1] for each in taken]
        _report.show(f"{what}, {name}: CPU beside counting nothing", _report.spread(ratios, 3))
        if not place:
            _report.at_most(f"{what}: CPU beside counting nothing", median(ratios), BAR, "times")


async def figures(kind: str, storage: Storage) -> None:
    """How long the figures of a large database take to be read."""
    await storage.open()
    taken: list[float] = []
    for _ in range(10):
        began = time.perf_counter()
        reader = FigureReader(storage)
        await reader.refresh()
        taken.append(1000 * (time.perf_counter() - began))
        if reader.last is None or sum(reader.last.open_batches.values()) != OPEN:
            raise RuntimeError(f"these are the figures: {reader.last}")
    await storage.close()
    what = f"{kind}: figures of {bench_storage.MANY:,} batches, {OPEN:,} of them open"
    _report.at_most(what, median(taken), BAR_FIGURES_MS, "ms")


def large_sqlite(folder: Path) -> None:
    """In a file."""
    path = folder / "large.db"
    asyncio.run(bench_storage.seed_sqlite(path, bench_storage.MANY))
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in OPENED:
            connection.execute(statement)
    asyncio.run(figures("SQLite", SQLiteStorage(path)))


def large_postgres(folder: Path) -> None:
    """In PostgreSQL."""
    with own_server(folder) as server:
        url = asyncio.run(bench_storage.seed_postgres(server, bench_storage.MANY))
        asyncio.run(run_on(url, *OPENED, "VACUUM ANALYZE", "SELECT 1"))
        asyncio.run(figures("PostgreSQL", PostgresStorage(url)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=0.8, help="of each measurement of reads")
    parser.add_argument("--quick", action="store_true", help="five rounds")
    options = parser.parse_args()
    rounds = 5 if options.quick else options.rounds
    paths = [f"/v1/batches/{batch_id(number)}" for number in range(BATCHES)]
    blocks = list(CONTENT.blocks())
    with scratch() as folder, ExitStack() as stack:
        first, second = (
            stack.enter_context(running(folder, ["-m", "benchmarks._deployment"])) for _ in range(2)
        )
        servers: list[Server] = []
        for name, arguments in (("counts", []), ("worker", []), ("counts-not", ["--unmeasured"])):
            own = folder / name
            own.mkdir()
            asyncio.run(seed(own / "gateway.db", BATCHES))
            config = write_config(own, [first, second])
            shared = stack.enter_context(TemporaryDirectory())
            env = {FOLDER: shared} if name == "worker" else {}
            program = ["-m", "benchmarks._gateway", "--config", str(config), *arguments]
            servers.append(stack.enter_context(running(folder, program, env)))
        compare(
            "GET of a batch",
            servers,
            lambda server: bench_get.measure(server, paths, options.seconds).cpu,
            rounds,
        )
        compare(
            "upload of 20 MB",
            servers,
            lambda server: bench_upload.measure(server, blocks, CONTENT.size).cpu.total,
            max(3, rounds // 3),
        )
    with scratch() as folder:
        large_sqlite(folder)
        large_postgres(folder)


if __name__ == "__main__":
    main()
