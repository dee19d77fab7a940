"""Jobs that are to be stopped and whose providers do not end them: none runs beside them, and all ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.simulator import Course, Fault, SimulatorSettings
from tests.database import Database
from tests.harness import HASTY, running_gateway
from tests.rescue.hours import UNHURRIED, Hours
from tests.rescue.stage import RUNNING, SETTINGS, begun, each_once, first_runs, sizes

LATE = replace(SETTINGS, max_poll_seconds=UNHURRIED, provider_timeout_seconds=HASTY.provider_timeout_seconds)
UNWILLING: dict[str, tuple[Fault, ...]] = {
    "not answered": (Fault(call="cancel_batch", drop=True, times=None),),
    "refused": (Fault(call="cancel_batch", status=400, times=None),),
    "not known": (Fault(call="cancel_batch", status=404, times=None),),
    "cancelling": (Fault(call="finish_cancel", stall=True, times=None),),
}
WAYS = [
    pytest.param(how, marks=pytest.mark.long if how == "not answered" else ()) for how in UNWILLING
]  # each call that is not answered is tried several times


@pytest.mark.parametrize("how", WAYS)
async def test_a_stop_is_asked_for_until_the_provider_ends_the_job(
    tmp_path: Path, database: Database, how: str
) -> None:
    hours = Hours()
    simulator = hours.simulator(RUNNING)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=LATE, clock=hours.now
    ) as gateway:
        first_runs(gateway, Course(stuck_at=0.6))
        faults = [simulator.add_fault(fault) for fault in UNWILLING[how]]
        batch = await begun(gateway, 10)
        await gateway.reached(batch.id, "in_progress")
        await hours.passed(gateway, 20.1)
        await simulator.until(lambda: all(fault.struck for fault in faults))
        await hours.passed(gateway, 0.1)
        assert (await gateway.client().batches.retrieve(batch.id)).status == "in_progress"
        assert await sizes(simulator) == [10]
        for fault in faults:
            simulator.remove_fault(fault)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [10, 4]


@pytest.mark.parametrize("how", WAYS)
async def test_a_job_that_its_provider_never_ends_is_given_up(
    tmp_path: Path, database: Database, how: str
) -> None:
    """A day after the batch's time is over. Its lines come out as expired, whatever has become of them."""
    hours = Hours()
    simulator = hours.simulator(replace(RUNNING, window_seconds=30 * 86_400))
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=LATE, clock=hours.now
    ) as gateway:
        first_runs(gateway, Course(stuck_at=0.6))
        faults = [simulator.add_fault(fault) for fault in UNWILLING[how]]
        batch = await begun(gateway, 10)
        await gateway.reached(batch.id, "in_progress")
        await hours.passed(gateway, 20.1)
        await simulator.until(lambda: all(fault.struck for fault in faults))
        hours.skip(simulator, 27.7)
        await hours.passed(gateway, 0.1)
        assert (await gateway.client().batches.retrieve(batch.id)).status == "in_progress"
        hours.skip(simulator, 0.2)
        ended = await gateway.ended(batch.id)
        assert ended.status == "expired"
        assert await each_once(gateway, ended, 10) == {"batch_expired": 10}
        assert await sizes(simulator) == [10]


@pytest.mark.parametrize("way", ["settings", "option"])
async def test_a_job_that_no_provider_ends_is_stopped_at_expiry(
    tmp_path: Path, database: Database, way: str
) -> None:
    """Azure's batches run on for as long as they like."""
    hours = Hours()
    azure = SimulatorSettings(flavour="azure", pending_seconds=0, validating_seconds=0, finalizing_seconds=0)
    simulator = hours.simulator(azure)
    settings = replace(LATE, rescue=False, at_expiry="stop" if way == "settings" else "wait")
    options: dict[str, Any] = {} if way == "settings" else {"at_expiry": "stop"}
    async with running_gateway(
        tmp_path,
        database=database,
        simulator=simulator,
        settings=settings,
        clock=hours.now,
        flavour="azure v1",
    ) as gateway:
        first_runs(gateway, Course(stuck_at=0.6))
        batch = await begun(gateway, 10, extra_body={"litebatch": options})
        await gateway.reached(batch.id, "in_progress")
        await hours.passed(gateway, 23.9)
        assert await database.rows("SELECT 1 FROM jobs WHERE stop_requested_at IS NOT NULL") == []
        hours.skip(simulator, 0.2)
        ended = await gateway.ended(batch.id)
        assert ended.status == "expired"
        assert await each_once(gateway, ended, 10) == {"batch_expired": 4}


async def test_a_job_that_no_provider_ends_is_waited_for_where_nothing_else_is_said(
    tmp_path: Path, database: Database
) -> None:
    hours = Hours()
    azure = SimulatorSettings(flavour="azure", pending_seconds=0, validating_seconds=0, finalizing_seconds=0)
    simulator = hours.simulator(azure)
    settings = replace(LATE, rescue=False)
    async with running_gateway(
        tmp_path,
        database=database,
        simulator=simulator,
        settings=settings,
        clock=hours.now,
        flavour="azure v1",
    ) as gateway:
        armed = first_runs(gateway, Course(stuck_at=0.6))
        batch = await begun(gateway, 10)
        await gateway.reached(batch.id, "in_progress")
        await hours.passed(gateway, 30)
        assert (await gateway.client().batches.retrieve(batch.id)).status == "in_progress"
        simulator.remove_fault(armed)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [10]


async def test_a_deployment_that_is_dead_while_its_job_runs_is_waited_for(
    tmp_path: Path, database: Database
) -> None:
    hours = Hours()
    simulator = hours.simulator(RUNNING)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=LATE, clock=hours.now
    ) as gateway:
        armed = first_runs(gateway, Course(stuck_at=0.6))
        batch = await begun(gateway, 10)
        await gateway.reached(batch.id, "in_progress")
        [job] = await simulator.jobs()
        await hours.passed(gateway, 19.9)
        dead = simulator.add_fault(Fault(account=job.account, status=503, times=None))
        hours.skip(simulator, 2)
        await simulator.until(lambda: dead.struck > 6)
        assert (await gateway.client().batches.retrieve(batch.id)).status == "in_progress"
        assert await sizes(simulator) == [10]
        simulator.remove_fault(dead)
        simulator.remove_fault(armed)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [10]


async def test_the_lines_of_a_deployment_that_stays_dead_come_out_in_the_end(
    tmp_path: Path, database: Database
) -> None:
    hours = Hours()
    simulator = hours.simulator(RUNNING)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=LATE, clock=hours.now
    ) as gateway:
        first_runs(gateway, Course(stuck_at=0.6))
        batch = await begun(gateway, 10)
        await gateway.reached(batch.id, "in_progress")
        [job] = await simulator.jobs()
        dead = simulator.add_fault(Fault(account=job.account, drop=True, times=None))
        hours.skip(simulator, 47.9)
        await simulator.until(lambda: dead.struck > 6)
        assert (await gateway.client().batches.retrieve(batch.id)).status == "in_progress"
        hours.skip(simulator, 0.2)
        ended = await gateway.ended(batch.id)
        assert ended.status == "expired"
        assert await each_once(gateway, ended, 10) == {"batch_expired": 10}
        assert await sizes(simulator) == [10]
