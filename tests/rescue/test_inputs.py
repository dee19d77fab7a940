"""What happens to an input, to its owner's key, or to results of a part, while a rescue goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from openai import NotFoundError

from litebatch_asgi.jobs import JobQuery
from litebatch_asgi.operators import Operators
from litebatch_asgi.simulator import Course, Fault, Simulator
from tests.access.standalone import MASTER, standalone
from tests.database import Database
from tests.harness import lines, running_gateway
from tests.rescue.hours import UNHURRIED, Hours
from tests.rescue.stage import RUNNING, SETTINGS, begun, each_once, first_runs, same_twice, sizes

EXPIRES = Course(ends_at=0.6, ends_as="expired")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_input_that_is_deleted_is_read_until_its_batch_has_ended(
    tmp_path: Path, database: Database, when: str
) -> None:
    """Deleted before its first job ends, or while the rest waits for a deployment."""
    simulator = Simulator(settings=RUNNING)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS
    ) as gateway:
        first_runs(gateway, Course(stuck_at=0.6))
        full = simulator.add_fault(Fault(call="create_batch", skip=1, status=429, times=None))
        file = await gateway.upload(lines(10))
        batch = await gateway.create(file.id)

        async def has_done_six() -> bool:
            return [job.request_counts.completed for job in gateway.provider_jobs()] == [6]

        await gateway.eventually(has_done_six)
        [job] = await simulator.jobs()
        if when == "before":
            await gateway.client().files.delete(file.id)
        simulator.account(job.account).expire(job.id)
        await simulator.until(lambda: full.struck > 0)
        if when == "after":
            await gateway.client().files.delete(file.id)
        with pytest.raises(NotFoundError):
            await gateway.content(file.id)
        simulator.remove_fault(full)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [10, 4]

        async def is_gone_everywhere() -> bool:
            return not gateway.provider_files("east") + gateway.provider_files("west")

        await gateway.eventually(is_gone_everywhere)
        await same_twice(gateway, batch.id)


async def test_a_batch_whose_key_is_deleted_is_rescued_all_the_same(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=RUNNING)
    async with standalone(tmp_path, database, simulator=simulator, settings=SETTINGS) as gateway:
        key = await gateway.new_key(user_id="alice")
        first_runs(gateway, EXPIRES)
        full = simulator.add_fault(Fault(call="create_batch", skip=1, status=429, times=None))
        file = await gateway.upload(lines(10), key=key)
        batch = await gateway.create(file.id, key=key)
        await simulator.until(lambda: full.struck > 0)
        await gateway.manage("/key/delete", keys=[key])
        simulator.remove_fault(full)
        gateway.caller = MASTER
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [10, 4]


async def test_results_have_no_clock_until_all_parts_are_there(tmp_path: Path, database: Database) -> None:
    """They live for an hour from the end of their batch on, though a part of them was done hours before."""
    hours = Hours()
    simulator = hours.simulator(RUNNING)
    settings = replace(SETTINGS, max_poll_seconds=UNHURRIED)
    async with running_gateway(
        tmp_path,
        database=database,
        simulator=simulator,
        settings=settings,
        clock=hours.now,
        max_job_requests=4,
    ) as gateway:
        slow = simulator.add_fault(
            Fault(call="start_batch", skip=1, times=None, course=Course(stuck_at=0.25))
        )
        expires: dict[str, Any] = {"anchor": "created_at", "seconds": 3600}
        batch = await begun(gateway, 12, output_expires_after=expires)

        async def is_one_settled() -> bool:
            states = await database.rows("SELECT state FROM jobs ORDER BY state")
            return states == [("settled",), ("submitted",), ("submitted",)]

        await gateway.eventually(is_one_settled)
        for _ in range(3):
            await hours.passed(gateway, 2.0)
            seen = await gateway.client().batches.retrieve(batch.id)
            assert (seen.status, seen.output_file_id) == ("in_progress", None)
            assert len((await gateway.client().files.list()).data) == 1
        simulator.remove_fault(slow)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 12) == {}
        output = await gateway.client().files.retrieve(ended.output_file_id or "")
        assert output.expires_at == output.created_at + 3600
        assert output.created_at == ended.completed_at
        hours.skip(simulator, 0.9)
        await same_twice(gateway, batch.id)
        hours.skip(simulator, 0.2)
        with pytest.raises(NotFoundError):
            await gateway.content(ended.output_file_id)

        async def are_gone_everywhere() -> bool:
            return not gateway.result_files()

        await gateway.eventually(are_gone_everywhere)


@pytest.mark.parametrize("is_stopped", [False, True])
async def test_an_input_that_is_gone_at_its_providers_leaves_what_was_done(
    tmp_path: Path, database: Database, is_stopped: bool
) -> None:
    """As where a database was put back to a time before its input was deleted: nobody can run the rest."""
    simulator = Simulator(settings=RUNNING)
    settings = replace(SETTINGS, missing_file_grace_seconds=0.3)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=settings
    ) as gateway:
        first_runs(gateway, Course(stuck_at=0.6))
        batch = await begun(gateway, 10)

        async def has_done_six() -> bool:
            return [job.request_counts.completed for job in gateway.provider_jobs()] == [6]

        await gateway.eventually(has_done_six)
        for name in ("east", "west"):
            for file in gateway.provider_files(name):
                await simulator.account(name).delete_file(file.id)
        [job] = await simulator.jobs()
        if is_stopped:
            operators = Operators(gateway.storage, settings)
            [ours] = (await operators.jobs(JobQuery(limit=9))).items
            await operators.move(ours.id)
        else:
            simulator.account(job.account).expire(job.id)
        ended = await gateway.ended(batch.id)
        code = "batch_cancelled" if is_stopped else "batch_expired"
        assert await each_once(gateway, ended, 10) == {code: 4}
        assert ended.status == ("completed" if is_stopped else "expired")
        assert await sizes(simulator) == [10]
        await same_twice(gateway, batch.id)


async def test_rows_that_are_there_are_not_lost_with_an_input_that_nobody_gives(
    tmp_path: Path, database: Database
) -> None:
    """Its job was late and is stopped; one copy is gone, and the other one cannot be read for days."""
    hours = Hours()
    simulator = hours.simulator(RUNNING)
    settings = replace(SETTINGS, max_poll_seconds=UNHURRIED)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=settings, clock=hours.now
    ) as gateway:
        first_runs(gateway, Course(stuck_at=0.6))
        batch = await begun(gateway, 10)

        async def has_done_six() -> bool:
            return [job.request_counts.completed for job in gateway.provider_jobs()] == [6]

        await gateway.eventually(has_done_six)
        [job] = await simulator.jobs()
        [other] = {"east", "west"} - {job.account}
        for file in gateway.provider_files(job.account):
            await simulator.account(job.account).delete_file(file.id)
        refused = simulator.add_fault(Fault(call="stream_file", account=other, status=503, times=None))
        await hours.passed(gateway, 20.1)
        await simulator.until(lambda: refused.struck > 0)
        hours.skip(simulator, 28)
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 10) == {"batch_cancelled": 4}
        assert await sizes(simulator) == [10]
        await same_twice(gateway, batch.id)
