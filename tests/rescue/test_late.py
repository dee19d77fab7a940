"""Jobs that would not be through in time are stopped four hours before the end, and no others."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.models import Deployment
from litebatch_asgi.simulator import Course, Simulator
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import InProcess, lines, running_gateway
from tests.rescue.hours import UNHURRIED, Hours
from tests.rescue.stage import RUNNING, SETTINGS, begun, each_once, first_runs, sizes
from tests.translated.deployed import ANTHROPIC, OPENAI, deployment_of

LATE = replace(SETTINGS, max_poll_seconds=UNHURRIED)
IN_TWENTY_HOURS = 1 / (20 * 3600)


def gateway_at(
    hours: Hours, folder: Path, database: Database, simulator: Simulator, **options: Any
) -> AbstractAsyncContextManager[InProcess]:
    """One that goes by this clock."""
    return running_gateway(
        folder, database=database, simulator=simulator, settings=LATE, clock=hours.now, **options
    )


async def test_one_that_has_done_nothing_is_stopped_four_hours_before_the_end(
    tmp_path: Path, database: Database
) -> None:
    hours = Hours()
    simulator = hours.simulator(RUNNING)
    async with gateway_at(hours, tmp_path, database, simulator) as gateway:
        first_runs(gateway, Course(stuck_at=0.0))
        batch = await begun(gateway, 10)
        await gateway.reached(batch.id, "in_progress")
        await hours.passed(gateway, 19.9)
        assert await database.rows("SELECT 1 FROM jobs WHERE stop_requested_at IS NOT NULL") == []
        hours.skip(simulator, 0.2)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [10, 10]
        assert {job.status for job in await simulator.jobs()} == {"cancelled", "completed"}
        assert await database.rows("SELECT stop_reason FROM jobs WHERE attempt = 1 AND shard = 0") == [
            ("late",)
        ]


async def test_one_that_has_almost_done_is_left_alone(tmp_path: Path, database: Database) -> None:
    hours = Hours()
    simulator = hours.simulator(RUNNING)
    async with gateway_at(hours, tmp_path, database, simulator) as gateway:
        first_runs(gateway, Course(share_per_second=0.99 * IN_TWENTY_HOURS))
        batch = await begun(gateway, 100)
        await gateway.reached(batch.id, "in_progress")
        await hours.passed(gateway, 20.05)
        counts = (await gateway.client().batches.retrieve(batch.id)).request_counts
        assert counts is not None
        assert counts.completed == 99
        for _ in range(5):  # a look that is under way has an old count, which is not to be much older
            await hours.passed(gateway, 0.2)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 100) == {}
        assert await sizes(simulator) == [100]


async def test_one_whose_pace_is_too_slow_is_stopped_with_what_it_has_done(
    tmp_path: Path, database: Database
) -> None:
    hours = Hours()
    simulator = hours.simulator(RUNNING)
    async with gateway_at(hours, tmp_path, database, simulator) as gateway:
        first_runs(gateway, Course(share_per_second=0.505 * IN_TWENTY_HOURS))
        batch = await begun(gateway, 100)
        await gateway.reached(batch.id, "in_progress")
        await hours.passed(gateway, 19.9)
        assert await sizes(simulator) == [100]
        hours.skip(simulator, 0.2)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 100) == {}
        assert await sizes(simulator) == [100, 50]


async def test_one_that_tells_no_progress_is_left_alone(tmp_path: Path, database: Database) -> None:
    hours = Hours()
    simulator = hours.simulator(RUNNING, OPENAI, ANTHROPIC)
    simulator.account(ANTHROPIC).configure(flavour=ANTHROPIC)
    async with simulator.running() as provider:
        served: list[Deployment] = [
            deployment_of(ANTHROPIC, provider, "", exclusive=True, weight=1e6),
            deployment_of(OPENAI, provider, ""),
        ]
        async with gateway_on(
            simulator, provider, tmp_path, settings=LATE, database=database, served=served, clock=hours.now
        ) as gateway:
            armed = first_runs(gateway, Course(stuck_at=0.5))
            batch = await gateway.create((await gateway.upload(lines(10, max_tokens=50))).id)
            await gateway.reached(batch.id, "in_progress")
            await hours.passed(gateway, 23.5)
            counts = (await gateway.client().batches.retrieve(batch.id)).request_counts
            assert counts is not None
            assert counts.completed == 0
            simulator.remove_fault(armed)
            ended = await gateway.ended(batch.id)
            assert ended.status == "completed"
            assert await each_once(gateway, ended, 10) == {}
            assert [job.account for job in await simulator.jobs()] == [ANTHROPIC]


async def test_nobody_is_stopped_for_the_ten_hours_that_the_gateway_was_down(
    tmp_path: Path, database: Database
) -> None:
    hours = Hours()
    simulator = hours.simulator(RUNNING)
    async with simulator.running() as provider:

        def start() -> AbstractAsyncContextManager[InProcess]:
            return gateway_on(
                simulator, provider, tmp_path, settings=LATE, database=database, clock=hours.now
            )

        async with start() as gateway:
            armed = first_runs(gateway, Course(stuck_at=0.0))
            batch = await begun(gateway, 10)
            await gateway.reached(batch.id, "in_progress")
            await hours.passed(gateway, 10.5)
        hours.skip(simulator, 10)
        async with start() as gateway:
            await hours.passed(gateway, 0.5)
            simulator.remove_fault(armed)
            ended = await gateway.ended(batch.id)
            assert ended.status == "completed"
            assert await each_once(gateway, ended, 10) == {}
            assert await sizes(simulator) == [10]


@pytest.mark.parametrize("way", ["settings", "option"])
async def test_nobody_is_stopped_where_that_is_switched_off(
    tmp_path: Path, database: Database, way: str
) -> None:
    hours = Hours()
    simulator = hours.simulator(RUNNING)
    settings = replace(LATE, rescue=way != "settings")
    options = {} if way == "settings" else {"extra_body": {"litebatch": {"rescue": False}}}
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=settings, clock=hours.now
    ) as gateway:
        first_runs(gateway, Course(stuck_at=0.6))
        batch = await begun(gateway, 10, **options)
        await gateway.reached(batch.id, "in_progress")
        await hours.passed(gateway, 24.1)
        ended = await gateway.ended(batch.id)
        assert ended.status == "expired"
        assert await each_once(gateway, ended, 10) == {"batch_expired": 4}
        assert await sizes(simulator) == [10]
