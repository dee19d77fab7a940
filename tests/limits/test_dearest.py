"""What a batch is estimated at where its deployments have several prices."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import AboveBudget
from litebatch_asgi.simulator import Fault, Simulator
from tests.database import Database
from tests.harness import QUICK, SWIFT, UPSTREAM, lines, running_gateway
from tests.limits.callers import create, upload
from tests.limits.test_budgets import HELD, budget, held


def price_file(folder: Path, **dollars_for_500: str) -> str:
    """A file of prices of what the deployments call the model."""
    entries = {
        f"openai/{UPSTREAM[name]}": {
            "input_cost_per_token_batches": 0,
            "output_cost_per_token_batches": float(Decimal(amount) / 500),
        }
        for name, amount in dollars_for_500.items()
    }
    path = folder / "prices.json"
    path.write_text(json.dumps(entries))
    return str(path)


async def test_the_dearest_deployment_that_may_get_it_counts(tmp_path: Path, database: Database) -> None:
    """Where it has no copy one is brought there, once no other one takes the batch."""
    settings = replace(QUICK, prices=price_file(tmp_path, east="5", west="1"))
    simulator = Simulator(settings=HELD)
    async with running_gateway(
        tmp_path, database=database, settings=settings, simulator=simulator, names=("west",)
    ) as gateway:
        in_the_west = await upload(gateway, budget(10))
    async with running_gateway(
        tmp_path, database=database, settings=settings, simulator=simulator
    ) as gateway:
        for file in (in_the_west, await upload(gateway, budget(10))):
            with pytest.raises(AboveBudget, match="15 estimated"):
                await create(gateway, budget(10), file)
        await create(gateway, budget(15), in_the_west)
        assert await held(database) == [("team:search", Decimal(15))]


async def test_so_it_does_where_no_shard_has_a_copy_there_yet(tmp_path: Path, database: Database) -> None:
    settings = replace(QUICK, prices=price_file(tmp_path, east="5", west="1"), copies_per_shard=1)
    names, simulator = ("west", "north", "east"), Simulator(settings=SWIFT)
    for name in ("west", "north"):
        simulator.account(name).add_fault(Fault(call="create_batch", status=429, times=None))
    async with running_gateway(
        tmp_path,
        database=database,
        settings=settings,
        simulator=simulator,
        names=names,
        max_job_requests=2,
    ) as gateway:
        file = await upload(gateway, budget(10), lines(4))
        where = await database.rows("SELECT deployment_id FROM file_copies ORDER BY shard")
        assert where == [("west",), ("north",)]
        with pytest.raises(AboveBudget, match="20 estimated"):
            await create(gateway, budget(10), file)
        batch = await create(gateway, budget(20), file)
        assert (await gateway.ended(batch.id)).status == "completed"
        assert len(simulator.account("east").batches) == 2


async def test_a_deployment_that_cannot_take_it_does_not_count(tmp_path: Path, database: Database) -> None:
    settings = replace(QUICK, prices=price_file(tmp_path, east="5", west="1"))
    simulator = Simulator(settings=HELD)
    simulator.account("east").add_fault(Fault(call="upload_file", status=400, times=None))
    async with running_gateway(
        tmp_path, database=database, settings=settings, simulator=simulator
    ) as gateway:
        file = await upload(gateway, budget(10))

        async def is_refused_by_the_east() -> bool:
            where = "deployment_id = 'east' AND state = 'failed'"
            return bool(await database.rows(f"SELECT 1 FROM file_copies WHERE {where}"))

        await gateway.eventually(is_refused_by_the_east)
        await create(gateway, budget(10), file)
        assert await held(database) == [("team:search", Decimal(3))]
