"""Files that are sent in parts, with the stock client: from the first part to the results of a batch."""

from __future__ import annotations

import hashlib
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types import Upload

from tests.database import Database
from tests.harness import InProcess, ids_of, running_gateway
from tests.uploads.sending import CONTENT, begin, pieces, send


async def nothing_left(gateway: InProcess) -> None:
    """No part is there any more, nor a content that is not about to be deleted."""
    assert await gateway.database.rows("SELECT id FROM upload_parts") == []
    states = await gateway.database.rows("SELECT DISTINCT state FROM contents")
    assert states in ([], [("deleting",)])


async def check_file(gateway: InProcess, upload: Upload, content: bytes = CONTENT) -> str:
    """What a completed upload has become; its id."""
    assert upload.status == "completed"
    assert upload.file is not None
    file = await gateway.client().files.retrieve(upload.file.id)
    assert file == upload.file
    assert (file.bytes, file.filename, file.purpose) == (len(content), upload.filename, upload.purpose)
    assert await gateway.content(file.id) == content
    await nothing_left(gateway)
    return file.id


async def test_the_stock_client_sends_a_file_in_parts(gateway: InProcess, tmp_path: Path) -> None:
    """The file is one like any other: it is at all deployments, and a batch runs it."""
    path = tmp_path / "in.jsonl"
    path.write_bytes(CONTENT)
    upload = await gateway.client().uploads.upload_file_chunked(
        file=path,
        mime_type="application/jsonl",
        purpose="batch",
        part_size=1000,
        md5=hashlib.md5(CONTENT, usedforsecurity=False).hexdigest(),
    )
    file_id = await check_file(gateway, upload)
    for account in ("east", "west"):
        assert len(gateway.provider_files(account)) == 1
    batch = await gateway.ended((await gateway.create(file_id)).id)
    output, _ = await gateway.results(batch)
    assert len(ids_of(output)) == 30


async def test_the_synchronous_client(gateway: InProcess) -> None:
    def upload() -> Upload:
        with OpenAI(base_url=f"{gateway.address}/v1", api_key="alice", max_retries=0) as client:
            return client.uploads.upload_file_chunked(
                file=CONTENT,
                filename="in.jsonl",
                bytes=len(CONTENT),
                mime_type="text/jsonl",
                purpose="batch",
                part_size=4000,
            )

    await check_file(gateway, await anyio.to_thread.run_sync(upload))


async def test_parts_come_at_once_and_in_any_order(gateway: InProcess) -> None:
    """Only the order in which they are named at the end counts; what is not named is dropped."""
    client = gateway.client()
    upload = await begin(client)
    assert (upload.status, upload.file, upload.bytes) == ("pending", None, len(CONTENT))
    assert upload.expires_at == upload.created_at + 3600
    parts = pieces(CONTENT)
    ids: dict[int, str] = {}

    async def one(number: int) -> None:
        [ids[number]] = await send(client, upload.id, [parts[number]])

    async with anyio.create_task_group() as group:
        for number in reversed(range(len(parts))):
            group.start_soon(one, number)
    again = await send(client, upload.id, parts[:2])
    assert not set(again) & set(ids.values())
    in_order = [ids[number] for number in range(len(parts))]
    await check_file(gateway, await client.uploads.complete(upload.id, part_ids=[again[0], *in_order[1:]]))


async def test_it_goes_on_after_a_restart(tmp_path: Path, database: Database) -> None:
    """In another process, which may have come to be at any time."""
    parts = pieces(CONTENT, 2000)
    async with running_gateway(tmp_path, database=database) as gateway:
        upload = await begin(gateway.client())
        first = await send(gateway.client(), upload.id, parts[:2])
    async with (
        running_gateway(tmp_path, database=database) as gateway,
        running_gateway(tmp_path, database=database, simulator=gateway.simulator) as other,
    ):
        second = await send(other.client(), upload.id, parts[2:3])
        third = await send(gateway.client(), upload.id, parts[3:])
        completed = await other.client().uploads.complete(upload.id, part_ids=[*first, *second, *third])
        await check_file(other, completed)


