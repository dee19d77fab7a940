"""`GET /v1/batches/{id}` over sockets, beside a bare Starlette route that makes the same read."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from benchmarks import _report
from benchmarks._client import requests_per_second
from benchmarks._gateway import SERVE, write_config
from benchmarks._processes import Server, running, scratch
from benchmarks._seed import batch_id, seed

BATCHES = 5000
BAR = 0.6


class Figures(NamedTuple):
    """One measurement of one server."""

    rate: float
    """requests per second"""
    cpu: float
    """of the server, microseconds per request"""


def measure(server: Server, paths: Sequence[str], seconds: float) -> Figures:
    """Ask for so long."""
    before = server.cpu()
    rate = requests_per_second(server.address, paths, seconds=seconds)
    return Figures(rate, 1e6 * server.cpu().since(before).total / (rate * seconds))


def report(ours: Sequence[Figures], bare: Sequence[Figures]) -> None:
    """Show what was measured in rounds of one each."""
    for name, measured in (("bare Starlette route", bare), ("LiteBatch", ours)):
        _report.show(f"{name}: requests per second", _report.spread([each.rate for each in measured], 0))
        _report.show(f"{name}: CPU, us per request", _report.spread([each.cpu for each in measured], 0))
    rates = [mine.rate / its.rate for mine, its in zip(ours, bare, strict=True)]
    costs = [its.cpu / mine.cpu for mine, its in zip(ours, bare, strict=True)]
    _report.show("LiteBatch beside the bare route, rate", _report.spread(rates))
    _report.show("LiteBatch beside the bare route, CPU", _report.spread(costs))
    _report.at_least("GET of a batch, rate beside a bare route", median(rates), BAR, "times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=0.8, help="of each measurement")
    options = parser.parse_args()
    paths = [f"/v1/batches/{batch_id(number)}" for number in range(BATCHES)]
    with scratch() as folder:
        database = folder / "seeded.db"
        asyncio.run(seed(database, BATCHES))
        with (
            running(folder, ["-m", "benchmarks._deployment"]) as deployment,
            running(folder, [*SERVE, str(write_config(folder, [deployment], database=database))]) as gateway,
            running(folder, ["-m", "benchmarks._bare", "--database", str(database)]) as bare,
        ):
            measured: dict[Server, list[Figures]] = {gateway: [], bare: []}
            for server in measured:
                measure(server, paths, 0.5)
            for _ in range(options.rounds):
                for server, figures in measured.items():
                    figures.append(measure(server, paths, options.seconds))
        report(measured[gateway], measured[bare])


if __name__ == "__main__":
    main()
