"""A page of batches from 1,000,000, beside the same from 1,000."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from starlette.requests import HTTPConnection

from benchmarks import _report
from benchmarks._content import VIRTUAL_MODEL
from benchmarks._processes import scratch
from benchmarks._seed import OWNER, batch_id, seed
from litebatch_asgi import Deployment, LiteBatch, Page, Principal
from litebatch_asgi.models import Batch

FEW, MANY = 1000, 1_000_000
PAGE = 100
BAR = 2.0
CALLER = Principal(owner=OWNER)
ADMIN = Principal(owner="admin", is_admin=True)

Ask = Callable[[LiteBatch, str], Awaitable[Page[Batch]]]
"""Asks for a page; the id is that of the batch in the middle."""

PAGES: dict[str, Ask] = {
    "newest of an owner": lambda lb, _: lb.batches.list(CALLER, limit=PAGE),
    "from the middle": lambda lb, middle: lb.batches.list(CALLER, limit=PAGE, after=middle),
    "newest of a model": lambda lb, _: lb.batches.list(
        CALLER, limit=PAGE, target_model_names=[VIRTUAL_MODEL]
    ),
    "newest of everybody, to an admin": lambda lb, _: lb.batches.list(ADMIN, limit=PAGE),
}


async def nobody(_: HTTPConnection, /) -> Principal | None:
    """Nothing is asked for over HTTP here."""
    return None


def litebatch_on(database: Path) -> LiteBatch:
    """A LiteBatch with one deployment that is never called."""
    deployment = Deployment(model_name=VIRTUAL_MODEL, model="openai/gpt-4o-mini", api_key="none")
    return LiteBatch(deployments=[deployment], storage=f"sqlite:///{database}", authenticator=nobody)


async def milliseconds(ask: Ask, litebatch: LiteBatch, middle: str) -> float:
    """How long one page takes."""
    began = time.perf_counter()
    page = await ask(litebatch, middle)
    took = 1000 * (time.perf_counter() - began)
    if len(page.items) != PAGE or not page.has_more:
        raise RuntimeError(f"{len(page.items)} batches came")
    return took


async def compare(few: LiteBatch, many: LiteBatch, rounds: int) -> None:
    """Show each kind of page, asked for in turn."""
    worst = 0.0
    async with few.lifespan(), many.lifespan():
        for name, ask in PAGES.items():
            from_few: list[float] = []
            from_many: list[float] = []
            for _ in range(rounds):
                from_few.append(await milliseconds(ask, few, batch_id(FEW // 2)))
                from_many.append(await milliseconds(ask, many, batch_id(MANY // 2)))
            ratio = median(from_many) / median(from_few)
            worst = max(worst, ratio)
            told = f"{median(from_few):.2f} and {median(from_many):.2f} ms, {ratio:.2f} times"
            _report.show(f"{name}: {FEW:,} and {MANY:,}", told)
    _report.at_most(f"page of {PAGE} from {MANY:,}, the slowest", worst, BAR, "times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    with scratch() as folder:
        few, many = folder / "few.db", folder / "many.db"
        for database, count in ((few, FEW), (many, MANY)):
            began = time.perf_counter()
            asyncio.run(seed(database, count))
            _report.show(f"{count:,} batches written", f"{time.perf_counter() - began:.1f} s")
        asyncio.run(compare(litebatch_on(few), litebatch_on(many), options.rounds))


if __name__ == "__main__":
    main()
