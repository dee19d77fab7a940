"""Budgets of batches that are through in part: what is charged is held no more, and all other lines are."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.simulator import Course, Fault, Simulator
from tests.database import Database
from tests.harness import running_gateway
from tests.limits.callers import create, upload
from tests.limits.test_budgets import A_DOLLAR, budget, dollars, held, spent
from tests.rescue.stage import RUNNING, SETTINGS, first_runs

PARTS: dict[str, tuple[dict[str, Any], Course | None]] = {
    "what a job has left undone": ({}, Course(ends_at=0.5)),
    "one of two tiles": ({"max_job_requests": 3}, None),
}
"""how the gateway is made, and the course of the first job"""


@pytest.mark.parametrize("rest", PARTS)
async def test_a_part_that_runs_on_holds_its_share(tmp_path: Path, database: Database, rest: str) -> None:
    """Of six requests three are through."""
    options, course = PARTS[rest]
    simulator, team = Simulator(settings=RUNNING), budget(10)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS, prices=A_DOLLAR, **options
    ) as gateway:
        if course is not None:
            first_runs(gateway, course)
        stuck = Fault(call="start_batch", times=None, course=Course(stuck_at=0.0))
        others = simulator.add_fault(replace(stuck, skip=1 if course is None else 0))
        batch = await create(gateway, team, await upload(gateway, team, dollars(*["0.5"] * 6)))

        async def is_charged() -> bool:
            return bool(await spent(database))

        await gateway.eventually(is_charged)
        assert await spent(database) == {"team:search": Decimal("1.5")}
        assert await held(database) == [("team:search", Decimal(3))]
        await simulator.until(lambda: others.struck > 0)
        await gateway.client().batches.cancel(batch.id)
        assert (await gateway.ended(batch.id)).status == "cancelled"
        assert await held(database) == []
        assert await spent(database) == {"team:search": Decimal("1.5")}
