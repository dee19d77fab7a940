"""Shards that no deployment takes whole any more are halved, and both halves run."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from litebatch_asgi.simulator import Course, Fault, Simulator
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.faults.tiles import served
from tests.harness import lines
from tests.rescue.stage import RUNNING, SETTINGS, each_once, first_runs, sizes


@pytest.mark.parametrize("names", ["a", "ab"])
async def test_both_halves_run_where_limits_have_shrunk(
    tmp_path: Path, database: Database, names: str
) -> None:
    """The batch is created while its only deployments take half of it."""
    simulator = Simulator(settings=RUNNING)
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, tmp_path, settings=SETTINGS, database=database)
        async with start(served=served(provider, names, most=100)) as gateway:
            file = await gateway.upload(lines(10))
        async with start(served=served(provider, names, most=3)) as gateway:
            batch = await gateway.create(file.id)
            ended = await gateway.ended(batch.id)
            assert ended.status == "completed"
            assert await each_once(gateway, ended, 10) == {}
            assert max(await sizes(simulator)) <= 3


async def test_what_is_handed_on_is_halved_for_those_that_are_left(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=RUNNING)
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, tmp_path, settings=SETTINGS, database=database)
        async with start(served=served(provider, "ab", most=100)) as gateway:
            file = await gateway.upload(lines(10))
        small = [*served(provider, "a", most=100), *served(provider, "b", most=2)]
        async with start(served=small) as gateway:
            first_runs(gateway, Course(ends_at=0.6, ends_as="expired"))
            ended = await gateway.ended((await gateway.create(file.id)).id)
            assert ended.status == "completed"
            assert await each_once(gateway, ended, 10) == {}
            assert await sizes(simulator) == [10, 2, 2]
            jobs = sorted(await simulator.jobs(), key=lambda job: job.created_at)
            assert [job.account for job in jobs] == ["a", "b", "b"]


async def test_a_batch_whose_halves_are_all_refused_has_failed(tmp_path: Path, database: Database) -> None:
    """As it would have been in one piece: nothing of it has run."""
    simulator = Simulator(settings=RUNNING)
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, tmp_path, settings=SETTINGS, database=database)
        async with start(served=served(provider, "a", most=100)) as gateway:
            file = await gateway.upload(lines(10))
        simulator.add_fault(Fault(call="validate_batch", code="invalid_json_line", times=None))
        async with start(served=served(provider, "a", most=5)) as gateway:
            ended = await gateway.ended((await gateway.create(file.id)).id)
            assert ended.status == "failed"
            assert ended.in_progress_at is None
            assert (ended.output_file_id, ended.error_file_id) == (None, None)
            assert await sizes(simulator) == [5, 5]
