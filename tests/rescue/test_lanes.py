"""Rescue where a model has a native and a live deployment: either goes on with what the other has left."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.models import Settings
from litebatch_asgi.simulator import Course, Fault, Latency, Simulator
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import InProcess, deployments, lines, live_deployments, rows_of
from tests.live.stage import SERVER, live_gateway, sent
from tests.rescue.hours import UNHURRIED, Hours
from tests.rescue.stage import RUNNING, SETTINGS, begun, each_once, first_runs, sizes

LATE = replace(SETTINGS, max_poll_seconds=UNHURRIED, live_timeout_seconds=30, overflow_after_seconds=0.01)
SOON = replace(SETTINGS, live_timeout_seconds=30, overflow_after_seconds=0.01)
SILENT = Fault(call="run_request", account="live", stall=True, times=None)
FULL = Fault(call="create_batch", status=429, times=None)


def both(
    folder: Path,
    database: Database,
    simulator: Simulator,
    settings: Settings = SOON,
    **options: Any,
) -> AbstractAsyncContextManager[InProcess]:
    """A gateway before the native deployment `east` and the live one `live`."""
    given: dict[str, Any] = {"names": ("east",)} | options
    return live_gateway(folder, database, simulator=simulator, settings=settings, **given)


async def moved_to_live(gateway: InProcess, batch_id: str) -> bool:
    """Whether a job of a batch runs live."""
    found = await gateway.database.rows(
        f"SELECT 1 FROM jobs WHERE batch_id = '{batch_id}' AND lane = 'live' AND state = 'submitted'"
    )
    return bool(found)


async def nothing_can_show_up(gateway: InProcess) -> bool:
    """Whether it is sure by now that no provider has a job that it has refused."""
    return await gateway.database.rows("SELECT 1 FROM jobs WHERE state = 'watched'") == []


async def test_a_late_native_job_is_finished_live(tmp_path: Path, database: Database) -> None:
    hours = Hours()
    simulator = hours.simulator(RUNNING, "east", "live")
    async with both(tmp_path, database, simulator, LATE, clock=hours.now) as gateway:
        first_runs(gateway, Course(stuck_at=0.6))
        batch = await begun(gateway, 10)
        await gateway.reached(batch.id, "in_progress")
        await hours.passed(gateway, 20.1)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [10]
        assert sent(gateway) == {1: 4}


async def test_a_live_job_without_answers_is_finished_natively(tmp_path: Path, database: Database) -> None:
    hours = Hours()
    simulator = hours.simulator(RUNNING, "east", "live")
    full = simulator.add_fault(FULL)
    simulator.add_fault(replace(SILENT, skip=6))
    async with both(tmp_path, database, simulator, LATE, clock=hours.now) as gateway:
        batch = await begun(gateway, 10)
        await gateway.eventually(partial(moved_to_live, gateway, batch.id))

        async def six_are_done() -> bool:
            return await gateway.database.rows("SELECT count(*) FROM line_results") == [(6,)]

        await gateway.eventually(six_are_done)
        simulator.remove_fault(full)
        await hours.passed(gateway, 20.1)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [4]


async def test_what_has_failed_live_for_a_passing_reason_runs_natively(
    tmp_path: Path, database: Database
) -> None:
    """Once it is sure that the native deployment, which refused them, has none of them."""
    simulator = Simulator(settings=RUNNING)
    full = simulator.add_fault(FULL)
    simulator.add_fault(Fault(call="run_request", account="live", status=500, skip=6, times=None))
    settings, server = replace(SOON, live_attempts=1), replace(SERVER, latency=Latency(seconds=1.5))
    async with both(tmp_path, database, simulator, settings, server=server) as gateway:
        batch = await begun(gateway, 10)
        await gateway.eventually(partial(moved_to_live, gateway, batch.id))
        simulator.remove_fault(full)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [4]


@pytest.mark.parametrize("lane", ["native", "live"])
async def test_a_job_at_a_deployment_that_is_gone_runs_in_the_other_lane(
    tmp_path: Path, database: Database, lane: str
) -> None:
    simulator = Simulator(settings=replace(RUNNING, hold=frozenset({"in_progress"})))
    simulator.account("live").configure(flavour="vllm", hold=frozenset[str]())
    settings = replace(SOON, gone_grace_seconds=1.5)
    full = simulator.add_fault(FULL) if lane == "live" else None
    if full is not None:
        simulator.add_fault(replace(SILENT, skip=6))
    async with simulator.running() as provider:
        native, live = deployments(provider, ["east"]), live_deployments(provider, ["live"])
        start = partial(gateway_on, simulator, provider, tmp_path, settings=settings, database=database)
        async with start(served=[*native, *live]) as gateway:
            batch = await begun(gateway, 10)
            await gateway.reached(batch.id, "in_progress")
        if full is not None:
            simulator.remove_fault(full)
        simulator.account("east").configure(hold=frozenset[str]())
        async with start(served=live if lane == "native" else native) as gateway:
            ended = await gateway.ended(batch.id)
            assert ended.status == "completed"
            output, _ = await gateway.results(ended)
            ids = sorted(row["custom_id"] for row in rows_of(output))
            assert ids == [f"request-{number}" for number in range(10)]
            charged = await database.rows("SELECT deployment_id FROM charges ORDER BY deployment_id")
            assert charged == ([("live",)] if lane == "native" else [("east",), ("live",)])


async def test_shards_of_a_file_run_in_both_lanes(tmp_path: Path, database: Database) -> None:
    """The native deployment takes one of three; the others overflow."""
    simulator = Simulator(settings=RUNNING)
    simulator.add_fault(replace(FULL, skip=1))
    async with both(tmp_path, database, simulator, max_job_requests=4) as gateway:
        ended = await gateway.ended((await begun(gateway, 12)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 12) == {}
        assert await sizes(simulator) == [4]
        assert sent(gateway) == {1: 8}
        rows = rows_of(await gateway.content(ended.output_file_id))
        places = [int(row["custom_id"].removeprefix("request-")) // 4 for row in rows]
        assert places == sorted(places)


async def test_a_refused_shard_and_live_ones_come_out_together(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=RUNNING)
    simulator.add_fault(replace(FULL, skip=1))
    simulator.add_fault(Fault(call="validate_batch", code="invalid_json_line", times=1))
    async with both(tmp_path, database, simulator, max_job_requests=4) as gateway:
        ended = await gateway.ended((await begun(gateway, 12)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 12) == {"invalid_json_line": 4}


async def test_shards_in_both_lanes_are_cancelled_together(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=replace(RUNNING, hold=frozenset({"in_progress"})))
    simulator.account("live")
    simulator.add_fault(replace(FULL, skip=1))
    simulator.add_fault(replace(SILENT, skip=3))
    async with both(tmp_path, database, simulator, max_job_requests=4) as gateway:
        batch = await begun(gateway, 12)

        async def both_run() -> bool:
            running = await database.rows("SELECT lane FROM jobs WHERE state = 'submitted' ORDER BY lane")
            done = await database.rows("SELECT count(*) FROM line_results")
            return running == [("live",), ("live",), ("native",)] and done == [(3,)]

        await gateway.eventually(both_run)
        await gateway.client().batches.cancel(batch.id)
        ended = await gateway.ended(batch.id)
        assert ended.status == "cancelled"
        codes = await each_once(gateway, ended, 12)
        assert codes.keys() == {"batch_cancelled"}
        assert 5 <= codes["batch_cancelled"] <= 9  # the native one may have done all of its four


@pytest.mark.parametrize("lane", ["native", "live"])
async def test_an_operator_moves_a_job_to_the_other_lane(
    tmp_path: Path, database: Database, lane: str
) -> None:
    simulator = Simulator(settings=replace(RUNNING, hold=frozenset({"in_progress"})))
    full = simulator.add_fault(FULL) if lane == "live" else None
    if full is not None:
        simulator.add_fault(replace(SILENT, skip=6))
    async with both(tmp_path, database, simulator) as gateway:
        batch = await begun(gateway, 10)
        await gateway.reached(batch.id, "in_progress")
        if full is not None:
            simulator.remove_fault(full)

            async def six_are_done() -> bool:
                return await gateway.database.rows("SELECT count(*) FROM line_results") == [(6,)]

            await gateway.eventually(six_are_done)
            await gateway.eventually(partial(nothing_can_show_up, gateway))
        rows = await database.rows("SELECT id FROM jobs WHERE state = 'submitted'")
        await gateway.litebatch.operators.move(rows[0][0])
        if lane == "native":
            await simulator.until(lambda: bool(simulator.journal.select("cancel_batch")))
        simulator.account("east").configure(hold=frozenset[str]())
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert set(sent(gateway)) == {1}
        assert (sum(sent(gateway).values()) == 10) == (lane == "live")  # the native job had done a part
        assert await sizes(simulator) == ([4] if lane == "live" else [10])


async def test_a_drained_live_deployment_leaves_its_lines_to_a_native_one(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=RUNNING)
    full = simulator.add_fault(FULL)
    simulator.add_fault(replace(SILENT, skip=6))
    async with both(tmp_path, database, simulator) as gateway:
        batch = await gateway.create((await gateway.upload(lines(10))).id)
        await gateway.eventually(partial(moved_to_live, gateway, batch.id))
        simulator.remove_fault(full)
        await gateway.eventually(partial(nothing_can_show_up, gateway))
        drained = await gateway.litebatch.operators.drain("live")
        assert (drained.stopping, drained.staying) == (1, 0)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert sum(await sizes(simulator)) + len(await database.rows("SELECT 1 FROM line_results")) == 10
