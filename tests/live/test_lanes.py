"""Where a model has both lanes: native first, live by overflow, for short windows, and as a rescuer."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest
from msgspec.structs import replace

from litebatch_asgi.live import LiveRunner
from litebatch_asgi.models import Lane
from litebatch_asgi.simulator import Fault, Simulator
from tests.database import Database, SQLiteDatabase
from tests.faults.stage import FAVOUR, gateway_on
from tests.harness import SWIFT, deployments, lines, live_deployments
from tests.live.stage import SERVER, SETTINGS, each_once, live_gateway, sent

BOTH: dict[str, Any] = {"names": ("east",)}


async def test_native_goes_first(tmp_path: Path, database: Database) -> None:
    async with live_gateway(tmp_path, database, simulator=Simulator(settings=SWIFT), **BOTH) as gateway:
        batch = await gateway.create((await gateway.upload(lines(20))).id)
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 20) == {}
        assert not sent(gateway)
        assert len(gateway.provider_jobs()) == 1


async def test_a_short_window_is_kept_live(tmp_path: Path, database: Database) -> None:
    settings = replace(SETTINGS, completion_windows=("24h", "1h"))
    async with live_gateway(tmp_path, database, settings=settings, **BOTH) as gateway:
        file = await gateway.upload(lines(20))
        batch = await gateway.create(file.id, completion_window="1h")
        assert batch.expires_at is not None
        assert batch.expires_at - batch.created_at == 3600
        assert batch.completion_window == "1h"
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 20) == {}
        assert sent(gateway) == {1: 20}
        assert gateway.provider_jobs() == []
        with pytest.raises(openai.BadRequestError, match="Supported values are: '24h' and '1h'"):
            await gateway.create(file.id, completion_window="2h")


async def test_live_takes_over_what_no_native_deployment_takes(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=SWIFT)
    simulator.add_fault(Fault(call="create_batch", status=429, times=None))
    settings = replace(SETTINGS, overflow_after_seconds=0.8)
    async with live_gateway(tmp_path, database, simulator=simulator, settings=settings, **BOTH) as gateway:
        batch = await gateway.create((await gateway.upload(lines(20))).id)
        assert not sent(gateway)
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 20) == {}
        assert sent(gateway) == {1: 20}


async def test_without_overflow_a_batch_waits_for_a_native_deployment(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=SWIFT)
    simulator.add_fault(Fault(call="create_batch", status=429, times=6))
    async with live_gateway(tmp_path, database, simulator=simulator, **BOTH) as gateway:
        batch = await gateway.create((await gateway.upload(lines(20))).id)
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 20) == {}
        assert not sent(gateway)


async def test_live_runs_what_a_native_job_has_left_undone(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=replace(SWIFT, first_run_status=500, first_run_share=0.5))
    settings = replace(SETTINGS, rescue=True, late_rows_grace_seconds=0.3)
    async with live_gateway(tmp_path, database, simulator=simulator, settings=settings, **BOTH) as gateway:
        batch = await gateway.create((await gateway.upload(lines(40))).id)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 40) == {}
        assert 0 < sent(gateway)[1] < 40
        assert sent(gateway).keys() == {1}


async def native_goes_live(folder: Path, database: Database | None = None) -> list[str]:
    """A deployment changes its lane while its provider runs a batch, and back; what is wrong then."""
    database = database or SQLiteDatabase.migrated(folder)
    simulator = Simulator(settings=SWIFT)
    async with simulator.running() as provider:
        native = deployments(provider, ["east"])
        live = [replace(deployment, lane=Lane.LIVE) for deployment in native]
        start = partial(gateway_on, simulator, provider, folder, settings=SETTINGS, database=database)
        async with start(served=native) as gateway:
            before = await gateway.ended((await gateway.create((await gateway.upload(lines(3))).id)).id)
            simulator.account("east").configure(hold=frozenset({"in_progress"}))
            batch = await gateway.create((await gateway.upload(lines(5))).id)
            await gateway.reached(batch.id, "in_progress")
        async with start(served=live) as gateway:

            async def attempts() -> int:
                return len(await database.rows(f"SELECT 1 FROM jobs WHERE batch_id = '{batch.id}'"))

            async def waits_or_begins_anew() -> bool:
                seen = await gateway.client().batches.retrieve(batch.id)
                assert seen.model_extra is not None
                waiting: dict[str, str] | None = seen.model_extra["litebatch"]["waiting_for"]
                waits = waiting is not None and waiting["reason"] == "deployment_gone"
                return waits or await attempts() > 1

            await gateway.eventually(waits_or_begins_anew)
            if await attempts() > 1:
                return ["what a provider runs begins anew"]
            with pytest.raises(openai.ConflictError, match="lane: native"):
                await gateway.content(before.output_file_id)
        simulator.account("east").configure(hold=frozenset[str]())
        async with start(served=native) as gateway:
            ended = await gateway.ended(batch.id)
            assert ended.request_counts is not None
            assert ended.request_counts.completed == 5
            assert len(gateway.provider_jobs()) == 2
            assert len(await gateway.content(before.output_file_id)) > 0
    return []


async def test_what_a_provider_runs_waits_while_its_deployment_is_live(
    tmp_path: Path, database: Database
) -> None:
    """Nothing of it runs a second time, and what was done before is told to be there."""
    assert await native_goes_live(tmp_path, database) == []


async def test_what_a_provider_keeps_since_before_its_deployment_was_live_is_deleted_there(
    tmp_path: Path, database: Database
) -> None:
    """Input and results; nothing is asked for that the provider has never had."""
    simulator = Simulator(settings=SWIFT)
    async with simulator.running() as provider:
        native = deployments(provider, ["east"])
        live = [replace(deployment, lane=Lane.LIVE) for deployment in native]
        start = partial(gateway_on, simulator, provider, tmp_path, settings=SETTINGS, database=database)
        async with start(served=native) as gateway:
            file = await gateway.upload(lines(3))
            ended = await gateway.ended((await gateway.create(file.id)).id)
        account = simulator.account("east")
        assert len(account.files) == 2
        async with start(served=live) as gateway:
            new = await gateway.upload(lines(3))
            for file_id in (file.id, str(ended.output_file_id), new.id):
                await gateway.client().files.delete(file_id)

            async def are_forgotten() -> bool:
                return not await database.rows("SELECT 1 FROM file_copies")

            await gateway.eventually(are_forgotten)
        assert not account.files
        assert len(simulator.journal.select("delete_file")) == 2


async def test_requests_cost_what_they_did_in_the_lane_in_which_they_ran(
    tmp_path: Path, database: Database
) -> None:
    """Another process, or this one after a change, has the deployment as a native one, at half of that."""
    simulator = Simulator(settings=SERVER)
    prices = {"input_cost_per_token": Decimal("0.001"), "output_cost_per_token": Decimal("0.01")}
    silent = simulator.add_fault(Fault(call="run_request", stall=True, skip=5, times=None))
    async with simulator.running() as provider:
        native = deployments(provider, ["east"], prices=prices)
        live = [replace(deployment, lane=Lane.LIVE) for deployment in native]
        start = partial(gateway_on, simulator, provider, tmp_path, settings=SETTINGS, database=database)
        async with start(served=live) as gateway:
            batch = await gateway.create((await gateway.upload(lines(8))).id)
            await simulator.until(lambda: silent.struck > 0)

            async def five_are_written() -> bool:
                return await database.rows("SELECT count(*) FROM line_results") == [(5,)]

            await gateway.eventually(five_are_written)
        async with start(served=native) as gateway:
            await gateway.client().batches.cancel(batch.id)
            ended = await gateway.ended(batch.id)
            assert await each_once(gateway, ended, 8) == {"batch_cancelled": 3}
            assert ended.usage is not None
            cost = ended.usage.input_tokens * Decimal("0.001") + ended.usage.output_tokens * Decimal("0.01")
            charges = await database.rows("SELECT cost FROM charges")
            assert [Decimal(charged) for (charged,) in charges] == [cost]


async def test_a_server_that_is_away_gets_no_more_jobs_while_another_one_is_there(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    """Though it is the one that is tried first."""
    simulator = Simulator(settings=SERVER)
    away = simulator.add_fault(Fault(call="run_request", account="live", status=503, times=None))
    settings = replace(SETTINGS, strategy="weighted-random")
    async with simulator.running() as provider:
        live, spare = live_deployments(provider, ["live", "spare"])
        served = [replace(live, weight=FAVOUR), spare]
        async with gateway_on(
            simulator, provider, tmp_path, settings=settings, database=database, served=served
        ) as gateway:
            first = await gateway.create((await gateway.upload(lines(8))).id)

            async def is_down() -> bool:
                return runners[0].stations["live"].load.is_down

            await gateway.eventually(is_down)
            second = await gateway.create((await gateway.upload(lines(4))).id)
            assert (await gateway.ended(second.id)).status == "completed"
            found = await database.rows(f"SELECT deployment_id FROM jobs WHERE batch_id = '{second.id}'")
            assert found == [("spare",)]
            simulator.remove_fault(away)
            assert (await gateway.ended(first.id)).status == "completed"
            found = await database.rows(f"SELECT deployment_id FROM jobs WHERE batch_id = '{first.id}'")
            assert found == [("live",)]
