"""What a provider leaves undone runs at another deployment, and what it has done stays done."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from litebatch_asgi.models import Principal
from litebatch_asgi.simulator import Course, Fault, Simulator
from tests.database import Database
from tests.harness import ids_of, running_gateway
from tests.rescue.stage import RUNNING, SETTINGS, begun, each_once, first_runs, sizes


@pytest.mark.parametrize("left", ["whole", "partial"])
@pytest.mark.parametrize("ends_as", ["expired", "failed", "cancelled"])
async def test_a_job_that_ends_after_a_part_hands_the_rest_on(
    tmp_path: Path,
    database: Database,
    ends_as: Literal["expired", "failed", "cancelled"],
    left: Literal["whole", "partial"],
) -> None:
    simulator = Simulator(settings=RUNNING)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS
    ) as gateway:
        first_runs(gateway, Course(ends_at=0.6, ends_as=ends_as, cut_short_results=left))
        batch = await begun(gateway, 10)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert ended.error_file_id is None
        assert await sizes(simulator) == [10, 4]
        jobs = await gateway.litebatch.batches.jobs(Principal(owner=gateway.caller), batch.id)
        assert [(job.root, job.shard == job.root) for job in jobs] == [(0, True), (0, False)]


async def test_results_that_are_thrown_away_are_waited_for_and_then_run_anew(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=RUNNING)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS
    ) as gateway:
        first_runs(gateway, Course(ends_at=0.6, ends_as="expired", cut_short_results="none"))
        ended = await gateway.ended((await begun(gateway, 10)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [10, 10]


async def test_nothing_is_handed_on_where_that_is_switched_off(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=RUNNING)
    settings = replace(SETTINGS, rescue=False)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=settings
    ) as gateway:
        first_runs(gateway, Course(ends_at=0.6, ends_as="expired"))
        ended = await gateway.ended((await begun(gateway, 10)).id)
        assert ended.status == "expired"
        assert await each_once(gateway, ended, 10) == {"batch_expired": 4}


async def test_after_three_rescues_the_rest_comes_out_as_error_rows(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=RUNNING)
    names = ("east", "west", "north", "south", "middle")
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS, names=names
    ) as gateway:
        first_runs(gateway, Course(ends_at=0.5, ends_as="expired"), times=None)
        ended = await gateway.ended((await begun(gateway, 16)).id)
        assert ended.status == "expired"
        assert await each_once(gateway, ended, 16) == {"batch_expired": 1}
        assert await sizes(simulator) == [16, 8, 4, 2]
        assert len({job.account for job in await simulator.jobs()}) == 4


async def test_what_a_job_has_done_that_was_found_and_then_cancelled_stays_done(
    tmp_path: Path, database: Database
) -> None:
    """Its create had no answer, and its provider has cancelled it before it was found."""
    simulator = Simulator(settings=RUNNING)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS
    ) as gateway:
        first_runs(gateway, Course(ends_at=0.6, ends_as="cancelled"))
        simulator.add_fault(Fault(call="create_batch", when="after", drop=True))
        ended = await gateway.ended((await begun(gateway, 10)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [10, 4]


async def test_the_rest_waits_for_a_deployment_that_has_no_room_for_now(
    tmp_path: Path, database: Database
) -> None:
    """The only other one has just turned another batch away when the job ends."""
    simulator = Simulator(settings=replace(RUNNING, hold=frozenset({"in_progress"})))
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS
    ) as gateway:
        first_runs(gateway, Course(ends_at=0.6, ends_as="expired"))
        batch = await begun(gateway, 10)
        await gateway.reached(batch.id, "in_progress")
        (full,) = [account for account in simulator.accounts.values() if not account.batches]
        busy = Fault(call="create_batch", status=429, headers={"retry-after": "2"})
        turned_away = full.add_fault(busy)
        await begun(gateway, 3)
        await simulator.until(lambda: turned_away.struck == 1)
        for account in simulator.accounts.values():
            account.configure(hold=frozenset())
        ended = await gateway.ended(batch.id)
        assert (ended.status, ended.error_file_id) == ("completed", None)
        assert len(ids_of(await gateway.content(ended.output_file_id))) == 10


@pytest.mark.parametrize(
    ("ends_at", "lost", "jobs"), [(0.6, {"batch_cancelled": 4}, [10]), (0, {}, [10, 10])]
)
async def test_without_rescue_only_what_has_done_nothing_runs_anew(
    tmp_path: Path, database: Database, ends_at: float, lost: dict[str, int], jobs: list[int]
) -> None:
    """The same. A history that is lost with a restore may have cancelled what has done nothing."""
    simulator = Simulator(settings=RUNNING)
    settings = replace(SETTINGS, rescue=False)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=settings
    ) as gateway:
        first_runs(gateway, Course(ends_at=ends_at, ends_as="cancelled"))
        simulator.add_fault(Fault(call="create_batch", when="after", drop=True))
        ended = await gateway.ended((await begun(gateway, 10)).id)
        assert await each_once(gateway, ended, 10) == lost
        assert await sizes(simulator) == jobs
