"""A soft budget that one of several batches passes, while settling fails now and then."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import anyio

from litebatch_asgi.failpoints import armed
from tests.harness import running_gateway
from tests.limits.callers import caller, create, upload
from tests.limits.test_budgets import A_DOLLAR, dollars


async def soft_budget_passed(folder: Path) -> list[str]:
    """What came out wrong of telling it once."""
    await anyio.Path(folder).mkdir(exist_ok=True)
    team = caller(soft_budget=Decimal(2), budget_duration="7d")
    async with running_gateway(folder, prices=A_DOLLAR) as gateway:
        file = await upload(gateway, team, dollars("1", "0.5"))
        with armed("settle.before=raise,settle.stored=2*raise"):
            batches = [await create(gateway, team, file) for _ in range(4)]
            for batch in batches:
                await gateway.ended(batch.id)
        events = await gateway.storage.outbox.events("team:search", limit=9)
    told = [(event.type, event.payload["spent"]) for event in events]
    return [] if told == [("budget.soft", "3")] else [f"told: {told}"]
