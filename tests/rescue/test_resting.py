"""A deployment that rests for a moment is one that can take lines all the same."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from litebatch_asgi.simulator import Course, Fault, Simulator
from tests.database import Database
from tests.harness import running_gateway
from tests.journey.test_derived_copies import runtime_of
from tests.rescue.stage import RUNNING, SETTINGS, begun, each_once, first_runs, sizes


async def test_lines_are_handed_on_although_the_other_deployment_rests(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=RUNNING)
    settings = replace(SETTINGS, max_poll_seconds=1.0)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=settings
    ) as gateway:
        first_runs(gateway, Course(ends_at=0.6, ends_as="cancelled"))
        batch = await begun(gateway, 10)
        (at,) = [name for name, account in simulator.accounts.items() if account.batches]
        (other,) = {"east", "west"} - {at}
        runtime_of(gateway).fleet.cool_down(other, 1.5)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [10, 4]


async def test_lines_that_one_deployment_cannot_take_wait_for_one_that_rests(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=RUNNING)
    names = ("east", "west", "north")
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS, names=names
    ) as gateway:
        first_runs(gateway, Course(ends_at=0.6, ends_as="expired"))
        refused = simulator.add_fault(Fault(call="upload_file", skip=len(names), status=400))
        batch = await begun(gateway, 10)
        (at,) = [name for name, account in simulator.accounts.items() if account.batches]
        runtime_of(gateway).fleet.cool_down(sorted({*names} - {at})[0], 1.5)
        ended = await gateway.ended(batch.id)
        assert refused.struck == 1
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [10, 4]
