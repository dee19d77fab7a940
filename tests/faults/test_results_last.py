"""Results stay what they were, and waiting batches can always be ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from litebatch_asgi.simulator import Fault, RowFaults, Simulator
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.faults.test_lessons import MEGABYTE, peak_of
from tests.faults.world import CONTENT, IDS
from tests.harness import SWIFT, ids_of, lines, rows_of
from tests.survival.server import KEY, deployed


async def test_results_stay_the_same_without_the_input_and_after_a_restart(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator()
    wrong = RowFaults(lost=2, doubled=2, foreign=1, unparsable=1)
    async with simulator.running() as provider:
        async with gateway_on(simulator, provider, tmp_path, database=database) as gateway:
            simulator.add_fault(Fault(call="run_batch", rows=wrong))
            file = await gateway.upload(CONTENT)
            batch = await gateway.ended((await gateway.create(file.id)).id)
            before = await gateway.results(batch)
            await gateway.client().files.delete(file.id)
            await simulator.until(lambda: not gateway.provider_files("east") + gateway.provider_files("west"))
            assert await gateway.results(batch) == before
        async with gateway_on(simulator, provider, tmp_path, database=database) as gateway:
            assert await gateway.results(batch) == before
    output, errors = before
    assert sorted(ids_of(output) + ids_of(errors)) == IDS
    lost = [row for row in rows_of(errors) if row["error"] and row["error"]["code"] == "batch_line_lost"]
    assert len(lost) == wrong.lost + wrong.unparsable


async def test_a_waiting_batch_is_cancelled_with_its_input_deleted_and_hard_to_read(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator()
    async with simulator.running() as provider:
        async with gateway_on(simulator, provider, tmp_path, database=database) as gateway:
            simulator.add_fault(Fault(call="create_batch", status=429, times=None))
            file = await gateway.upload(CONTENT)
            batch = await gateway.create(file.id)
            assert batch.status == "validating"
            unreadable = simulator.add_fault(Fault(call="stream_file", cut_after=300, times=None))
            client = gateway.client()
            assert (await client.batches.cancel(batch.id)).status == "cancelling"
            await client.files.delete(file.id)
            await simulator.until(lambda: unreadable.struck > 2)
            assert (await client.batches.retrieve(batch.id)).status == "cancelling"
        simulator.remove_fault(unreadable)
        async with gateway_on(simulator, provider, tmp_path, database=database) as gateway:
            ended = await gateway.reached(batch.id, "cancelled")
            output, errors = await gateway.results(ended)
            assert (output, ids_of(errors)) == (b"", IDS)
            assert {row["error"]["code"] for row in rows_of(errors)} == {"batch_cancelled"}
            await simulator.until(lambda: not gateway.provider_files("east") + gateway.provider_files("west"))
            assert gateway.provider_jobs() == []


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to tell a process's peak")
async def test_results_of_any_size_are_written_out_in_small_pieces(
    tmp_path: Path, database: Database
) -> None:
    settings = replace(SWIFT, answer_characters=2 * MEGABYTE)
    asked = [{"role": "user", "content": "x" * MEGABYTE}]
    count = 80
    async with deployed(tmp_path, settings, database, provider_timeout_seconds=30) as gateway:
        await gateway.restart()
        peaks: list[int] = []
        for requests in (2, count):
            gateway.simulator.add_fault(Fault(call="run_batch", rows=RowFaults(doubled=1)))
            file = await gateway.upload(lines(requests, messages=asked), key=KEY)
            batch = await gateway.ended((await gateway.create(file.id, key=KEY)).id, key=KEY)
            output, errors = await gateway.results(batch, key=KEY)
            assert (len(ids_of(output)), errors) == (requests, b"")
            peaks.append(peak_of(gateway.server))
        assert len(output) > count * MEGABYTE
        assert peaks[1] - peaks[0] < 32 * MEGABYTE
        assert await database.rows("SELECT DISTINCT kind, store FROM file_parts") == [("stored", "database")]
        ((pieces, largest),) = await database.rows("SELECT count(*), max(length(chunk)) FROM content_chunks")
        assert pieces > count
        assert largest <= MEGABYTE
