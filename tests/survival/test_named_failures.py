"""The failures that another system lists as open, by name, and one that never ends at a provider.

Source of the names: llm-d/llm-d-batch-gateway#645 and #653.
"""

from __future__ import annotations

import signal
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
import pytest
from msgspec.structs import replace
from openai import APIConnectionError, InternalServerError
from openai.types import Batch

from litebatch_asgi.simulator import Account, Fault, Simulator, SimulatorSettings
from litebatch_asgi.simulator.objects import BatchObject
from tests.database import Database, SQLiteDatabase
from tests.faults.tags import JOURNEY
from tests.harness import PATIENCE_SECONDS, ids_of, lines, running_gateway
from tests.survival.server import KEY, Deployed, deployed, replicas

HELD = SimulatorSettings(validating_seconds=0, cancelling_seconds=0, hold=frozenset({"in_progress"}))
LINES = 6
IDS = [f"request-{number}" for number in range(LINES)]
GONE = ("cancelling", "cancelled", "failed")


async def file_of(gateway: Deployed) -> str:
    """Upload a file."""
    return (await gateway.upload(lines(LINES), key=KEY)).id


async def only_batch(gateway: Deployed) -> Batch:
    """The one batch that there is, as it has ended."""
    client = gateway.client(KEY)
    (batch,) = [batch async for batch in client.batches.list()]
    return await gateway.ended(batch.id, key=KEY)


async def settled_once(gateway: Deployed, batch: Batch) -> None:
    """It has every id once, one provider job that was kept, and one charge."""
    output, errors = await gateway.results(batch, key=KEY)
    assert sorted(ids_of(output) + ids_of(errors)) == IDS
    kept = [job.id for job in gateway.provider_jobs() if job.status not in GONE]
    settled = "SELECT provider_batch_id FROM jobs JOIN charges ON job_id = jobs.id WHERE state = 'settled'"
    rows = [row[0] for row in await gateway.database.rows(settled)]
    assert len(rows) == 1
    assert batch.status == "cancelled" or rows == kept
    assert len(await gateway.database.rows("SELECT 1 FROM charges")) == 1


def copies_of(gateway: Deployed) -> Counter[str]:
    """How many copies each deployment has of anything."""
    return Counter(name for name in ("east", "west") for _ in gateway.provider_files(name))


@pytest.mark.parametrize("place", ["create.stored", "place.intended", "place.answered"])
async def test_create_crash_after_store(tmp_path: Path, database: Database, place: str) -> None:
    """The batch is stored, and its creator dies before the provider has it, or before that is written."""
    async with deployed(tmp_path, database=database) as gateway:
        await gateway.restart(f"{place}=kill")
        file_id = await file_of(gateway)
        with pytest.raises(APIConnectionError):
            await gateway.create(file_id, key=KEY)
        await gateway.server.died()
        await gateway.restart()
        batch = await only_batch(gateway)
        assert batch.status == "completed"
        await settled_once(gateway, batch)


@pytest.mark.parametrize("place", ["cancel.stored", "cancel.before"])
async def test_cancel_event_lost(tmp_path: Path, database: Database, place: str) -> None:
    """Who was to pass a cancellation on dies with it."""
    async with deployed(tmp_path, HELD, database) as gateway:
        await gateway.restart(f"{place}=kill")
        batch_id = (await gateway.create(await file_of(gateway), key=KEY)).id
        await gateway.reached(batch_id, "in_progress", key=KEY)
        client = gateway.client(KEY)
        with suppress(APIConnectionError):
            await client.batches.cancel(batch_id)
        await gateway.server.died()
        await gateway.restart()
        batch = await only_batch(gateway)
        assert batch.status == "cancelled"
        assert [job.status for job in gateway.provider_jobs()] == ["cancelled"]
        await settled_once(gateway, batch)


@pytest.mark.parametrize("place", ["upload.intended", "upload.answered"])
async def test_orphaned_blob(tmp_path: Path, database: Database, place: str) -> None:
    """An upload dies with a copy at a provider that no row names; a deletion dies when a copy is gone."""
    async with deployed(tmp_path, database=database) as gateway:
        await gateway.restart(f"{place}=kill")
        with pytest.raises(APIConnectionError):
            await file_of(gateway)
        await gateway.server.died()
        await gateway.restart("remove.done=kill")
        await gateway.server.died()  # in the middle of sweeping that away
        await gateway.restart()
        kept = await file_of(gateway)
        await gateway.simulator.until(lambda: copies_of(gateway) == {"east": 1, "west": 1})
        client = gateway.client(KEY)
        assert [file.id async for file in client.files.list()] == [kept]
        await client.files.delete(kept)
        await gateway.simulator.until(lambda: not copies_of(gateway))


@pytest.mark.parametrize("place", ["poll.ended", "settle.read", "settle.before", "settle.stored"])
async def test_finalization_strand(tmp_path: Path, database: Database, place: str) -> None:
    """The settler dies: not one batch stays `finalizing`, and none is settled twice."""
    async with deployed(tmp_path, database=database) as gateway:
        await gateway.restart(f"{place}=kill")
        file_id = await file_of(gateway)
        with suppress(APIConnectionError):
            await gateway.create(file_id, key=KEY)
        await gateway.server.died()
        await gateway.restart()
        batch = await only_batch(gateway)
        assert batch.status == "completed"
        await settled_once(gateway, batch)


