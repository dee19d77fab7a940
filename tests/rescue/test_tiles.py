"""Batches whose input is several tiles: one batch, one output, whatever becomes of each job."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from litebatch_asgi.simulator import Course, Fault, Simulator
from tests.database import Database
from tests.harness import InProcess, rows_of, running_gateway
from tests.rescue.stage import RUNNING, SETTINGS, begun, each_once, first_runs, sizes


def gateway_on(
    folder: Path, database: Database, simulator: Simulator
) -> AbstractAsyncContextManager[InProcess]:
    """One whose deployments take four requests at once."""
    return running_gateway(
        folder, database=database, simulator=simulator, settings=SETTINGS, max_job_requests=4
    )


async def test_three_tiles_run_as_three_jobs_and_come_out_in_order(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=RUNNING)
    async with gateway_on(tmp_path, database, simulator) as gateway:
        ended = await gateway.ended((await begun(gateway, 12)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 12) == {}
        rows = rows_of(await gateway.content(ended.output_file_id))
        places = [int(row["custom_id"].removeprefix("request-")) // 4 for row in rows]
        assert places == sorted(places)
        assert await sizes(simulator) == [4, 4, 4]
        assert {job.account for job in await simulator.jobs()} == {"east", "west"}


async def test_one_tile_that_expires_is_handed_on_while_the_others_run(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=RUNNING)
    async with gateway_on(tmp_path, database, simulator) as gateway:
        first_runs(gateway, Course(ends_at=0.5, ends_as="expired"))
        ended = await gateway.ended((await begun(gateway, 12)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 12) == {}
        assert sorted(await sizes(simulator)) == [2, 4, 4, 4]


async def test_a_tile_whose_content_is_refused_comes_out_as_error_rows(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=RUNNING)
    async with gateway_on(tmp_path, database, simulator) as gateway:
        simulator.add_fault(Fault(call="validate_batch", code="invalid_json_line", times=1))
        ended = await gateway.ended((await begun(gateway, 12)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 12) == {"invalid_json_line": 4}


async def test_all_tiles_refused_fail_the_batch(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=RUNNING)
    async with gateway_on(tmp_path, database, simulator) as gateway:
        simulator.add_fault(Fault(call="validate_batch", code="invalid_json_line", times=None))
        ended = await gateway.ended((await begun(gateway, 12)).id)
        assert ended.status == "failed"
        assert ended.errors is not None
        assert ended.errors.data is not None
        assert {error.code for error in ended.errors.data} == {"invalid_json_line"}
        assert (ended.output_file_id, ended.error_file_id) == (None, None)
