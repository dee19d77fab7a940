"""kill -9 at each step of an upload in parts: nothing is lost, is there twice, or stays for ever."""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest
from openai import APIConnectionError, InternalServerError

from tests.database import Database
from tests.harness import PATIENCE_SECONDS
from tests.survival.server import KEY, Deployed, deployed, replicas
from tests.uploads.sending import CONTENT, begin, pieces, send

PARTS = pieces(CONTENT, 3000)


@pytest.fixture
async def gateway(tmp_path: Path, database: Database) -> AsyncGenerator[Deployed]:
    """A gateway process that keeps contents in a folder."""
    (tmp_path / "contents").mkdir()
    store = (tmp_path / "contents").as_uri()
    async with deployed(tmp_path, database=database, content_store=store) as gateway:
        yield gateway


async def one_file_and_no_content(gateway: Deployed, folder: Path, file_id: str) -> None:
    """There is this file and no other, at each deployment once; of its parts nothing is left."""
    client = gateway.client(KEY)
    assert [file.id async for file in client.files.list()] == [file_id]
    assert (await client.files.content(file_id)).content == CONTENT

    def has_copies() -> bool:
        return all(
            [file.filename[:33] for file in gateway.provider_files(name)] == [file_id]
            for name in ("east", "west")
        )

    await gateway.simulator.until(has_copies)
    assert await gateway.database.rows("SELECT status FROM uploads") == [("completed",)]
    assert await gateway.database.rows("SELECT id FROM upload_parts") == []

    async def is_discarded() -> bool:
        in_use = await gateway.database.rows("SELECT 1 FROM contents WHERE state <> 'deleting'")
        return not in_use and not list((folder / "contents").iterdir())

    await gateway.eventually(is_discarded)


@pytest.mark.parametrize(
    "place", ["content.put", "part.kept", pytest.param("content.begun", marks=pytest.mark.long)]
)
async def test_killed_while_a_part_is_kept(gateway: Deployed, tmp_path: Path, place: str) -> None:
    """The client sends it again, and what there is of the first try goes."""
    await gateway.restart(f"{place}=2*kill")
    client = gateway.client(KEY)
    upload = await begin(client)
    ids = await send(client, upload.id, PARTS[:1])
    with pytest.raises(APIConnectionError):
        await send(client, upload.id, PARTS[1:2])
    await gateway.server.died()
    await gateway.restart()
    ids += await send(client, upload.id, PARTS[1:])
    completed = await client.uploads.complete(upload.id, part_ids=ids)
    assert completed.file is not None
    await one_file_and_no_content(gateway, tmp_path, completed.file.id)


@pytest.mark.parametrize(
    "place",
    [
        "upload.created",
        "upload.stored",
        "completion.accepted",
        *(
            pytest.param(place, marks=pytest.mark.long)
            for place in ("completion.poured", "upload.intended", "upload.answered", "completion.ended")
        ),
    ],
)
async def test_killed_while_an_upload_is_completed(gateway: Deployed, tmp_path: Path, place: str) -> None:
    """Completed again it is one file: that of the first try, where that was accepted."""
    await gateway.restart(f"{place}=kill")
    client = gateway.client(KEY)
    upload = await begin(client)
    ids = await send(client, upload.id, PARTS)
    with pytest.raises(APIConnectionError):
        await client.uploads.complete(upload.id, part_ids=ids)
    await gateway.server.died()
    await gateway.restart()
    completed = await client.uploads.complete(upload.id, part_ids=ids)
    assert completed.file is not None
    await one_file_and_no_content(gateway, tmp_path, completed.file.id)


async def test_stopped_while_a_part_is_kept(tmp_path: Path, database: Database) -> None:
    """Woken after its lease, when somebody else has thrown its content away, it says so."""
    (tmp_path / "contents").mkdir()
    store = (tmp_path / "contents").as_uri()
    async with replicas(2, tmp_path, database=database, content_store=store) as (zombie, heir):
        await zombie.restart("content.put=stop")
        client = zombie.client(KEY)
        upload = await begin(client)

        async def is_discarded() -> bool:
            return await zombie.database.rows("SELECT state FROM contents") == [("deleting",)]

        async def wake() -> None:
            assert await zombie.server.stopped_within(PATIENCE_SECONDS)
            await heir.restart()
            await heir.eventually(is_discarded)
            zombie.server.signal(signal.SIGCONT)

        async with anyio.create_task_group() as group:
            group.start_soon(wake)
            with pytest.raises(InternalServerError, match="not kept in time"):
                await send(client, upload.id, [CONTENT])
        ids = await send(client, upload.id, [CONTENT])
        completed = await client.uploads.complete(upload.id, part_ids=ids)
        assert completed.file is not None
        await one_file_and_no_content(zombie, tmp_path, completed.file.id)
