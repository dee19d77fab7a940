"""`GET /v1/batches/{id}` from two worker processes, beside one: both on PostgreSQL."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from statistics import median

from benchmarks import _report
from benchmarks._client import requests_per_second
from benchmarks._gateway import SERVE, write_config
from benchmarks._processes import Server, running, scratch, step_back
from benchmarks._seed import batch_id, seed_postgres
from tests.postgres import own_server

BATCHES = 5000
CONNECTIONS = 64
"""so many that the kernel gives about as many of them to either worker"""
ROUNDS, FEWER = 15, 3
SECONDS = 1.0
BAR = 1.7


def compare(folder: Path, url: str, rounds: int) -> None:
    """Ask one gateway and the other by turns."""
    paths = [f"/v1/batches/{batch_id(number)}" for number in range(BATCHES)]

    def rate(server: Server) -> float:
        return requests_per_second(server.address, paths, connections=CONNECTIONS, seconds=SECONDS)

    with running(folder, ["-m", "benchmarks._deployment"]) as deployment:
        command = [*SERVE, str(write_config(folder, [deployment], database=url))]
        with running(folder, command) as one, running(folder, [*command, "--workers", "2"]) as two:
            step_back()
            for server in (one, two):
                rate(server)
            rates = [(rate(one), rate(two)) for _ in range(rounds)]
    _report.show("one process: requests per second", _report.spread([one for one, _ in rates], 0))
    _report.show("two workers: requests per second", _report.spread([two for _, two in rates], 0))
    ratio = median(two / one for one, two in rates)
    _report.at_least("two workers, rate beside one process", ratio, BAR, "times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help=f"{FEWER} rounds")
    options = parser.parse_args()
    with scratch() as folder:
        folder.chmod(0o755)
        with own_server(folder) as server:
            asyncio.run(seed_postgres(server.url(), BATCHES))
            compare(folder, server.url(), FEWER if options.quick else options.rounds)


if __name__ == "__main__":
    main()
