"""kill -9 at named places, beyond those of the named failures: nothing is lost, nothing is done twice."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from openai import APIConnectionError, APIStatusError
from openai.types import Batch

from tests.database import Database
from tests.harness import ids_of, lines
from tests.survival.server import KEY, Deployed, deployed

UPLOADING = ["upload.created", "upload.stored"]
CREATING = ["create.before", "place.answered", "place.stored"]


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


async def check(gateway: Deployed) -> None:
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
    charges = await gateway.database.rows("SELECT batch_id FROM charges")
    assert Counter(charges) == Counter((batch.id,) for batch in batches)
    settled = await gateway.database.rows("SELECT provider_batch_id FROM jobs WHERE state = 'settled'")
    assert {row[0] for row in settled} == {job.id for job in running}


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
async def test_killed_while_uploading(tmp_path: Path, database: Database, place: str) -> None:
    async with deployed(tmp_path, database=database) as gateway:
        await gateway.restart(f"{place}=kill")
        assert await uploaded(gateway) is None
        await gateway.server.died()
        await gateway.restart()
        again = await uploaded(gateway)
        assert again is not None
        client = gateway.client(KEY)
        listed = {file.id async for file in client.files.list()}
        assert again in listed
        await no_orphans(gateway, listed)
        assert await created(gateway, again) is not None
        await check(gateway)


@pytest.mark.parametrize("place", CREATING)
async def test_killed_while_creating_and_the_load_changes_meanwhile(
    tmp_path: Path, database: Database, place: str
) -> None:
    """Source: llm-d/llm-d-batch-gateway#645, death after the provider took the job, before it was written."""
    async with deployed(tmp_path, database=database) as gateway:
        await gateway.restart(f"{place}=kill")
        file_id = await uploaded(gateway)
        assert file_id is not None
        assert await created(gateway, file_id) is None
        await gateway.server.died()
        await gateway.restart()
        for _ in range(3):  # what lay with one deployment alone now lies with both
            assert await created(gateway, file_id) is not None
        await check(gateway)
        assert len(await batches_of(gateway)) == (3 if place == "create.before" else 4)
        await no_orphans(gateway, {file_id})


async def test_killed_while_a_copy_is_removed(tmp_path: Path, database: Database) -> None:
    async with deployed(tmp_path, database=database) as gateway:
        await gateway.restart("remove.done=kill")
        file_id = await uploaded(gateway)
        assert file_id is not None
        client = gateway.client(KEY)
        with suppress(APIConnectionError):
            await client.files.delete(file_id)
        await gateway.server.died()
        await gateway.restart()
        await no_orphans(gateway, set())
