"""Several on one account, and several processes on one database."""

from __future__ import annotations

from pathlib import Path

import anyio

from litebatch_asgi.simulator import Fault, Simulator
from tests.database import Database
from tests.faults.journey import travel
from tests.faults.promises import broken
from tests.faults.stage import HELD, gateway_on
from tests.faults.strangers import settle_strangers
from tests.faults.world import RUN, world_of
from tests.faults.zombies import (
    settlement_of_a_zombie,
    upload_of_a_zombie,
    upload_of_a_zombie_half_taken_over,
    upload_of_a_zombie_with_a_late_original,
)
from tests.harness import UPSTREAM

FAULTS = (
    Fault(call="upload_file", when="after", drop=True, times=2),
    Fault(call="create_batch", when="after", drop=True, times=3),
    Fault(call="list_files", hide_newest=1, times=3),
    Fault(call="list_batches", hide_newest=2, times=3),
    Fault(call="cancel_batch", when="after", status=502),
    Fault(call="delete_file", status=503, times=4),
)


async def test_two_installations_on_the_same_accounts_leave_each_other_alone(tmp_path: Path) -> None:
    simulator = Simulator(settings=HELD)
    async with simulator.running() as provider:
        for name in UPSTREAM:
            await settle_strangers(simulator.account(name), provider)
        folders = [tmp_path / "staging", tmp_path / "production"]
        async with (
            gateway_on(simulator, provider, folders[0]) as staging,
            gateway_on(simulator, provider, folders[1]) as production,
        ):
            gateways = (staging, production)
            worlds = [await world_of(gateway, provider) for gateway in gateways]
            for fault in FAULTS:
                simulator.add_fault(fault)
            async with anyio.create_task_group() as group:
                for world in worlds:
                    group.start_soon(travel, world)
            assert [await broken(world) for world in worlds] == [[], []]
            await worlds[0].delete(next(iter(worlds[0].files)), RUN)
            assert [await broken(world) for world in worlds] == [[], []]


async def test_an_upload_that_was_taken_over_leaves_nothing_behind(
    tmp_path: Path, database: Database
) -> None:
    assert await upload_of_a_zombie(tmp_path, database) == []


async def test_an_upload_that_was_half_taken_over_is_to_be_tried_again(
    tmp_path: Path, database: Database
) -> None:
    """It was answered by 404, for there was no file yet that anybody could see."""
    assert await upload_of_a_zombie_half_taken_over(tmp_path, database) == []


async def test_an_upload_whose_original_came_too_late_is_to_be_tried_again(
    tmp_path: Path, database: Database
) -> None:
    """It was answered by 500, with the file in other hands."""
    assert await upload_of_a_zombie_with_a_late_original(tmp_path, database) == []


async def test_a_job_that_was_taken_over_is_settled_once(tmp_path: Path, database: Database) -> None:
    """Source: llm-d/llm-d-batch-gateway#653, a zombie whose lease ran out goes on writing."""
    assert await settlement_of_a_zombie(tmp_path, database) == []
