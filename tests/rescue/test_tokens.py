"""An input with more tokens than a deployment takes at once runs there part by part."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from litebatch_asgi.simulator import Course, Simulator
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import deployments, lines
from tests.rescue.stage import RUNNING, SETTINGS, each_once, first_runs, sizes

CONTENT = lines(10, messages=[{"role": "user", "content": "say " * 500}])
TOKENS = 2000
"""more than three such lines have, and less than four"""


@pytest.mark.parametrize("way", ["configured", "learned"])
async def test_one_part_waits_for_the_other(tmp_path: Path, database: Database, way: str) -> None:
    simulator = Simulator(settings=replace(RUNNING, max_enqueued_tokens=TOKENS))
    async with simulator.running() as provider:
        limits = {"enqueued_tokens": TOKENS} if way == "configured" else {}
        [east] = deployments(provider, ["east"])
        served = [replace(east, max_job_tokens=TOKENS, **limits)]
        async with gateway_on(
            simulator, provider, tmp_path, settings=SETTINGS, database=database, served=served
        ) as gateway:
            batch = await gateway.create((await gateway.upload(CONTENT)).id)
            ended = await gateway.ended(batch.id)
            assert ended.status == "completed"
            assert await each_once(gateway, ended, 10) == {}
            jobs = [job for job in await simulator.jobs() if job.status == "completed"]
            assert sorted(len(job.custom_ids or ()) for job in jobs) == [1, 3, 3, 3]
            # no two of three lines fit beside each other, one of a single line fits beside any
            ran = [dict(job.history) for job in jobs if len(job.ran) == 3]
            times = sorted((each["in_progress"], each["completed"]) for each in ran)
            assert all(before[1] <= after[0] for before, after in pairwise(times))


async def test_what_is_left_of_a_part_goes_to_one_that_has_room(tmp_path: Path, database: Database) -> None:
    """The rest of two parts runs where there is room, as far as each may go there."""
    simulator = Simulator(settings=RUNNING)
    async with simulator.running() as provider:
        east, west = deployments(provider)
        served = [
            replace(east, max_job_tokens=TOKENS),
            replace(west, max_job_tokens=TOKENS, enqueued_tokens=TOKENS),
        ]
        async with gateway_on(
            simulator, provider, tmp_path, settings=SETTINGS, database=database, served=served
        ) as gateway:
            first_runs(gateway, Course(ends_at=0.5, ends_as="expired"), times=2)
            batch = await gateway.create((await gateway.upload(CONTENT)).id)
            ended = await gateway.ended(batch.id)
            assert ended.status == "completed"
            assert await each_once(gateway, ended, 10) == {}
            assert len(await sizes(simulator)) > 4


async def test_a_line_with_more_tokens_than_a_job_may_have_runs_alone(
    tmp_path: Path, database: Database
) -> None:
    """There is nothing to cut, and tokens are an estimate."""
    simulator = Simulator(settings=RUNNING)
    async with simulator.running() as provider:
        [east] = deployments(provider, ["east"])
        served = [replace(east, max_job_tokens=400, enqueued_tokens=400)]
        async with gateway_on(
            simulator, provider, tmp_path, settings=SETTINGS, database=database, served=served
        ) as gateway:
            ended = await gateway.ended((await gateway.create((await gateway.upload(CONTENT)).id)).id)
            assert ended.status == "completed"
            assert await each_once(gateway, ended, 10) == {}
            assert await sizes(simulator) == [1] * 10
