"""Pages of batches and of files from 1,000,000, with and without filters, beside the same from 1,000."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from starlette.requests import HTTPConnection

from benchmarks import _report, _seed_files
from benchmarks._content import VIRTUAL_MODEL
from benchmarks._processes import scratch
from benchmarks._seed import OWNER, batch_id, seed
from benchmarks._seed_files import OTHER_MODEL, OTHER_PURPOSE
from litebatch_asgi import Deployment, LiteBatch, Page, Principal
from tests.postgres import Server, own_server

FEW, MANY = 1000, 1_000_000
PAGE = 100
BAR = 2.0
CALLER = Principal(owner=OWNER)
ADMIN = Principal(owner="admin", is_admin=True)

Ask = Callable[[LiteBatch, str], Awaitable[Page[Any]]]
"""Asks for a page; the id is that of the batch in the middle."""

BATCHES: dict[str, Ask] = {
    "newest of an owner": lambda lb, _: lb.batches.list(CALLER, limit=PAGE),
    "from the middle": lambda lb, middle: lb.batches.list(CALLER, limit=PAGE, after=middle),
    "newest of a model": lambda lb, _: lb.batches.list(
        CALLER, limit=PAGE, target_model_names=[VIRTUAL_MODEL]
    ),
    "newest of everybody, to an admin": lambda lb, _: lb.batches.list(ADMIN, limit=PAGE),
}


def files(principal: Principal, **filters: Any) -> Ask:
    """Asks for a page of files."""
    return lambda lb, _: lb.files.list(principal, limit=PAGE, **filters)


FILES: dict[str, Ask] = {
    "of an owner": files(CALLER),
    "of an owner, oldest first": files(CALLER, order="asc"),
    "of a purpose": files(CALLER, purpose=OTHER_PURPOSE),
    "of a model": files(CALLER, target_model_names=[OTHER_MODEL]),
    "of two models": files(CALLER, target_model_names=[OTHER_MODEL, VIRTUAL_MODEL]),
    "of a model and purpose": files(CALLER, target_model_names=[OTHER_MODEL], purpose=OTHER_PURPOSE),
    "of everybody": files(ADMIN),
    "of everybody's, a purpose": files(ADMIN, purpose=OTHER_PURPOSE),
    "of everybody's, a model": files(ADMIN, target_model_names=[OTHER_MODEL]),
    "of everybody's, two models": files(ADMIN, target_model_names=[OTHER_MODEL, VIRTUAL_MODEL]),
    "of everybody's, a model and purpose": files(
        ADMIN, target_model_names=[OTHER_MODEL], purpose=OTHER_PURPOSE
    ),
}


async def nobody(_: HTTPConnection, /) -> Principal | None:
    """Nothing is asked for over HTTP here."""
    return None


def litebatch_on(database: str) -> LiteBatch:
    """A LiteBatch with one deployment that is never called."""
    deployment = Deployment(model_name=VIRTUAL_MODEL, model="openai/gpt-4o-mini", api_key="none")
    return LiteBatch(deployments=[deployment], storage=database, authenticator=nobody, reconciler=False)


async def milliseconds(ask: Ask, litebatch: LiteBatch, middle: str) -> float:
    """How long one page takes."""
    began = time.perf_counter()
    page = await ask(litebatch, middle)
    took = 1000 * (time.perf_counter() - began)
    if len(page.items) != PAGE or not page.has_more:
        raise RuntimeError(f"{len(page.items)} came")
    return took


async def compare(what: str, pages: Mapping[str, Ask], few: LiteBatch, many: LiteBatch, rounds: int) -> float:
    """Show each kind of page, asked for in turn; the worst ratio."""
    worst = 0.0
    async with few.lifespan(), many.lifespan():
        for name, ask in pages.items():
            from_few: list[float] = []
            from_many: list[float] = []
            for _ in range(rounds):
                from_few.append(await milliseconds(ask, few, batch_id(FEW // 2)))
                from_many.append(await milliseconds(ask, many, batch_id(MANY // 2)))
            ratio = median(from_many) / median(from_few)
            worst = max(worst, ratio)
            told = f"{median(from_few):.2f} and {median(from_many):.2f} ms, {ratio:.2f} times"
            _report.show(f"{what} {name}: {FEW:,} and {MANY:,}", told)
    return worst


async def run(folder: Path, server: Server, rounds: int) -> None:
    urls: dict[int, dict[str, str]] = {}
    for count in (FEW, MANY):
        began = time.perf_counter()
        batches = folder / f"batches_{count}.db"
        await seed(batches, count)
        urls[count] = {
            "batches": f"sqlite:///{batches}",
            "files, SQLite,": await _seed_files.seed_sqlite(folder / f"files_{count}.db", count),
            "files, PostgreSQL,": await _seed_files.seed_postgres(server, count),
        }
        _report.show(f"{count:,} batches, and files twice, written", f"{time.perf_counter() - began:.1f} s")
    for what in urls[FEW]:
        pages = BATCHES if what == "batches" else FILES
        few, many = (litebatch_on(urls[count][what]) for count in (FEW, MANY))
        worst = await compare(what, pages, few, many, rounds)
        _report.at_most(f"{what} page of {PAGE} from {MANY:,}, the slowest", worst, BAR, "times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="20 rounds")
    options = parser.parse_args()
    with scratch() as folder:
        folder.chmod(0o755)
        with own_server(folder) as server:
            asyncio.run(run(folder, server, 20 if options.quick else options.rounds))


if __name__ == "__main__":
    main()
