"""Whatever stands in the way of a batch's end, it ends: with a row for each line, or with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from litebatch_asgi.simulator import Fault, Simulator, SimulatorSettings
from litebatch_asgi.simulator.account import NewBatch
from tests.database import Database
from tests.harness import QUICK, Gateway, ids_of, rows_of, running_gateway

SETTINGS = replace(QUICK, end_grace_seconds=0.5)
HELD = SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress", "cancelling"}))
IN_THE_WAY = {
    "the provider does not answer": [Fault(call="retrieve_batch", status=503, times=None)],
    "a cancellation is refused": [Fault(call="cancel_batch", status=403, times=None)],
    "a cancellation never ends": [],
    "nobody knows the job": [Fault(vanish=True, match="batch_", times=None)],
    "results are not there": [Fault(call="stream_file", match="batch_", status=404, times=None)],
    "results cannot be read": [Fault(call="stream_file", match="batch_", status=503, times=None)],
}


async def cancelled_rows(gateway: Gateway, batch_id: str) -> list[str]:
    """The ids of the rows of a batch that ends as cancelled, each of which says so."""
    batch = await gateway.ended(batch_id)
    assert batch.status == "cancelled"
    output, error = await gateway.results(batch)
    assert output == b""
    assert {row["error"]["code"] for row in rows_of(error)} == {"batch_cancelled"}
    assert batch.request_counts is not None
    assert batch.request_counts.failed == batch.request_counts.total == len(rows_of(error))
    return ids_of(error)


@pytest.mark.parametrize("trouble", IN_THE_WAY)
async def test_a_cancelled_batch_ends_though_its_provider_is_in_the_way(
    tmp_path: Path, database: Database, trouble: str
) -> None:
    simulator = Simulator(settings=HELD)
    settings = replace(SETTINGS, vanished_grace_seconds=3600)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=settings
    ) as gateway:
        batch = await gateway.create((await gateway.upload()).id)
        await gateway.reached(batch.id, "in_progress")
        faults = [simulator.add_fault(fault) for fault in IN_THE_WAY[trouble]]
        if trouble.startswith("results"):
            for account in simulator.accounts.values():
                account.configure(hold=frozenset({"in_progress"}), done_share=0.0)
        await gateway.client().batches.cancel(batch.id)
        assert await cancelled_rows(gateway, batch.id) == ["request-0", "request-1", "request-2"]
        for fault in faults:
            simulator.remove_fault(fault)
        for account in simulator.accounts.values():
            account.configure(hold=frozenset({"in_progress"}))

        async def is_cancelled_there() -> bool:
            return {job.status for job in gateway.provider_jobs()} == {"cancelled"}

        await gateway.eventually(is_cancelled_there)
        if trouble.startswith("results"):
            await gateway.client().files.delete((await gateway.ended(batch.id)).error_file_id or "")
        await simulator.until(lambda: not gateway.result_files())


async def test_a_batch_whose_input_cannot_be_read_fails_and_says_why(
    tmp_path: Path, database: Database
) -> None:
    async with running_gateway(tmp_path, database=database, settings=SETTINGS) as gateway:
        file = await gateway.upload()
        gateway.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        gateway.simulator.add_fault(Fault(call="stream_file", status=503, times=None))
        batch = await gateway.create(file.id)
        await gateway.client().batches.cancel(batch.id)
        ended = await gateway.ended(batch.id)
        assert ended.status == "failed"
        assert ended.errors is not None
        assert ended.errors.data is not None
        assert [error.code for error in ended.errors.data] == ["input_unavailable"]
        assert await database.rows("SELECT 1 FROM reservations") == []


async def test_the_results_of_a_twin_are_deleted(tmp_path: Path, database: Database) -> None:
    """Of one that runs beside the job that is followed, until it is seen and cancelled."""
    simulator = Simulator(settings=replace(HELD, hold=frozenset({"in_progress"})))
    settings = replace(QUICK, place_budget_seconds=0.1)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=settings, names=["east"]
    ) as gateway:
        east = simulator.account("east")
        hidden = simulator.add_fault(Fault(call="list_batches", stall=True, times=None))
        simulator.add_fault(Fault(call="create_batch", when="after", drop=True))
        batch = await gateway.create((await gateway.upload()).id)
        await simulator.until(lambda: len(east.batches) == 1)
        (first,) = east.batches.values()
        twin = NewBatch(
            input_file_id=first.input_file_id,
            endpoint=first.endpoint,
            completion_window=first.completion_window,
            metadata=first.metadata,
        )
        east.create_batch(twin)
        simulator.remove_fault(hidden)
        await simulator.until(lambda: len(simulator.journal.select("delete_file")) == 2)
        assert gateway.result_files() == []
        east.release()
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        output, _ = await gateway.results(ended)
        assert ids_of(output) == ["request-0", "request-1", "request-2"]


@pytest.mark.parametrize("status", [403, 404, 503])
async def test_a_batch_that_cannot_be_cancelled_is_followed_to_its_end(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """A server may have no such call. What it has executed is published, and others use it meanwhile."""
    simulator = Simulator(settings=HELD)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=QUICK, names=["east"]
    ) as gateway:
        file = await gateway.upload()
        batch = await gateway.create(file.id)
        await gateway.reached(batch.id, "in_progress")
        refusing = simulator.add_fault(Fault(call="cancel_batch", status=status, times=None))
        assert (await gateway.client().batches.cancel(batch.id)).status == "cancelling"
        await simulator.until(lambda: refusing.struck > 6)
        assert "was its key changed" not in caplog.text
        simulator.account("east").configure(hold=frozenset())
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        output, _ = await gateway.results(ended)
        assert ids_of(output) == ["request-0", "request-1", "request-2"]
        assert len(gateway.provider_jobs()) == 1
