"""`GET` of a batch and of a list of 20 over sockets, beside bare routes that make the same reads."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks import _report
from benchmarks._client import requests_per_second
from benchmarks._gateway import SERVE, write_config
from benchmarks._processes import Server, running, scratch
from benchmarks._seed import batch_id, seed, seed_postgres
from tests.postgres import own_server

BATCHES = 5000
BAR = 0.8
READS = {
    "a batch": [f"/v1/batches/{batch_id(number)}" for number in range(BATCHES)],
    "a list": ["/v1/batches?limit=20"],
}
"""what is asked for, by what it is called"""


class Figures(NamedTuple):
    """One measurement of one server."""

    rate: float
    """requests per second"""
    cpu: float
    """of the server, microseconds per request"""


def measure(server: Server, paths: Sequence[str], seconds: float, *, body: object = None) -> Figures:
    """Ask for so long; `body` as for `requests_per_second`."""
    before = server.cpu()
    rate = requests_per_second(server.address, paths, body=body, seconds=seconds)
    return Figures(rate, 1e6 * server.cpu().since(before).total / (rate * seconds))


@contextmanager
def seeded(kind: str, folder: Path) -> Generator[str]:
    """A database with batches: a file, or a URL."""
    if kind == "sqlite":
        path = folder / "seeded.db"
        asyncio.run(seed(path, BATCHES))
        yield str(path)
        return
    with own_server(folder) as server:
        asyncio.run(seed_postgres(server.url(), BATCHES))
        yield server.url()


def report(what: str, ours: Sequence[Figures], bare: Sequence[Figures], bar: float) -> None:
    """Show what was measured in rounds of one each; the bar is that of the rate beside the bare route."""
    for name, measured in ((f"{what}, bare Starlette route", bare), (f"{what}, LiteBatch", ours)):
        _report.show(f"{name}: requests per second", _report.spread([each.rate for each in measured], 0))
        _report.show(f"{name}: CPU, us per request", _report.spread([each.cpu for each in measured], 0))
    rates = [mine.rate / its.rate for mine, its in zip(ours, bare, strict=True)]
    costs = [its.cpu / mine.cpu for mine, its in zip(ours, bare, strict=True)]
    _report.show(f"{what}: LiteBatch beside the bare route, rate", _report.spread(rates))
    _report.beside(f"{what}: LiteBatch beside the bare route, CPU", costs)
    _report.at_least(f"{what}, rate beside a bare route", median(rates), bar, "times")


def compare(kind: str, rounds: int, seconds: float) -> None:
    """Measure both servers on one database, by turns."""
    with scratch() as folder, seeded(kind, folder) as database:
        url = database if kind == "postgresql" else f"sqlite:///{database}"
        with (
            running(folder, ["-m", "benchmarks._deployment"]) as deployment,
            running(folder, [*SERVE, str(write_config(folder, [deployment], database=url))]) as gateway,
            running(folder, ["-m", "benchmarks._bare", "--database", database]) as bare,
        ):
            for what, paths in READS.items():
                measured: dict[Server, list[Figures]] = {gateway: [], bare: []}
                for server in measured:
                    measure(server, paths, 0.5)
                for _ in range(rounds):
                    for server, figures in measured.items():
                        figures.append(measure(server, paths, seconds))
                report(f"{kind}: GET of {what}", measured[gateway], measured[bare], BAR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.8, help="of each measurement")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--quick", action="store_true", help="five rounds")
    options = parser.parse_args()
    for kind in (options.database,) if options.database else ("sqlite", "postgresql"):
        compare(kind, 5 if options.quick else options.rounds, options.seconds)


if __name__ == "__main__":
    main()
