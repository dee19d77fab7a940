"""Uploads: what stands on the wire, and what a failure leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import msgspec
import pytest
from anyio.abc import SocketStream

from litebatch_asgi.errors import (
    ContentRefused,
    DeploymentRefused,
    NoClearAnswer,
    ProviderBusy,
    ProviderError,
)
from litebatch_asgi.models import ProviderFileStatus
from litebatch_asgi.provider import FileUpload

from .wire import (
    FILE,
    KEY,
    Answer,
    adapter_for,
    answer,
    cut,
    field_names,
    listening,
    parts_of,
    raw_server,
    refusal,
    says,
    silence,
    upload_of,
)


async def test_more_fields_of_the_form_go_out_as_the_stock_client_writes_them() -> None:
    extra = {"litebatch": {"a": [1, True], "b": None}, "target_model_names": "east"}
    upload = msgspec.structs.replace(upload_of(b"{}"), extra=extra)
    async with raw_server(answer(FILE)) as server, adapter_for(server.base_url) as adapter:
        await adapter.upload_file(upload)
    [request] = server.received
    assert field_names(request) == [
        "purpose",
        *("litebatch[a][]", "litebatch[a][]", "target_model_names"),
        "file",
    ]
    assert [part.get_payload() for part in parts_of(request)][1:4] == ["1", "true", "east"]


def large_upload(*, blocks: int) -> FileUpload:
    return upload_of(*[bytes(262_144)] * blocks)


async def test_a_file_goes_out_whole_and_once() -> None:
    content = (b'{"custom_id":"\xc3\xa4"}\r\n' * 10_000, b"\x00\xff--boundary\r\n", b"no newline at the end")
    async with raw_server(answer(FILE, status=201)) as server, adapter_for(server.base_url) as adapter:
        file = await adapter.upload_file(upload_of(*content, expires=7_200))
    [request] = server.received
    assert (request.method, request.target) == ("POST", "/v1/files")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["openai-organization"] == "org-1"
    assert "transfer-encoding" not in request.headers
    assert field_names(request) == ["purpose", "expires_after[anchor]", "expires_after[seconds]", "file"]
    purpose, anchor, seconds, last = parts_of(request)
    assert [part.get_payload() for part in (purpose, anchor, seconds)] == ["batch", "created_at", "7200"]
    assert last.get_filename() == "file-lb1-inst.jsonl"
    assert last.get_content_type() == "application/jsonl"
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    sent = b"".join(content)
    assert request.body.endswith(b"\r\n\r\n" + sent + b"\r\n--" + boundary + b"--\r\n")
    assert (file.id, file.bytes, file.status) == ("file-1", 3, ProviderFileStatus.READY)


async def test_an_empty_file_is_a_file() -> None:
    async with raw_server(answer(FILE)) as server, adapter_for(server.base_url) as adapter:
        await adapter.upload_file(upload_of())
    assert field_names(server.received[0]) == ["purpose", "file"]
    assert parts_of(server.received[0])[-1].get_payload() == ""


@pytest.mark.parametrize(
    ("wanted", "sent"), [(1, "3600"), (3_600, "3600"), (86_401, "86401"), (10**9, "2592000")]
)
async def test_a_life_becomes_what_openai_allows(wanted: int, sent: str) -> None:
    async with raw_server(answer(FILE)) as server, adapter_for(server.base_url) as adapter:
        await adapter.upload_file(upload_of(b"{}", expires=wanted))
    assert parts_of(server.received[0])[2].get_payload() == sent


async def test_a_file_name_cannot_leave_its_quotes() -> None:
    upload = msgspec.structs.replace(upload_of(b"{}"), filename='a"\r\nX: y.bin')
    async with raw_server(answer(FILE)) as server, adapter_for(server.base_url) as adapter:
        await adapter.upload_file(upload)
    part = parts_of(server.received[0])[-1]
    assert part.get_filename() == "a%22%0D%0AX: y.bin"
    assert part.get_content_type() == "application/octet-stream"
    assert part["X"] is None


@pytest.mark.parametrize(
    ("given", "meaning"),
    [
        (refusal(401, "invalid_api_key"), DeploymentRefused),
        (refusal(404), DeploymentRefused),
        (refusal(429), DeploymentRefused),
        (refusal(400, None, "Invalid file format for Batch API. Must be .jsonl"), ContentRefused),
        (refusal(413), ContentRefused),
        (refusal(500), ProviderBusy),
        (refusal(503), ProviderBusy),
        (refusal(502), NoClearAnswer),
        (cut(), NoClearAnswer),
        (cut(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"), NoClearAnswer),
        (says(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), NoClearAnswer),
        (answer(raw=b"<html>"), NoClearAnswer),
        (answer(raw=b""), NoClearAnswer),
        (answer({"object": "file"}), NoClearAnswer),
        (answer([FILE]), NoClearAnswer),
        (answer({**FILE, "id": ""}), NoClearAnswer),
    ],
)
async def test_an_upload_is_never_sent_again(given: Answer, meaning: type[ProviderError]) -> None:
    async with (
        raw_server(given, answer(FILE), answer(FILE)) as server,
        adapter_for(server.base_url) as adapter,
    ):
        with pytest.raises(ProviderError) as caught:
            await adapter.upload_file(upload_of(b"{}"))
    assert type(caught.value) is meaning
    assert len(server.received) == server.connections == 1


async def test_silence_after_the_last_byte_is_no_clear_answer() -> None:
    async with (
        raw_server(answer(FILE), silence) as server,
        adapter_for(server.base_url, seconds=0.5) as adapter,
    ):
        await adapter.retrieve_file("file-1")
        with anyio.fail_after(5), pytest.raises(NoClearAnswer):
            await adapter.upload_file(upload_of(b"{}"))
    assert len(server.received) == 2


@pytest.mark.parametrize(
    ("head", "piece"),
    [(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (b"HTTP/1.1 201 So\r\nContent-Length: 999999\r\n\r\n{", b" ")],
)
async def test_an_answer_that_never_ends_is_no_clear_answer(head: bytes, piece: bytes) -> None:
    """One that keeps sending a little never runs into the time-out of a single read."""

    async def dribble(stream: SocketStream) -> None:
        await stream.send(head)
        while True:
            await stream.send(piece)
            await anyio.sleep(0.01)

    async with (
        raw_server(answer(FILE), dribble) as server,
        adapter_for(server.base_url, seconds=0.6) as adapter,
    ):
        await adapter.retrieve_file("file-1")
        with anyio.fail_after(5), pytest.raises(NoClearAnswer):
            await adapter.upload_file(upload_of(b"{}"))
    assert len(server.received) == 2


@pytest.mark.parametrize("size", [1, 6, 8, 100])
async def test_content_of_another_size_never_arrives_whole(size: int) -> None:
    async with raw_server(answer(FILE), answer(FILE)) as server, adapter_for(server.base_url) as adapter:
        with pytest.raises(ContentRefused, match="content"):
            await adapter.upload_file(upload_of(b"abc", b"def", b"g", size=size))
        await adapter.upload_file(upload_of(b"abc"))
    assert len(server.received) == 1
    assert server.connections == 2


async def test_what_the_content_raises_goes_on_and_nothing_arrives_whole() -> None:
    closed = anyio.Event()

    async def failing() -> AsyncIterator[bytes]:
        try:
            yield b"abc"
            raise OSError("the disk is gone")
        finally:
            closed.set()

    upload = FileUpload(filename="a", purpose="batch", size=10, content=failing, expires_after_seconds=None)
    async with raw_server(answer(FILE), answer(FILE)) as server, adapter_for(server.base_url) as adapter:
        with pytest.raises(OSError, match="the disk is gone"):
            await adapter.upload_file(upload)
        assert closed.is_set()
        await adapter.upload_file(upload_of(b"abc"))
    assert len(server.received) == 1


async def test_content_that_a_provider_does_not_give_is_no_word_of_this_one() -> None:
    """A copy may be made from another deployment's: what that one answers is not what this one did."""

    async def torn() -> AsyncIterator[bytes]:
        yield b"abc"
        raise NoClearAnswer("the other one")

    upload = msgspec.structs.replace(upload_of(b"abcdef"), content=torn)
    async with raw_server(answer(FILE)) as server, adapter_for(server.base_url) as adapter:
        with pytest.raises(DeploymentRefused, match="the other one"):
            await adapter.upload_file(upload)
    assert not server.received


