"""Ten thousand batches in one account cost a call what a hundred do."""

from __future__ import annotations

import time

import httpx2

from litebatch_asgi.simulator import Account

MANY, FEW = 10_000, 100


async def cheapest(http: httpx2.AsyncClient, path: str) -> float:
    """Processor seconds of a call, of the cheapest of many: whatever else the machine does, it is in none."""
    seconds: list[float] = []
    for _ in range(30):
        began = time.process_time()
        (await http.get(path)).raise_for_status()
        seconds.append(time.process_time() - began)
    return min(seconds)


async def test_a_page_costs_the_same_however_many_there_are(
    http: httpx2.AsyncClient, account: Account
) -> None:
    account.add_foreign_batches(FEW)
    few = await cheapest(http, f"/batches?limit={FEW}")
    account.add_foreign_batches(MANY - FEW)
    middle = list(account.batches)[MANY // 2]
    for path in (f"/batches?limit={FEW}", f"/batches?limit={FEW}&after={middle}", f"/batches/{middle}"):
        assert await cheapest(http, path) < 1.5 * few
