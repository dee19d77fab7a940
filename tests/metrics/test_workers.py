"""`--workers N`: whichever worker is asked, it tells what all of them have counted."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import psutil
import pytest

from litebatch_asgi.metrics.slots import FOLDER
from litebatch_asgi.simulator import SimulatorSettings
from litebatch_asgi.simulator.faults import Fault
from tests.database import Database
from tests.harness import SWIFT, lines
from tests.metrics.scraping import Scrape, scraped, until
from tests.replicas.running import SERVE, Replica, Site, site

THREE = (*SERVE, "--workers", "3")
COUNTED = (
    "managed_batch_created_total",
    "managed_batch_duration_seconds_count",
    "settle_duration_seconds_count",
)


@pytest.fixture
def backend() -> str:
    return "postgresql"


@pytest.fixture
async def here(tmp_path: Path, database: Database) -> AsyncGenerator[Site]:
    settings: SimulatorSettings = SWIFT
    async with site(tmp_path, database.url, settings) as running:
        yield running


def folder_of(worker: int) -> Path:
    return Path(psutil.Process(worker).environ()[FOLDER])


async def journeys(replica: Replica, count: int) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(count):
            tasks.start_soon(journey, replica, number)


async def journey(replica: Replica, number: int) -> None:
    client = replica.client(f"key-{number}")  # a connection of its own
    file = await replica.upload(lines(2 + number), key=f"key-{number}")
    batch = await replica.create(file.id, key=f"key-{number}")
    assert (await replica.ended(batch.id, key=f"key-{number}")).status == "completed"
    await client.files.delete(file.id)


async def settled(replica: Replica, count: int) -> Scrape:
    await until(replica.address, None, "settle_duration_seconds_count", count)
    return await until(replica.address, None, "managed_batch_duration_seconds_count", count)


async def test_all_of_them_are_summed_up(here: Site) -> None:
    replica = await here.replica(*THREE)
    workers = await replica.served_by(3)
    (folder,) = {folder_of(worker) for worker in workers}
    await journeys(replica, 9)
    scrape = await settled(replica, 9)
    uploads = Counter(line["worker"] for line in replica.log() if line.get("path") == "/v1/files")
    assert sum(uploads.values()) == 9
    again = await scraped(replica.address)
    for each in (scrape, again):
        assert each.of("managed_batch_created_total") == each.of("managed_file_created_total") == 9
        assert each.of("managed_file_deleted_total") == 9
        assert each.of("managed_batch_duration_seconds_count", status="completed") == 9
        assert each.of("managed_batch_duration_seconds_bucket", le="+Inf") == 9
        assert each.of("provider_call_duration_seconds_count", call="create_batch", outcome="ok") == 9
        assert each.of("provider_call_duration_seconds_count", call="upload_file", outcome="ok") == 18
        assert each.of("proxy_requests_total", route="/files", method="POST", status_code="200") == 9
        assert each.of("storage_up") == 1
    assert folder.is_dir()
    assert await replica.stop() == 0
    assert not folder.exists()


async def test_a_worker_that_dies_keeps_what_it_counted_and_not_how_things_were(here: Site) -> None:
    """Its place is taken by the one that replaces it, so that no files heap up."""
    replica = await here.replica(*THREE)
    workers = await replica.served_by(3)
    folder = folder_of(next(iter(workers)))
    here.simulator.add_fault(Fault(call="create_batch", account="east", status=403, times=None))
    here.simulator.add_fault(Fault(call="create_batch", account="west", status=403, times=1))
    await journeys(replica, 1)
    before = await settled(replica, 1)
    resting = "deployment_resting_until_timestamp_seconds"
    assert before.of(resting, deployment="east") > 1e9
    files = {file.name for file in folder.glob("*.db")}
    assert len({name.rpartition("_")[2] for name in files}) == 3
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    await replica.served_by(6)
    after = await scraped(replica.address)
    assert {file.name for file in folder.glob("*.db")} == files
    for name in COUNTED:
        assert after.of(name) == before.of(name) == 1
    assert after.of(resting) == 0
    await journeys(replica, 2)
    last = await settled(replica, 3)
    assert last.of("managed_batch_created_total") == 3


async def test_without_their_parent_they_leave_no_folder(here: Site) -> None:
    replica = await here.replica(*THREE)
    folder = folder_of(next(iter(await replica.served_by(3))))
    assert any(folder.iterdir())
    replica.signal(signal.SIGKILL)

    async def is_gone() -> bool:
        return not folder.exists()

    await replica.eventually(is_gone)
