"""When results are not all there: what is waited for, for how long, and what it costs."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace
from openai.types import Batch

from litebatch_asgi.simulator import ArmedFault, Fault, RowFaults, Simulator
from litebatch_asgi.simulator.objects import RequestCounts
from tests.database import Database
from tests.harness import (
    PATIENCE_SECONDS,
    QUICK,
    SWIFT,
    Gateway,
    InProcess,
    ids_of,
    lines,
    rows_of,
    running_gateway,
)

CONTENT = b"\n".join([lines(9), *lines(12, metadata={"simulate": "429"}).splitlines()[9:]])
"""Twelve requests, three of which fail."""
DONE, FAILED = ([f"request-{number}" for number in numbers] for numbers in ((*range(9),), (10, 11, 9)))
IDS = sorted(DONE + FAILED)
HELD = replace(SWIFT, hold=frozenset({"in_progress"}))
RESULTS = "batch_"
"""in the filename of results, and not of inputs"""


async def struck(gateway: Gateway, fault: ArmedFault, times: int) -> None:
    """Wait until a fault has struck so often."""
    with anyio.fail_after(PATIENCE_SECONDS):
        await gateway.simulator.until(lambda: fault.struck >= times)


def codes(errors: bytes) -> list[str | None]:
    """What the rows of an error file say, in order of their ids."""
    rows = sorted(rows_of(errors), key=lambda row: str(row["custom_id"]))
    return [row["error"] and row["error"]["code"] for row in rows]


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        (Fault(call="stream_file", match=RESULTS, status=404, times=None), 14),
        (Fault(call="stream_file", match="_output", status=404, times=None), 8),
        (Fault(call="stream_file", match="_error", status=404, times=None), 8),
        (Fault(call="stream_file", match="_output", short_after=1000, times=None), 8),
    ],
    ids=["nothing is there", "no output", "no errors", "output is short"],
)
async def test_results_that_a_provider_names_and_does_not_give_are_waited_for(
    tmp_path: Path, database: Database, fault: Fault, times: int
) -> None:
    settings = replace(QUICK, lost_grace_seconds=0.01)
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        away = gateway.simulator.add_fault(fault)
        batch = await gateway.create((await gateway.upload(CONTENT)).id)
        await struck(gateway, away, times)
        assert (await gateway.client().batches.retrieve(batch.id)).status == "finalizing"
        gateway.simulator.remove_fault(away)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        output, errors = await gateway.results(ended)
        assert (ids_of(output), ids_of(errors)) == (DONE, FAILED)
        assert codes(errors) == [None] * 3
        assert ended.usage is not None
        assert ended.usage.total_tokens > 0


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        (Fault(call="stream_file", match="_output", status=404, times=None), 0),
        (Fault(call="stream_file", match="_output", short_after=1000, times=None), 1),
        (Fault(call="retrieve_file", match="_output", status=403, times=None), 9),
    ],
    ids=["not there", "short", "size is not told"],
)
async def test_rows_of_a_file_that_never_comes_are_lost_and_the_file_is_deleted_with_ours(
    tmp_path: Path, database: Database, fault: Fault, left: int
) -> None:
    settings = replace(QUICK, missing_file_grace_seconds=0.6)
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        gateway.simulator.add_fault(fault)
        if left == 9:
            gateway.simulator.add_fault(Fault(call="run_batch", rows=RowFaults(lost=1)))
        batch = await gateway.ended((await gateway.create((await gateway.upload(CONTENT)).id)).id)
        assert batch.status == "completed"
        output, errors = await gateway.results(batch)
        assert sorted(ids_of(output) + ids_of(errors)) == IDS
        assert "batch_line_lost" in codes(errors)
        assert batch.request_counts is not None
        assert batch.request_counts.completed == len(ids_of(output)) <= left
        assert gateway.result_files()
        client = gateway.client()
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id is not None:
                await client.files.delete(file_id)
        with anyio.fail_after(PATIENCE_SECONDS):
            await gateway.simulator.until(lambda: not gateway.result_files())


async def cut_short(gateway: InProcess, how: str) -> Batch:
    """A batch that was cut short while it ran, with half of its requests executed."""
    batch = await gateway.create((await gateway.upload(CONTENT)).id)
    await gateway.reached(batch.id, "in_progress")
    if how == "cancelled":
        await gateway.client().batches.cancel(batch.id)
    else:
        for account in gateway.simulator.accounts.values():
            for job in account.batches.values():
                account.expire(job.id)
    return await gateway.ended(batch.id)


@pytest.mark.parametrize("how", ["cancelled", "expired"])
async def test_what_was_cut_short_ends_at_once_if_all_rows_are_there_that_were_counted(
    tmp_path: Path, database: Database, how: str
) -> None:
    simulator = Simulator(settings=replace(HELD, cut_short_results="partial"))
    settings = replace(QUICK, lost_grace_seconds=3600)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=settings
    ) as gateway:
        batch = await cut_short(gateway, how)
        assert batch.status == how
        output, errors = await gateway.results(batch)
        assert sorted(ids_of(output) + ids_of(errors)) == IDS
        assert 0 < len(ids_of(output)) < 9
        assert f"batch_{how}" in codes(errors)
        assert set(codes(errors)) <= {f"batch_{how}", None}
        assert batch.request_counts is not None
        assert batch.request_counts.completed == len(ids_of(output))


@pytest.mark.parametrize("how", ["cancelled", "expired"])
async def test_what_was_cut_short_and_names_no_file_ends_after_the_plain_grace(
    tmp_path: Path, database: Database, how: str
) -> None:
    simulator = Simulator(settings=replace(HELD, cut_short_results="none"))
    settings = replace(QUICK, lost_grace_seconds=1)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=settings
    ) as gateway:
        began = time.monotonic()
        batch = await cut_short(gateway, how)
        assert time.monotonic() - began > 1
        assert batch.status == how
        output, errors = await gateway.results(batch)
        assert (output, ids_of(errors)) == (b"", IDS)
        assert set(codes(errors)) == {f"batch_{how}"}


async def test_rows_are_not_lost_while_a_provider_has_ever_counted_more(
    tmp_path: Path, database: Database
) -> None:
    settings = replace(QUICK, lost_grace_seconds=0.05)
    async with running_gateway(
        tmp_path,
        database=database,
        simulator=Simulator(settings=replace(HELD, done_share=1.0)),
        settings=settings,
    ) as gateway:
        fewer = RequestCounts(total=12, completed=6, failed=3)
        gateway.simulator.add_fault(Fault(call="run_batch", rows=RowFaults(lost=3), counts=fewer))
        batch = await gateway.create((await gateway.upload(CONTENT)).id)

        async def all_are_counted() -> bool:
            counts = (await gateway.client().batches.retrieve(batch.id)).request_counts
            return counts is not None and counts.completed + counts.failed == 12

        await gateway.eventually(all_are_counted)
        began = time.monotonic()
        for account in gateway.simulator.accounts.values():
            account.release()
        ended = await gateway.ended(batch.id)
        assert time.monotonic() - began > 60 * 0.05
        assert codes((await gateway.results(ended))[1]).count("batch_line_lost") == 3


async def test_an_input_is_read_only_for_what_is_new_and_for_what_is_published(
    tmp_path: Path, database: Database
) -> None:
    settings = replace(QUICK, lost_grace_seconds=0.03)
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        gateway.simulator.add_fault(Fault(call="run_batch", rows=RowFaults(lost=2, doubled=1)))
        batch = await gateway.ended((await gateway.create((await gateway.upload(CONTENT)).id)).id)
        reads = [entry.filename or "" for entry in gateway.simulator.journal.select("stream_file")]
        outputs = [name for name in reads if name.endswith("_output.jsonl")]
        inputs = [name for name in reads if RESULTS not in name]
        # when the gap was new; when it was published, for the ids and for the rows of ours
        assert len(inputs) == 3
        assert len(outputs) > len(inputs)
        output, errors = await gateway.results(batch)
        assert sorted(ids_of(output) + ids_of(errors)) == IDS