async def test_a_connection_that_breaks_in_the_middle_has_made_nothing() -> None:
    """The body was torn, so that no file can have come of it: no search for one is needed."""

    async def tear(stream: SocketStream) -> None:
        await stream.receive()
        await stream.aclose()

    async with listening(tear) as base_url, adapter_for(base_url) as adapter:
        with pytest.raises(DeploymentRefused):
            await adapter.upload_file(large_upload(blocks=4_000))


async def test_an_answer_that_comes_before_the_end_of_the_body_is_heard() -> None:
    async def refuse_by_head(stream: SocketStream) -> None:
        await stream.receive()
        await refusal(413, None, "File is too large.")(stream)
        async for _ in stream:
            pass

    async with listening(refuse_by_head) as base_url, adapter_for(base_url) as adapter:
        with pytest.raises(ContentRefused, match="File is too large"):
            await adapter.upload_file(large_upload(blocks=100))


async def test_a_cancelled_upload_leaves_the_adapter_usable() -> None:
    started = anyio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield b"abc"
        started.set()
        await anyio.sleep_forever()

    upload = FileUpload(filename="a", purpose="batch", size=10, content=stuck, expires_after_seconds=None)
    async with raw_server(answer(FILE)) as server, adapter_for(server.base_url) as adapter:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(adapter.upload_file, upload)
            await started.wait()
            tasks.cancel_scope.cancel()
        await adapter.upload_file(upload_of(b"abc"))
    assert len(server.received) == 1


async def test_nobody_listening_means_that_nothing_was_done() -> None:
    async with raw_server() as server:
        base_url = server.base_url
    async with adapter_for(base_url) as adapter:
        with pytest.raises(DeploymentRefused) as caught:
            await adapter.upload_file(upload_of(b"{}"))
    assert "127.0.0.1" not in str(caught.value)
    assert KEY not in str(caught.value)
