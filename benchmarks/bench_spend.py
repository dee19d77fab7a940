"""Spend by day over 1,000,000 charges of a year, beside counting the rows that it is summed up from."""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

from benchmarks import _report, _seed_charges
from benchmarks._content import VIRTUAL_MODEL
from benchmarks._processes import scratch
from benchmarks._seed_charges import DAYS, END, owner
from litebatch_asgi import Deployment, LiteBatch, Principal
from litebatch_asgi.models import SpendPage
from tests.postgres import Server, own_server

MANY = 1_000_000
BAR = 50.0
ADMIN = Principal(owner="admin", is_admin=True)
YEAR: dict[str, Any] = {"start_date": END - timedelta(days=DAYS - 1), "end_date": END}
MONTH: dict[str, Any] = {"start_date": END - timedelta(days=29), "end_date": END}

Ask = Callable[[LiteBatch], Awaitable[SpendPage]]
Count = Callable[[], Awaitable[float]]
"""Counts rows; how many milliseconds that took."""

ASKED: Mapping[str, Ask] = {
    "a year by day": lambda lb: lb.spend(ADMIN, **YEAR),
    "a month by day": lambda lb: lb.spend(ADMIN, **MONTH),
    "a month by day and model": lambda lb: lb.spend(ADMIN, group_by=("day", "model"), **MONTH),
    "an owner's year by day": lambda lb: lb.spend(Principal(owner=owner(3)), **YEAR),
}


@asynccontextmanager
async def counting(url: str, table: str) -> AsyncGenerator[Count]:
    """`SELECT count(*)` of a table, by the bare driver."""
    statement = f"SELECT count(*) FROM {table}"
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as opened:

            async def count_sqlite() -> float:
                began = time.perf_counter()
                opened.execute(statement).fetchone()
                return 1000 * (time.perf_counter() - began)

            yield count_sqlite
        return
    connection = await asyncpg.connect(url)

    async def count_postgres() -> float:
        began = time.perf_counter()
        await connection.fetchrow(statement)
        return 1000 * (time.perf_counter() - began)

    yield count_postgres
    await connection.close()


async def milliseconds(ask: Ask, litebatch: LiteBatch) -> float:
    """How long one answer takes."""
    began = time.perf_counter()
    page = await ask(litebatch)
    took = 1000 * (time.perf_counter() - began)
    if not page.items or page.total.requests == 0:
        raise RuntimeError("nothing was spent")
    return took


async def measure(what: str, url: str, rounds: int) -> None:
    """Show each question, asked in turn with the count."""
    deployment = Deployment(model_name=VIRTUAL_MODEL, model="openai/gpt-4o-mini", api_key="none")
    litebatch = LiteBatch(deployments=[deployment], storage=url, reconciler=False)
    async with litebatch.lifespan(), counting(url, "spend_daily") as of_sums:
        async with counting(url, "charges") as of_charges:
            _report.show(f"{what}, counting the charges", f"{await of_charges():.1f} ms")
        for name, ask in ASKED.items():
            took: list[float] = []
            counted: list[float] = []
            for _ in range(rounds):
                took.append(await milliseconds(ask, litebatch))
                counted.append(await of_sums())
            ratio = median(took) / median(counted)
            told = f"{_report.spread(took)} ms, {ratio:.2f} times counting the sums"
            _report.show(f"{what}, {name}", told)
            if name == "a year by day":
                _report.at_most(f"{what}, spend by day over {MANY:,} charges", median(took), BAR, "ms")


async def run(folder: Path, server: Server, rounds: int) -> None:
    began = time.perf_counter()
    urls = {
        "SQLite": await _seed_charges.seed_sqlite(folder / "charges.db", MANY),
        "PostgreSQL": await _seed_charges.seed_postgres(server, MANY),
    }
    _report.show(f"{MANY:,} charges, twice, written", f"{time.perf_counter() - began:.1f} s")
    for what, url in urls.items():
        await measure(what, url, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    with scratch() as folder:
        folder.chmod(0o755)
        with own_server(folder) as server:
            asyncio.run(run(folder, server, options.rounds))


if __name__ == "__main__":
    main()
