"""A deployment is taken out of the configuration, or renamed, while batches are on it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace
from openai import ConflictError

from litebatch_asgi.simulator import Fault, Simulator, SimulatorSettings
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import QUICK, deployments, ids_of, rows_of

SETTINGS = replace(QUICK, gone_grace_seconds=1.5, end_grace_seconds=3600)
HELD = SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"}))


async def test_a_batch_on_a_deployment_that_is_gone_can_be_cancelled(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Its lines come out of the copy that another deployment has, and a start tells what is missing."""
    simulator = Simulator(settings=HELD)
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, tmp_path, settings=SETTINGS, database=database)
        simulator.add_fault(Fault(account="west", call="create_batch", status=403))
        async with start() as gateway:
            batch = await gateway.create((await gateway.upload()).id)
            assert len(simulator.account("east").batches) == 1
        async with start(served=deployments(provider, ["west"])) as gateway:
            assert (
                "deployment 'east' is not in the configuration, and has 1 open job and 1 copy: put it"
                in caplog.text
            )
            await gateway.client().batches.cancel(batch.id)
            ended = await gateway.ended(batch.id)
            assert ended.status == "cancelled"
            _, error = await gateway.results(ended)
            assert ids_of(error) == ["request-0", "request-1", "request-2"]
            assert {row["error"]["code"] for row in rows_of(error)} == {"batch_cancelled"}
            assert await database.rows("SELECT 1 FROM reservations") == []
        async with start() as gateway:  # put back: what ran on is found and cancelled
            await gateway.eventually(partial(_is_cancelled, simulator))


async def _is_cancelled(simulator: Simulator) -> bool:
    return {job.status for job in simulator.account("east").batches.values()} <= {"cancelling", "cancelled"}


async def test_a_batch_whose_input_is_gone_too_fails_and_releases_everything(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=HELD)
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, tmp_path, settings=SETTINGS, database=database)
        async with start(served=deployments(provider, ["east"])) as gateway:
            file = await gateway.upload()
            batch = await gateway.create(file.id)
            assert len(await database.rows("SELECT 1 FROM reservations")) == 1
        async with start(served=deployments(provider, ["west"])) as gateway:

            async def is_the_first_process_dead() -> bool:
                rows = await database.rows("SELECT max(seen_at) - min(seen_at) FROM heartbeats")
                return bool(rows[0][0] > SETTINGS.gone_grace_seconds * 1_000_000)

            await gateway.eventually(is_the_first_process_dead)
            with pytest.raises(ConflictError) as refused:
                await gateway.create(file.id)
            assert refused.value.code == "deployment_gone"
            await gateway.client().batches.cancel(batch.id)
            ended = await gateway.ended(batch.id)
            assert ended.status == "failed"
            assert ended.errors is not None
            assert ended.errors.data is not None
            assert [error.code for error in ended.errors.data] == ["deployment_gone"]
            assert await database.rows("SELECT 1 FROM reservations") == []


async def test_a_deployment_that_another_process_serves_is_not_gone(
    tmp_path: Path, database: Database
) -> None:
    """Configurations are changed one process after the other."""
    simulator = Simulator(settings=HELD)
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, tmp_path, settings=SETTINGS, database=database)
        async with (
            start(served=deployments(provider, ["east"])) as old,
            start(served=deployments(provider, ["west"])) as new,
        ):
            batch = await old.create((await old.upload()).id)
            await old.reached(batch.id, "in_progress")
            beats = 2 * SETTINGS.gone_grace_seconds

            async def have_beaten() -> bool:
                rows = await database.rows("SELECT max(seen_at) - min(since) FROM heartbeats")
                return bool(rows[0][0] > beats * 1_000_000)

            await new.eventually(have_beaten)
            for account in simulator.accounts.values():
                account.configure(hold=frozenset())
            assert (await new.ended(batch.id)).status == "completed"