async def test_completed_again_it_is_the_same_file(gateway: InProcess) -> None:
    """As a client asks that has lost the answer; in another way it is refused."""
    client = gateway.client()
    upload = await begin(client)
    ids = await send(client, upload.id, pieces(CONTENT, 3000))
    first = await client.uploads.complete(upload.id, part_ids=ids)
    assert await client.uploads.complete(upload.id, part_ids=ids) == first
    for other in (list(reversed(ids)), ids[:1]):
        with pytest.raises(BadRequestError, match="is completed already, with other parts"):
            await client.uploads.complete(upload.id, part_ids=other)
    assert [file.id for file in (await client.files.list()).data] == [await check_file(gateway, first)]
    assert first.file is not None
    await client.files.delete(first.file.id)
    gone = await client.uploads.complete(upload.id, part_ids=ids)
    assert (gone.status, gone.file) == ("completed", None)


async def test_completed_twice_at_once_it_is_one_file(gateway: InProcess) -> None:
    client = gateway.client()
    upload = await begin(client)
    ids = await send(client, upload.id, pieces(CONTENT, 3000))
    files: set[str] = set()

    async def complete() -> None:
        completed = await client.uploads.complete(upload.id, part_ids=ids)
        assert completed.file is not None
        files.add(completed.file.id)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(complete)
    assert [file.id for file in (await client.files.list()).data] == list(files)
    for account in ("east", "west"):
        assert len(gateway.provider_files(account)) == 1


async def test_a_file_that_is_refused_can_be_mended(gateway: InProcess) -> None:
    """Its lines are checked as those of any file, and the upload stays open."""
    client = gateway.client()
    wrong, right = b'{"custom_id": "a"}\n' + CONTENT[:100], CONTENT
    upload = await begin(client, wrong)
    bad = await send(client, upload.id, [wrong])
    with pytest.raises(BadRequestError) as refused:
        await client.uploads.complete(upload.id, part_ids=bad)
    assert refused.value.code == "missing_required_parameter"
    assert (await client.files.list()).data == []
    await client.uploads.cancel(upload.id)
    upload = await begin(client, right)
    bad = await send(client, upload.id, [bytes(len(right))])
    with pytest.raises(BadRequestError):
        await client.uploads.complete(upload.id, part_ids=bad)
    good = await send(client, upload.id, [right])
    await check_file(gateway, await client.uploads.complete(upload.id, part_ids=good))


async def test_a_cancelled_upload_takes_nothing_more(gateway: InProcess) -> None:
    client = gateway.client()
    upload = await begin(client)
    ids = await send(client, upload.id, [CONTENT])
    cancelled = await client.uploads.cancel(upload.id)
    assert (cancelled.id, cancelled.status, cancelled.file) == (upload.id, "cancelled", None)
    assert await client.uploads.cancel(upload.id) == cancelled
    for call in (
        client.uploads.parts.create(upload.id, data=CONTENT),
        client.uploads.complete(upload.id, part_ids=ids),
    ):
        with pytest.raises(BadRequestError, match="is cancelled") as refused:
            await call
        assert refused.value.code == "upload_cancelled"
    await nothing_left(gateway)


async def test_a_completed_upload_is_not_cancelled(gateway: InProcess) -> None:
    client = gateway.client()
    upload = await begin(client)
    ids = await send(client, upload.id, [CONTENT])
    completed = await client.uploads.complete(upload.id, part_ids=ids)
    for call in (client.uploads.cancel(upload.id), client.uploads.parts.create(upload.id, data=b"x")):
        with pytest.raises(BadRequestError, match="is completed"):
            await call
    await check_file(gateway, completed)


async def test_uploads_of_others_are_not_there(gateway: InProcess) -> None:
    """Nor can a part of one be used in another."""
    mine, theirs = gateway.client("alice"), gateway.client("bob")
    upload = await begin(mine)
    ids = await send(mine, upload.id, [CONTENT])
    other = await begin(theirs)
    for unknown in (upload.id, "upload_lb" + 26 * "0", "upload_abc123", "x"):
        for call in (
            theirs.uploads.parts.create(unknown, data=b"x"),
            theirs.uploads.complete(unknown, part_ids=ids),
            theirs.uploads.cancel(unknown),
        ):
            with pytest.raises(NotFoundError) as refused:
                await call
            assert (refused.value.param, refused.value.code) == ("id", None)
            assert refused.value.message.endswith(f"No such Upload object: {unknown}")
    with pytest.raises(BadRequestError, match="has no part"):
        await theirs.uploads.complete(other.id, part_ids=ids)
    by_admin = await gateway.client("admin").uploads.complete(upload.id, part_ids=ids)
    assert by_admin.file is not None
    assert await gateway.content(by_admin.file.id) == CONTENT
    await check_file(gateway, await mine.uploads.complete(upload.id, part_ids=ids))
