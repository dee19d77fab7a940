"""Journeys of results that are not all there, or not what they were, each told by what came out wrong."""

from __future__ import annotations

from pathlib import Path

import httpx2
from msgspec.structs import replace

from litebatch_asgi.simulator import Fault, RowFaults, Simulator
from litebatch_asgi.simulator.objects import RequestCounts
from tests.faults.calls import RESULTS
from tests.faults.stage import HELD, gateway_on
from tests.faults.world import CONTENT, IDS
from tests.harness import HASTY, rows_of

GRACE = replace(HASTY, lost_grace_seconds=0.01)
MOST_READS = 3
"""of an input: when a gap is new; when it is published, for the ids and for the rows that are made for it"""


async def results_that_changed(folder: Path) -> list[str]:
    """A provider gives other bytes than it gave when the batch ended: what a reader is told then."""
    simulator = Simulator()
    async with simulator.running() as provider, gateway_on(simulator, provider, folder) as gateway:
        batch = await gateway.ended((await gateway.create((await gateway.upload(CONTENT)).id)).id)
        changed = (await gateway.content(batch.output_file_id)).replace(b"assistant", b"ASSISTANT").decode()
        simulator.add_fault(Fault(call="stream_file", match=RESULTS, status=200, body=changed, times=None))
        async with gateway.http() as http:
            try:
                answer = await http.get(f"/files/{batch.output_file_id}/content")
            except httpx2.TransportError:
                return []
        return [] if answer.status_code == 503 else [f"{answer.status_code}: {len(answer.content)} bytes"]


async def counts_that_begin_anew(folder: Path) -> list[str]:
    """A provider forgets what it has counted when a batch ends, and names its results late."""
    simulator = Simulator(settings=replace(HELD, done_share=1.0))
    settings = replace(HASTY, lost_grace_seconds=0.1)
    async with (
        simulator.running() as provider,
        gateway_on(simulator, provider, folder, settings=settings) as gateway,
    ):
        anew = Fault(call="run_batch", ids_late=8, counts=RequestCounts(total=len(IDS)))
        simulator.add_fault(anew)
        batch = await gateway.create((await gateway.upload(CONTENT)).id)

        async def all_are_counted() -> bool:
            counts = (await gateway.client().batches.retrieve(batch.id)).request_counts
            return counts is not None and counts.completed + counts.failed == len(IDS)

        await gateway.eventually(all_are_counted)
        for account in simulator.accounts.values():
            account.release()
        _, errors = await gateway.results(await gateway.ended(batch.id))
        lost = sum(row["response"] is None for row in rows_of(errors))
        return [f"{lost} rows are lost"] if lost else []


async def gap_in_results(folder: Path) -> list[str]:
    """A provider has lost rows: how often the input is read until that is believed."""
    simulator = Simulator()
    async with (
        simulator.running() as provider,
        gateway_on(simulator, provider, folder, settings=GRACE) as gateway,
    ):
        simulator.add_fault(Fault(call="run_batch", rows=RowFaults(lost=3)))
        await gateway.ended((await gateway.create((await gateway.upload(CONTENT)).id)).id)
        reads = [entry.filename or "" for entry in simulator.journal.select("stream_file")]
        of_input = sum(RESULTS not in name for name in reads)
        return [f"the input was read {of_input} times"] if of_input > MOST_READS else []
