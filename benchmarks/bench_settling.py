"""Charges a second that many write at once, where they add to the same sums and where they do not."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import _report
from benchmarks._bulk import durable
from benchmarks._processes import scratch
from litebatch_asgi.app import open_storage
from litebatch_asgi.models import Charge
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing import a_batch, a_charge, a_file, a_job
from litebatch_asgi.testing.conformance.base import stored_batch, writing
from tests.postgres import Server, own_server, run_on, with_database

AT_ONCE = 16
BAR = 0.7

Fields = Callable[[int], dict[str, Any]]

APART = "no sum in common"
CASES: Mapping[str, Fields] = {
    APART: lambda writer: {"owner": f"team:{writer}", "model": f"m-{writer}", "deployment_id": f"d-{writer}"},
    "of a model and deployment": lambda writer: {"owner": f"team:{writer}"},
    "of an owner": lambda writer: {"model": f"m-{writer}", "deployment_id": f"d-{writer}"},
    "of one and the same": lambda _: {},
}
"""By what is alike, the fields of the charges of each who writes."""


async def rate(storage: Storage, fields: Fields, each: int) -> float:
    """Charges a second."""

    async def prepare(writer: int) -> list[Charge]:
        charges: list[Charge] = []
        for _ in range(each):
            batch = a_batch(a_file())
            job = a_job(batch)
            await stored_batch(storage, job, batch=batch)
            own = {"created_by": f"key-{writer}"} | fields(writer)
            charges.append(a_charge(job, batch, scopes=(), **own))
        return charges

    async def settle(charges: list[Charge]) -> None:
        for charge in charges:
            await storage.change_batch(charge.batch_id, writing(charges=(charge,)))

    prepared = await asyncio.gather(*map(prepare, range(AT_ONCE)))
    began = time.perf_counter()
    await asyncio.gather(*map(settle, prepared))
    return AT_ONCE * each / (time.perf_counter() - began)


async def measure(name: str, url: str, rounds: int, each: int) -> None:
    """Show each case, in turns."""
    storage = open_storage(url)
    await storage.open()
    try:
        found: dict[str, list[float]] = {what: [] for what in CASES}
        for _ in range(rounds):
            for what, fields in CASES.items():
                found[what].append(await rate(storage, fields, each))
    finally:
        await storage.close()
    for what, rates in found.items():
        _report.show(f"{name}, {what}", f"{_report.spread(rates, 0)} charges a second")
        if what != APART:
            ratio = median(rates) / median(found[APART])
            _report.at_least(f"{name}, {what}", ratio, BAR, "times those with none in common")


async def run(folder: Path, server: Server, rounds: int, each: int) -> None:
    await measure("SQLite", f"sqlite:///{folder / 'settling.db'}", rounds, each)
    await durable(server)
    await run_on(server.url(), "CREATE DATABASE settling")
    await measure("PostgreSQL", with_database(server.url(), "settling"), rounds, each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--each", type=int, default=20, help=f"charges of each of {AT_ONCE} writers a round")
    parser.add_argument("--quick", action="store_true", help="two rounds")
    options = parser.parse_args()
    with scratch() as folder:
        folder.chmod(0o755)
        with own_server(folder) as server:
            asyncio.run(run(folder, server, 2 if options.quick else options.rounds, options.each))


if __name__ == "__main__":
    main()
