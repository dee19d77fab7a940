"""What a client has seen once of a batch that has ended does not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.files.expiry import Sweeper
from litebatch_asgi.simulator import Course, Fault, RowFaults
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import InProcess, deployments, lines
from tests.journey.test_derived_copies import runtime_of
from tests.rescue.hours import Hours
from tests.rescue.stage import RUNNING, SETTINGS, each_once, first_runs


async def seen(gateway: InProcess, batch_id: str) -> tuple[dict[str, Any], list[dict[str, Any]], list[bytes]]:
    """The batch, its result files and their bytes, as they come over HTTP."""
    async with gateway.http() as http:
        batch = (await http.get(f"/batches/{batch_id}")).json()
        ids = [id_ for id_ in (batch["output_file_id"], batch["error_file_id"]) if id_]
        files = [(await http.get(f"/files/{id_}")).json() for id_ in ids]
        return batch, files, [(await http.get(f"/files/{id_}/content")).content for id_ in ids]


async def test_ids_counts_and_bytes_stay_what_they_are(tmp_path: Path, database: Database) -> None:
    """Three parts, of which one expires, one has rows twice, and all have lines that fail."""
    hours = Hours()
    simulator = hours.simulator(replace(RUNNING, first_run_status=500, first_run_share=0.3))
    async with simulator.running() as provider:
        served = deployments(provider, max_job_requests=8)

        def start() -> Any:
            return gateway_on(
                simulator,
                provider,
                tmp_path,
                settings=replace(SETTINGS, row_retries=0),
                database=database,
                served=served,
                clock=hours.now,
            )

        async with start() as gateway:
            first_runs(gateway, Course(ends_at=0.5, ends_as="expired"))
            simulator.add_fault(Fault(call="run_batch", rows=RowFaults(doubled=3, foreign=1, lost=1)))
            file = await gateway.upload(lines(24))
            batch = await gateway.ended((await gateway.create(file.id)).id)
            assert batch.status == "completed"
            await each_once(gateway, batch, 24)
            before = await seen(gateway, batch.id)
            assert len(before[1]) == 2
            await gateway.client().files.delete(file.id)
            await gateway.eventually(lambda: _are_removed(gateway))
            assert await seen(gateway, batch.id) == before
            hours.skip(simulator, 24 * 20)
            await Sweeper(runtime_of(gateway)).sweep()
            assert await seen(gateway, batch.id) == before
        async with start() as gateway:
            await Sweeper(runtime_of(gateway)).sweep()
            assert await seen(gateway, batch.id) == before


async def _are_removed(gateway: InProcess) -> bool:
    return not gateway.provider_files("east") + gateway.provider_files("west")
