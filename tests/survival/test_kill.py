"""kill -9 at every named place: nothing is lost, nothing is done twice."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from openai import APIConnectionError, APIStatusError
from openai.types import Batch

from tests.harness import ids_of, lines
from tests.survival.server import KEY, Deployed, deployed, rows

UPLOADING = ["upload.created", "upload.intended", "upload.answered", "upload.stored"]
CREATING = ["create.before", "create.stored", "place.intended", "place.answered", "place.stored"]
SETTLING = ["poll.ended", "settle.read", "settle.before", "settle.stored"]


async def uploaded(gateway: Deployed) -> str | None:
    """The id of a file whose upload was acknowledged."""
    try:
        return (await gateway.upload(lines(6), key=KEY)).id
    except (APIConnectionError, APIStatusError):
        return None


async def created(gateway: Deployed, file_id: str) -> str | None:
    """The id of a batch whose create was acknowledged."""
    try:
        return (await gateway.create(file_id, key=KEY)).id
    except (APIConnectionError, APIStatusError):
        return None


async def batches_of(gateway: Deployed) -> list[Batch]:
    client = gateway.client(KEY)
    return [batch async for batch in client.batches.list()]


async def check(gateway: Deployed, folder: Path) -> None:
    """Every batch has ended as it should, is run by one job, charged once, and its ids are conserved."""
    batches = [await gateway.ended(batch.id, key=KEY) for batch in await batches_of(gateway)]
    for batch in batches:
        assert batch.status == "completed", gateway.server.log
        output, errors = await gateway.results(batch, key=KEY)
        assert sorted(ids_of(output) + ids_of(errors)) == [f"request-{n}" for n in range(6)]
        assert batch.request_counts is not None
        assert batch.request_counts.completed == 6
    running = [
        job for job in gateway.provider_jobs() if job.status not in ("cancelled", "cancelling", "failed")
    ]
    assert len(running) == len(batches), gateway.server.log
    charges = rows(folder, "SELECT batch_id FROM charges")
    assert Counter(charges) == Counter((batch.id,) for batch in batches)
    known = {entry[0] for entry in rows(folder, "SELECT provider_batch_id FROM jobs WHERE state = 'settled'")}
    assert known == {job.id for job in running}


async def no_orphans(gateway: Deployed, acknowledged: set[str]) -> None:
    """The providers keep copies of acknowledged files, one each, and of no others."""

    def holds() -> bool:
        for name in ("east", "west"):
            kept = Counter(file.filename[: len("file-lb") + 26] for file in gateway.provider_files(name))
            if kept != Counter(acknowledged):
                return False
        return True

    await gateway.simulator.until(holds)


@pytest.mark.parametrize("place", UPLOADING)
async def test_killed_while_uploading(tmp_path: Path, place: str) -> None:
    async with deployed(tmp_path) as gateway:
        gateway.server.start(f"{place}=kill")
        await gateway.server.ready()
        assert await uploaded(gateway) is None
        await gateway.server.died()
        gateway.server.start()
        await gateway.server.ready()
        again = await uploaded(gateway)
        assert again is not None
        client = gateway.client(KEY)
        listed = {file.id async for file in client.files.list()}
        assert again in listed
        await no_orphans(gateway, listed)
        assert await created(gateway, again) is not None
        await check(gateway, tmp_path)


@pytest.mark.parametrize("place", CREATING)
async def test_killed_while_creating_and_the_load_changes_meanwhile(tmp_path: Path, place: str) -> None:
    """Source: llm-d/llm-d-batch-gateway#645, death after the provider took the job, before it was written."""
    async with deployed(tmp_path) as gateway:
        gateway.server.start(f"{place}=kill")
        await gateway.server.ready()
        file_id = await uploaded(gateway)
        assert file_id is not None
        assert await created(gateway, file_id) is None
        await gateway.server.died()
        gateway.server.start()
        await gateway.server.ready()
        for _ in range(3):  # what lay with one deployment alone now lies with both
            assert await created(gateway, file_id) is not None
        await check(gateway, tmp_path)
        assert len(await batches_of(gateway)) == (3 if place == "create.before" else 4)
        await no_orphans(gateway, {file_id})


@pytest.mark.parametrize("place", SETTLING)
async def test_killed_in_the_middle_of_settling(tmp_path: Path, place: str) -> None:
    """Source: llm-d/llm-d-batch-gateway#653, death while settling: never finished, or settled twice."""
    async with deployed(tmp_path) as gateway:
        gateway.server.start(f"{place}=kill")
        await gateway.server.ready()
        file_id = await uploaded(gateway)
        assert file_id is not None
        batch_id = await created(gateway, file_id)
        await gateway.server.died()
        gateway.server.start()
        await gateway.server.ready()
        assert [batch.id for batch in await batches_of(gateway)] == [batch_id] if batch_id else True
        await check(gateway, tmp_path)


@pytest.mark.parametrize("place", ["cancel.stored", "cancel.before"])
async def test_a_cancel_that_was_asked_for_survives(tmp_path: Path, place: str) -> None:
    """Source: llm-d/llm-d-batch-gateway#645, a cancel that was asked for and lost at a restart."""
    from litebatch_asgi.simulator import SimulatorSettings

    settings = SimulatorSettings(hold=frozenset({"in_progress"}))
    async with deployed(tmp_path, settings) as gateway:
        gateway.server.start(f"{place}=kill")
        await gateway.server.ready()
        file_id = await uploaded(gateway)
        assert file_id is not None
        batch_id = await created(gateway, file_id)
        assert batch_id is not None
        await gateway.reached(batch_id, "in_progress", key=KEY)
        client = gateway.client(KEY)
        with suppress(APIConnectionError):
            await client.batches.cancel(batch_id)
        await gateway.server.died()
        gateway.server.start()
        await gateway.server.ready()
        batch = await gateway.ended(batch_id, key=KEY)
        assert batch.status == "cancelled"
        output, errors = await gateway.results(batch, key=KEY)
        assert sorted(ids_of(output) + ids_of(errors)) == [f"request-{n}" for n in range(6)]


async def test_killed_while_a_copy_is_removed(tmp_path: Path) -> None:
    async with deployed(tmp_path) as gateway:
        gateway.server.start("remove.done=kill")
        await gateway.server.ready()
        file_id = await uploaded(gateway)
        assert file_id is not None
        client = gateway.client(KEY)
        with suppress(APIConnectionError):
            await client.files.delete(file_id)
        await gateway.server.died()
        gateway.server.start()
        await gateway.server.ready()
        await no_orphans(gateway, set())
