"""Spend over 1,000,000 charges of a year, and over 216,000 sums of 90 days, on SQLite and PostgreSQL."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks import _report, _seed_charges, _seed_sums
from benchmarks._content import VIRTUAL_MODEL
from benchmarks._processes import scratch
from litebatch_asgi import Deployment, LiteBatch, Principal
from litebatch_asgi.models import SpendPage
from tests.postgres import Server, own_server

BAR = 50.0
ADMIN = Principal(owner="admin", is_admin=True)
_END = _seed_charges.END
YEAR: dict[str, Any] = {"start_date": _END - timedelta(days=_seed_charges.DAYS - 1), "end_date": _END}
MONTH: dict[str, Any] = {"start_date": _END - timedelta(days=29), "end_date": _END}
QUARTER: dict[str, Any] = {"start_date": _seed_sums.BEGIN, "end_date": _seed_sums.END}
LAST_MONTH: dict[str, Any] = {"start_date": _seed_sums.END - timedelta(days=29), "end_date": _seed_sums.END}

Ask = Callable[[LiteBatch], Awaitable[SpendPage]]


def asking(*group_by: str, principal: Principal = ADMIN, **asked: Any) -> Ask:
    """Asks for what was spent."""
    return lambda lb: lb.spend(principal, group_by=group_by or ("day",), **asked)


OF_CHARGES: Mapping[str, Ask] = {
    "a year by day": asking(**YEAR),
    "a month by day": asking(**MONTH),
    "a month by day and model": asking("day", "model", **MONTH),
    "an owner's year by day": asking(principal=Principal(owner=_seed_charges.owner(3)), **YEAR),
}
OF_SUMS: Mapping[str, Ask] = {
    "90 days by day": asking(**QUARTER),
    "30 days by day and model": asking("day", "model", **LAST_MONTH),
    "90 days by day and model": asking("day", "model", **QUARTER),
    "90 days by owner": asking("owner", **QUARTER),
    "90 days by key": asking("key", **QUARTER),
    "an owner's 90 days by day and model": asking("day", "model", owner=_seed_sums.OWNER, **QUARTER),
    "a key's 90 days by day and model": asking("day", "model", key=_seed_sums.KEY, **QUARTER),
    "a model's 90 days by owner": asking("owner", model=_seed_sums.MODEL, **QUARTER),
    "a deployment's 90 days by model": asking("model", deployment=_seed_sums.DEPLOYMENT, **QUARTER),
}
WITHOUT_BAR: Mapping[str, Ask] = {
    "90 days by day and owner, 3,600 rows": asking("day", "owner", **QUARTER),
    "a model's 90 days by key": asking("key", model=_seed_sums.MODEL, **QUARTER),
    "90 days by key and model": asking("key", "model", **QUARTER),
}
"""what is long itself, or is in no rollup"""


async def milliseconds(ask: Ask, litebatch: LiteBatch) -> float:
    """How long one answer takes."""
    began = time.perf_counter()
    page = await ask(litebatch)
    took = 1000 * (time.perf_counter() - began)
    if not page.items or page.total.requests == 0:
        raise RuntimeError("nothing was spent")
    return took


async def measure(what: str, url: str, asked: Mapping[str, Ask], rounds: int) -> None:
    """Show each question, and the one that takes the longest."""
    deployment = Deployment(model_name=VIRTUAL_MODEL, model="openai/gpt-4o-mini", api_key="none")
    litebatch = LiteBatch(deployments=[deployment], storage=url, reconciler=False)
    async with litebatch.lifespan():
        with _report.medians(f"{what}: the slowest", BAR) as medians:
            for name, ask in asked.items():
                took = [await milliseconds(ask, litebatch) for _ in range(rounds)]
                medians.add(name, took, has_bar=name not in WITHOUT_BAR)


async def run(folder: Path, server: Server, rounds: int) -> None:
    for seeded, asked in ((_seed_charges, OF_CHARGES), (_seed_sums, {**OF_SUMS, **WITHOUT_BAR})):
        began = time.perf_counter()
        urls = {
            "SQLite": await seeded.seed_sqlite(folder / f"{seeded.__name__}.db"),
            "PostgreSQL": await seeded.seed_postgres(server),
        }
        _report.show(f"{seeded.COUNT:,} {seeded.WHAT} written, twice", f"{time.perf_counter() - began:.1f} s")
        for what, url in urls.items():
            await measure(what, url, asked, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--quick", action="store_true", help="5 rounds")
    options = parser.parse_args()
    with scratch() as folder:
        folder.chmod(0o755)
        with own_server(folder) as server:
            asyncio.run(run(folder, server, 5 if options.quick else options.rounds))


if __name__ == "__main__":
    main()
