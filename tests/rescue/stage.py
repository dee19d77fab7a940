"""What stories of rescue share: a gateway that rescues early, and what must hold of every batch."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from msgspec.structs import replace
from openai.types import Batch as OpenAIBatch

from litebatch_asgi.simulator import ArmedFault, Course, Fault, Simulator, SimulatorSettings, overlaps
from tests.harness import QUICK, InProcess, lines, rows_of

SETTINGS = replace(QUICK, rescue=True, min_retry_rows=1, late_rows_grace_seconds=0.5)
RUNNING = SimulatorSettings(validating_seconds=0, running_seconds=0.04, finalizing_seconds=0)


def first_runs(gateway: InProcess, course: Course, *, times: int | None = 1) -> ArmedFault:
    """Let the next batch that starts anywhere take this course, or so many of them."""
    return gateway.simulator.add_fault(Fault(call="start_batch", times=times, course=course))


async def begun(gateway: InProcess, count: int, **options: Any) -> OpenAIBatch:
    """A batch of so many lines."""
    file = await gateway.upload(lines(count))
    return await gateway.create(file.id, **options)


async def sizes(simulator: Simulator) -> list[int]:
    """How many lines each job of all providers has had, the first one first."""
    jobs = sorted(await simulator.jobs(), key=lambda job: job.created_at)
    return [len(job.custom_ids or ()) for job in jobs]


async def each_once(gateway: InProcess, batch: OpenAIBatch, count: int) -> Counter[str]:
    """The error codes of an ended batch, in which each line comes out once.

    Counts are those of the rows, charges those of the completed ones, and no line was ever sent to a job
    while another one could run it.
    """
    output, error = await gateway.results(batch)
    rows = [*rows_of(output), *rows_of(error)]
    assert sorted(row["custom_id"] for row in rows) == sorted(f"request-{number}" for number in range(count))
    completed = [
        row for row in rows_of(output) if row["error"] is None and row["response"]["status_code"] == 200
    ]
    counts = batch.request_counts
    assert counts is not None
    assert (counts.total, counts.completed, counts.failed) == (count, len(completed), count - len(completed))
    charged = [json.loads(usage) for (usage,) in await gateway.database.rows("SELECT usage FROM charges")]
    assert sum(usage["requests"] for usage in charged) == len(completed)
    assert overlaps(await gateway.simulator.jobs(), by="custom_id") == []
    assert await gateway.database.rows("SELECT 1 FROM reservations") == []
    return Counter(row["error"]["code"] for row in rows if row["error"])


async def same_twice(gateway: InProcess, batch_id: str) -> None:
    """What a client sees of an ended batch, the bytes of its results included, does not change."""
    seen: list[tuple[OpenAIBatch, bytes, bytes]] = []
    for _ in range(2):
        batch = await gateway.client().batches.retrieve(batch_id)
        seen.append((batch, *await gateway.results(batch)))
    assert seen[0] == seen[1]