@asynccontextmanager
async def zombie_at(
    place: str, folder: Path, database: Database
) -> AsyncGenerator[tuple[Deployed, Deployed]]:
    """A process that stops itself at a place, and an heir, which is still to be started."""
    settings = SimulatorSettings(validating_seconds=0, running_seconds=0.1)
    async with replicas(2, folder, settings, database) as (zombie, heir):
        await zombie.restart(f"{place}=stop")
        yield zombie, heir


@pytest.mark.parametrize("place", ["place.intended", "place.answered", "settle.before"])
async def test_zombie_owner(tmp_path: Path, database: Database, place: str) -> None:
    """Who goes on after its lease changes nothing: neither in the database nor at a provider."""
    async with zombie_at(place, tmp_path, database) as (zombie, heir):
        created = anyio.Event()

        async def create(file_id: str) -> None:
            await zombie.create(file_id, key=KEY)
            created.set()

        async def is_through() -> bool:
            is_told = "somebody else goes on with a job" in zombie.server.log
            return created.is_set() and (is_told or place.startswith("place"))

        file_id = await file_of(zombie)
        async with anyio.create_task_group() as group:
            group.start_soon(create, file_id)
            assert await zombie.server.stopped_within(PATIENCE_SECONDS)
            await heir.restart()
            batch = await only_batch(heir)
            assert batch.status == "completed"
            zombie.server.signal(signal.SIGCONT)
            await zombie.eventually(is_through)
            assert await only_batch(zombie) == batch
            await settled_once(heir, batch)


async def test_zombie_owner_of_an_upload(tmp_path: Path, database: Database) -> None:
    """The file of an uploader that was taken for dead is swept away, and its client is told so."""
    async with zombie_at("upload.answered", tmp_path, database) as (zombie, heir):
        told: list[InternalServerError] = []

        async def upload() -> None:
            with pytest.raises(InternalServerError) as refused:
                await file_of(zombie)
            told.append(refused.value)

        async with anyio.create_task_group() as group:
            group.start_soon(upload)
            assert await zombie.server.stopped_within(PATIENCE_SECONDS)
            await heir.restart()
            await heir.simulator.until(lambda: bool(heir.simulator.journal.select("delete_file")))
            zombie.server.signal(signal.SIGCONT)
        assert [error.status_code for error in told] == [503]
        await heir.simulator.until(lambda: not copies_of(heir))
        client = heir.client(KEY)
        assert [file async for file in client.files.list()] == []


async def test_async_result_destruction(tmp_path: Path, database: Database) -> None:
    """Reading results uses nothing up: who dies with what it has read leaves it to be read again."""
    async with deployed(tmp_path, database=database) as gateway:
        await gateway.restart("settle.read=kill")
        file_id = await file_of(gateway)
        with suppress(APIConnectionError):
            await gateway.create(file_id, key=KEY)
        await gateway.server.died()
        await gateway.restart()
        batch = await only_batch(gateway)
        stalled = gateway.simulator.add_fault(Fault(call="stream_file", match="batch_", stall=True))
        async with anyio.create_task_group() as group:
            group.start_soon(_read_in_vain, gateway, batch.output_file_id)
            await gateway.simulator.until(lambda: stalled.struck == 1)
            await gateway.server.kill()
        gateway.simulator.remove_fault(stalled)
        await gateway.restart()
        assert await only_batch(gateway) == batch
        await settled_once(gateway, batch)


async def _read_in_vain(gateway: Deployed, file_id: str | None) -> None:
    with pytest.raises((APIConnectionError, httpx2.TransportError)):
        await gateway.content(file_id, key=KEY)


async def test_a_job_that_is_stuck_for_days_can_be_cancelled_and_holds_up_no_other(
    tmp_path: Path, database: Database
) -> None:
    """Source: googleapis/python-genai#1482, a provider job stuck for more than a day."""
    simulator = Simulator(settings=replace(HELD, flavour="azure"))  # whose jobs do not expire
    async with running_gateway(
        tmp_path, simulator=simulator, flavour="azure v1", database=database
    ) as gateway:
        file = await gateway.upload()
        stuck = await gateway.create(file.id)
        await gateway.reached(stuck.id, "in_progress")
        await let_days_pass(database, 3)
        asked = len(simulator.journal)
        await simulator.until(lambda: len(simulator.journal.select("retrieve_batch", after=asked)) > 1)
        assert (await gateway.client().batches.retrieve(stuck.id)).status == "in_progress"
        other = await gateway.create(file.id, metadata={JOURNEY: "other"})
        await gateway.reached(other.id, "in_progress")
        for account, job in all_jobs(simulator):
            if JOURNEY in (job.metadata or {}):
                account.release(job.id)
        assert (await gateway.ended(other.id)).status == "completed"
        await gateway.client().batches.cancel(stuck.id)
        assert (await gateway.ended(stuck.id)).status == "cancelled"


def all_jobs(simulator: Simulator) -> list[tuple[Account, BatchObject]]:
    """The batches of all accounts."""
    accounts = simulator.accounts.values()
    return [(account, batch) for account in accounts for batch in account.batches.values()]


async def let_days_pass(database: Database, days: int) -> None:
    """Let everything have been made so many days earlier."""
    ago = days * 86_400_000_000
    for statement in (
        f"UPDATE batches SET created_at = created_at - {ago}, expires_at = expires_at - {ago}",
        f"UPDATE jobs SET created_at = created_at - {ago}, submit_started_at = submit_started_at - {ago}",
    ):
        if isinstance(database, SQLiteDatabase):
            await anyio.to_thread.run_sync(_write, database.url.removeprefix("sqlite:///"), statement)
        else:
            await database.rows(statement)


def _write(path: str, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
