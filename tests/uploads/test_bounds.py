"""What an upload may take: of time, of space, and of what others need."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace
from openai import APIStatusError, BadRequestError, RateLimitError

from litebatch_asgi import reconciler
from litebatch_asgi.errors import FileTooLarge
from litebatch_asgi.failpoints import armed
from litebatch_asgi.models import Principal
from litebatch_asgi.models.uploads import MOST_PART_BYTES
from tests.database import Database
from tests.harness import QUICK, InProcess, lines, running_gateway
from tests.http.sockets import head, raw_client
from tests.uploads.sending import CONTENT, begin, pieces, send

MEBIBYTE = 1 << 20


@pytest.fixture(autouse=True)
def swept_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "SWEEP_SECONDS", 0.1)


def in_minutes(minutes: float) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + timedelta(minutes=minutes)


async def all_gone(gateway: InProcess) -> None:
    """Wait until nothing of any part is there, neither a row nor a byte."""

    async def is_gone() -> bool:
        tables = ("upload_parts", "contents", "content_chunks")
        rows = [await gateway.database.rows(f"SELECT 1 FROM {table}") for table in tables]
        return not any(rows)

    await gateway.eventually(is_gone)


async def test_an_upload_lives_for_an_hour(tmp_path: Path, database: Database) -> None:
    """After it nothing can be done with it, and its parts go."""
    settings = replace(QUICK, lease_seconds=1.0)
    async with running_gateway(tmp_path, database=database) as gateway:
        upload = await begin(gateway.client())
        ids = await send(gateway.client(), upload.id, [CONTENT])
    async with running_gateway(tmp_path, database=database, clock=in_minutes(61)) as gateway:
        uploads = gateway.client().uploads
        for call in (
            uploads.parts.create(upload.id, data=b"x"),
            uploads.complete(upload.id, part_ids=ids),
            uploads.cancel(upload.id),
        ):
            with pytest.raises(BadRequestError, match="is expired") as refused:
                await call
            assert refused.value.code == "upload_expired"
        assert len(await database.rows("SELECT 1 FROM upload_parts")) == 1
    later = in_minutes(71)
    async with running_gateway(tmp_path, database=database, clock=later, settings=settings) as gateway:
        await all_gone(gateway)
        assert await database.rows("SELECT status FROM uploads") == [("expired",)]
        with pytest.raises(BadRequestError, match="is expired"):
            await gateway.client().uploads.complete(upload.id, part_ids=ids)


async def test_a_completion_whose_end_was_not_written_is_one(tmp_path: Path, database: Database) -> None:
    """It is given to whoever asks again, also after the hour; it cannot be cancelled."""
    async with running_gateway(tmp_path, database=database) as gateway:
        client = gateway.client()
        upload = await begin(client)
        ids = await send(client, upload.id, [CONTENT])
        with armed("completion.accepted=raise"), pytest.raises(APIStatusError):
            await client.uploads.complete(upload.id, part_ids=ids)
        (file,) = (await client.files.list()).data
        assert await database.rows("SELECT status FROM uploads") == [("pending",)]
        with pytest.raises(BadRequestError, match="is completed"):
            await client.uploads.cancel(upload.id)
        upload = await begin(client)
        ids = await send(client, upload.id, [CONTENT])
        others = await send(client, upload.id, [CONTENT])
        with armed("completion.accepted=raise"), pytest.raises(APIStatusError):
            await client.uploads.complete(upload.id, part_ids=ids)
        with pytest.raises(BadRequestError, match="is completed already, with other parts"):
            await client.uploads.complete(upload.id, part_ids=others)
        upload = await begin(client)
        ids = await send(client, upload.id, [CONTENT])
        with armed("completion.accepted=raise"), pytest.raises(APIStatusError):
            await client.uploads.complete(upload.id, part_ids=ids)
    async with running_gateway(tmp_path, database=database, clock=in_minutes(61)) as gateway:
        again = await gateway.client().uploads.complete(upload.id, part_ids=ids)
        files = [each.id for each in (await gateway.client().files.list()).data]
        assert again.status == "completed"
        assert again.file is not None
        assert files[0] == again.file.id
        assert files[2] == file.id


async def test_a_file_that_may_not_be_so_large_is_refused_at_once(tmp_path: Path) -> None:
    settings = replace(QUICK, max_file_bytes=1000)
    async with running_gateway(tmp_path, settings=settings) as gateway:
        with pytest.raises(APIStatusError) as refused:
            await begin(gateway.client(), bytes=1001)
        assert (refused.value.status_code, refused.value.code) == (413, "file_too_large")
        await begin(gateway.client(), bytes=1000)


async def test_a_part_is_no_larger_than_the_stock_client_makes_it(gateway: InProcess) -> None:
    """Over HTTP it is refused before it has come."""
    upload = await begin(gateway.client(), bytes=100 * MEBIBYTE)
    request = head(
        "POST",
        f"/v1/uploads/{upload.id}/parts",
        authorization="Bearer alice",
        content_type="multipart/form-data; boundary=x",
        content_length=66 * MEBIBYTE,
    )
    async with raw_client(gateway.address) as client:
        await client.send(request)
        answer = await client.answer()
    assert (answer.status, answer.json()["error"]["param"]) == (413, "data")
    alice = Principal(owner="alice", key_id="key-alice")
    with pytest.raises(FileTooLarge):
        await gateway.litebatch.uploads.add_part(alice, upload.id, [bytes(MOST_PART_BYTES), b"x"])
    await all_gone(gateway)


async def test_owners_share_the_space(tmp_path: Path, database: Database) -> None:
    """One who takes all that may be taken leaves room for another, and gets more once something has ended."""
    settings = replace(QUICK, max_unfinished_upload_bytes=8 * MEBIBYTE)
    content = bytes(3 * MEBIBYTE)
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        mine, theirs = gateway.client("alice"), gateway.client("bob")
        with pytest.raises(APIStatusError) as refused:
            await begin(mine, bytes=6 * MEBIBYTE)
        assert refused.value.status_code == 413
        first = await begin(mine, content)
        await send(mine, first.id, [content])
        second = await begin(mine, bytes=MEBIBYTE)
        for call in (begin(mine), mine.uploads.parts.create(second.id, data=content)):
            with pytest.raises(RateLimitError) as full:
                await call
            assert full.value.code == "uploads_full"
            assert full.value.response.headers["retry-after"] == "30"
        other = await begin(theirs)
        ids = await send(theirs, other.id, pieces(CONTENT, 2000))
        assert (await theirs.uploads.complete(other.id, part_ids=ids)).file is not None
        await mine.uploads.cancel(first.id)
        await send(mine, second.id, [content])


async def burst_of_uploads(folder: Path) -> list[str]:
    """Ten times as many at once as may be; what came out wrong."""
    await anyio.Path(folder).mkdir(exist_ok=True)
    settings = replace(QUICK, max_concurrent_uploads=4, upload_wait_seconds=60)
    refused: list[str] = []
    async with running_gateway(folder, settings=settings) as gateway:

        async def upload() -> None:
            try:
                await gateway.upload()
            except RateLimitError as error:
                refused.append(error.message)

        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(upload)
        assert len((await gateway.client().files.list()).data) == 40 - len(refused)
    return refused


async def test_a_burst_of_uploads_is_taken(tmp_path: Path) -> None:
    """As asynchronous clients send them: those that find no place wait for one."""
    assert await burst_of_uploads(tmp_path) == []


async def test_parts_are_counted_together_with_files(tmp_path: Path) -> None:
    """A part that is being received holds a slot: an owner has three quarters of what others leave free."""
    settings = replace(QUICK, max_concurrent_uploads=4)
    async with running_gateway(tmp_path, settings=settings) as gateway, gateway.http() as http:
        upload = await begin(gateway.client())
        leave, answers = anyio.Event(), list[int]()

        async def body() -> AsyncGenerator[bytes]:
            yield b'--x\r\ncontent-disposition: form-data; name="data"; filename="a"\r\n\r\n' + bytes(1000)
            await leave.wait()
            yield b"a\r\n--x--\r\n"

        async def slow() -> None:
            headers = {"content-type": "multipart/form-data; boundary=x"}
            answer = await http.post(f"/uploads/{upload.id}/parts", headers=headers, content=body())
            answers.append(answer.status_code)

        async def are_being_received() -> bool:
            return gateway.litebatch.spooler.held_bytes > 2 * 1000

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(slow)
            await gateway.eventually(are_being_received)
            with pytest.raises(RateLimitError, match="3 of your uploads are under way"):
                await gateway.upload()
            assert (await gateway.upload(key="bob")).id
            leave.set()
        assert answers == [200, 200, 200]


@pytest.mark.parametrize("place", ["content.put", "part.kept"])
async def test_a_part_that_fails_leaves_nothing_that_is_not_named(
    tmp_path: Path, database: Database, place: str
) -> None:
    settings = replace(QUICK, lease_seconds=1.0)
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        client = gateway.client()
        upload = await begin(client)
        with armed(f"{place}=raise"), pytest.raises(APIStatusError):
            await send(client, upload.id, [CONTENT])
        ids = await send(client, upload.id, [CONTENT])
        assert (await client.uploads.complete(upload.id, part_ids=ids)).file is not None
        await all_gone(gateway)


async def test_what_does_not_fit_together_is_refused(gateway: InProcess) -> None:
    """Too few bytes or too many, another md5, a part twice or an unknown one; it still can be made then."""
    client = gateway.client()
    upload = await begin(client)
    ids = await send(client, upload.id, pieces(CONTENT, 2000))
    (more,) = await send(client, upload.id, [b"\n"])
    for part_ids, md5, param in (
        (ids[1:], None, "part_ids"),
        ([*ids, more], None, "part_ids"),
        ([*ids, ids[0]], None, "part_ids"),
        (["part_abc123"], None, "part_ids"),
        ([], None, "part_ids"),
        (ids, "0" * 32, "md5"),
        (ids, "no md5", "md5"),
    ):
        options: dict[str, Any] = {"md5": md5} if md5 else {}
        with pytest.raises(BadRequestError) as refused:
            await client.uploads.complete(upload.id, part_ids=part_ids, **options)
        assert (refused.value.param, refused.value.code) == (param, "invalid_value")
    assert (await client.uploads.complete(upload.id, part_ids=ids)).file is not None


async def test_a_form_without_a_part_is_refused(gateway: InProcess) -> None:
    upload = await begin(gateway.client())
    async with gateway.http() as http:
        at = f"/uploads/{upload.id}/parts"
        for answer in (
            await http.post(at, files={"file": ("a", b"x")}),
            await http.post(at, data={"data": "x"}, files={"x": ("", b"")}),
            await http.post(at, content=b"x"),
        ):
            assert answer.status_code == 400, answer.text
    assert await gateway.database.rows("SELECT 1 FROM upload_parts") == []


async def test_the_same_key_begins_the_same_upload(gateway: InProcess) -> None:
    """With other values it is refused; a key counts for its owner alone."""
    key = {"Idempotency-Key": "order 66"}
    client = gateway.client()
    upload = await begin(client, extra_headers=key)
    async with gateway.http() as http:
        values = {"filename": "in.jsonl", "purpose": "batch", "mime_type": "application/jsonl"}
        again = await http.post("/uploads", json={**values, "bytes": len(CONTENT)}, headers=key)
        other = await http.post("/uploads", json={**values, "bytes": 1}, headers=key)
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (upload.id, "true")
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_in_use")
    assert (await begin(gateway.client("bob"), extra_headers=key)).id != upload.id


async def test_rights_and_limits_are_those_of_any_upload(gateway: InProcess) -> None:
    """A model that is named is looked at when the upload is created, one in a line when it is completed."""
    with pytest.raises(APIStatusError) as denied:
        await begin(gateway.client("carol:another"), extra_body={"target_model_names": "gpt-4o-batch"})
    assert (denied.value.status_code, denied.value.code) == (403, "model_access_denied")
    with pytest.raises(BadRequestError) as unknown:
        await begin(gateway.client(), extra_body={"target_model_names": ["gpt-4o-batch", "no-such"]})
    assert (unknown.value.param, unknown.value.code) == ("target_model_names", "model_not_found")
    carol = gateway.client("carol:another")
    upload = await begin(carol)
    ids = await send(carol, upload.id, [CONTENT])
    with pytest.raises(APIStatusError) as denied:
        await carol.uploads.complete(upload.id, part_ids=ids)
    assert denied.value.status_code == 403


async def test_in_process(gateway: InProcess) -> None:
    """The same from Python, with a file as the outcome."""
    uploads, alice = gateway.litebatch.uploads, Principal(owner="alice", key_id="key-alice")
    content = lines(9)
    upload = await uploads.create(alice, filename="a/in.jsonl", purpose="batch", bytes=len(content))
    parts = [await uploads.add_part(alice, upload.id, piece) for piece in pieces(content, 500)]
    file = await uploads.complete(alice, upload.id, [part.id for part in parts])
    assert (file.filename, file.bytes, file.lines) == ("in.jsonl", len(content), 9)
    again = await uploads.create(alice, filename="in.jsonl", purpose="batch", bytes=1)
    assert (await uploads.cancel(alice, again.id)).status == "cancelled"
