"""Over real sockets: a server with the middleware answers, bit for bit, as the same one without."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import httpx2
import pytest
import websockets
from starlette.types import Message, Receive, Scope, Send

from litebatch_asgi.middleware import LiteBatchMiddleware
from tests.harness import MODEL, lines
from tests.http.forms import CONTENT_TYPE, field, file, form
from tests.http.sockets import chunked, head, raw_client, served
from tests.middleware.stage import BATCH_ID, FILE_ID, litebatch
from tests.middleware.wires import Echo, raw_answer, served_behind, uvicorn_for

PURPOSE = field("purpose", "batch")
THEIRS = file(lines(2000, model="gpt-4o"))
LAST, FIRST = form(PURPOSE, THEIRS), form(THEIRS, PURPOSE)
RAW_BATCH = b'{"input_file_id": "file-abc123", "input_file_id": "file-abc123"}'


def request(method: str, path: str, *body: bytes, **headers: str | int) -> list[bytes]:
    """The bytes of a request of alice's, after which the connection is closed."""
    sized = {"content_length": sum(map(len, body))} if body and "transfer_encoding" not in headers else {}
    return [head(method, path, authorization="Bearer alice", connection="close", **sized, **headers), *body]


def upload(*body: bytes, **headers: str | int) -> list[bytes]:
    """The same for an upload."""
    return request("POST", "/v1/files", *body, content_type=CONTENT_TYPE, **headers)


REQUESTS = {
    "get": request("GET", "/"),
    "head": request("HEAD", "/v1/files/file-abc123"),
    "options": request("OPTIONS", "/v1/files", origin="https://a.example"),
    "delete": request("DELETE", "/v1/files/file-abc123"),
    "patch": request("PATCH", "/v1/files", b"{}"),
    "unusual method": request("PROPFIND", "/v1/batches"),
    "a provider's batch": request("GET", "/v1/batches/batch_abc123"),
    "a provider's batch to cancel": request("POST", "/v1/batches/batch_abc123/cancel", b"{}"),
    "content": request("GET", "/v1/files/file-abc123/content", range="bytes=0-10"),
    "query": request("GET", "/v1/models?a=%2F&&b=c+d&a=;%ZZ&%"),
    "encoded path": request("GET", "/v1/files/file%2Dabc%2F123?x"),
    "encoded slash": request("GET", f"/v1/files%2F{FILE_ID.upper()}"),
    "double slash": request("GET", f"/v1//files/{FILE_ID}"),
    "trailing slash": request("GET", f"/v1/files/{FILE_ID}/"),
    "dots": request("GET", f"/v1/../v1/files/{FILE_ID}"),
    "doubled headers": [
        b"GET /v1/models HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\nX-A:  3 \r\nConnection: close\r\n\r\n"
    ],
    "http/1.0": [b"GET /v1/models HTTP/1.0\r\nHost: a\r\n\r\n"],
    "chat": request("POST", "/v1/chat/completions", b'{"stream": true}', content_type="application/json"),
    "chat, chunked": request(
        "POST", "/v1/chat/completions", *chunked(b'{"a":', b"1}"), transfer_encoding="chunked"
    ),
    "batch": request("POST", "/v1/batches?x=y", RAW_BATCH),
    "batch, chunked": request("POST", "/v1/batches", *chunked(RAW_BATCH), transfer_encoding="chunked"),
    "batch, no json": request("POST", "/v1/batches", b"{nope"),
    "batch, empty": request("POST", "/v1/batches", content_length=0),
    "batch, no length": request("POST", "/v1/batches"),
    "batch, large": request("POST", "/v1/batches", b" " * 700_000 + RAW_BATCH),
    "batch, told to go on": request("POST", "/v1/batches", RAW_BATCH, expect="100-continue"),
    "upload, file last": upload(LAST),
    "upload, file first": upload(FIRST),
    "upload, byte by byte": upload(*(bytes([byte]) for byte in form(PURPOSE, file(b"{}")))),
    "upload, chunked": upload(*chunked(LAST[:7], LAST[7:9000], LAST[9000:]), transfer_encoding="chunked"),
    "upload, cut short": upload(LAST[:-30]),
    "upload, two files": upload(form(THEIRS, THEIRS, PURPOSE)),
    "upload, empty": upload(content_length=0),
    "upload, no length": upload(),
    "upload, told to go on": upload(LAST, expect="100-continue"),
    "upload, no form": request("POST", "/v1/files", LAST, content_type="text/plain"),
    "upload, no caller": [
        head("POST", "/v1/files", content_type=CONTENT_TYPE, content_length=len(LAST), connection="close"),
        LAST,
    ],
    "list, no caller": [head("GET", "/v1/files", connection="close")],
    "two in a row": [
        head("GET", "/v1/models", x="1"),
        head(
            "POST",
            "/v1/files",
            authorization="Bearer alice",
            content_type=CONTENT_TYPE,
            content_length=len(LAST),
        ),
        LAST,
        *request("GET", "/v1/models"),
    ],
}


@pytest.fixture
async def bare() -> AsyncGenerator[str]:
    """The app by itself."""
    async with served(Echo()) as address:
        yield address


@pytest.fixture
async def fronted(tmp_path: Path) -> AsyncGenerator[str]:
    """The same behind the middleware."""
    async with served_behind(tmp_path, Echo()) as address:
        yield address


@pytest.mark.parametrize("kind", REQUESTS)
async def test_nothing_changes_for_what_is_not_managed(bare: str, fronted: str, kind: str) -> None:
    expected = await raw_answer(bare, *REQUESTS[kind])
    got = await raw_answer(fronted, *REQUESTS[kind])
    assert without_date(got) == without_date(expected)
    assert b" 207 " in got


def without_date(answer: bytes) -> list[bytes]:
    """The lines of a raw answer but that."""
    return [line for line in answer.splitlines() if not line.lower().startswith(b"date:")]


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        (request("GET", f"/v1/files/{FILE_ID}"), 404),
        (request("GET", f"/v1/batches/{BATCH_ID}"), 404),
        (request("HEAD", "/v1/files"), 200),
        (request("GET", "/v1/batches"), 200),
        (request("POST", "/v1/batches", b'{"input_file_id": "%b"}' % FILE_ID.encode()), 400),
        (upload(form(PURPOSE, file(b'{"body": {"model": "%b"}}' % MODEL.encode()))), 400),
        (upload(form(file(b'{"body": {"model": "%b"}}' % MODEL.encode()), PURPOSE)), 400),
        (upload(form(field("target_model_names", "x"), PURPOSE, THEIRS)), 400),
        (upload(content_length=10**10, x_litebatch_target_model_names="x", expect="100-continue"), 413),
    ],
)
async def test_what_is_managed_is_answered_here(fronted: str, pieces: list[bytes], status: int) -> None:
    assert (await raw_answer(fronted, *pieces)).startswith(b"HTTP/1.1 %d " % status)


async def test_a_client_that_leaves_in_the_middle_is_gone_for_the_app_behind(tmp_path: Path) -> None:
    ends: list[Message] = []
    gone = anyio.Event()

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "http.request":
            ends.append(message)
        gone.set()

    begin, body = upload(LAST)
    async with served_behind(tmp_path, inner) as address, raw_client(address) as client:
        await client.send(begin, body[:1000])
        client.cut()
        await gone.wait()
    assert all(message["more_body"] for message in ends)
    assert LAST.startswith(b"".join(message["body"] for message in ends))


async def test_an_app_behind_may_answer_before_the_body_has_come(tmp_path: Path) -> None:
    """Whoever is not known is not received either."""

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body"})

    async with served_behind(tmp_path, inner) as address:
        begin = head("POST", "/v1/files", content_type=CONTENT_TYPE, content_length=10**9)
        assert (await raw_answer(address, begin)).startswith(b"HTTP/1.1 401 ")
        begin = head("POST", "/v1/chat/completions", authorization="Bearer alice", content_length=10**9)
        assert (await raw_answer(address, begin)).startswith(b"HTTP/1.1 401 ")


async def test_events_are_streamed_as_they_come(tmp_path: Path) -> None:
    read = anyio.Event()

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await read.wait()
        await send({"type": "http.response.body", "body": b"data: 2\n\n"})

    async with (
        served_behind(tmp_path, inner) as address,
        httpx2.AsyncClient(base_url=address) as http,
        http.stream("POST", "/v1/batches", content=RAW_BATCH) as answer,
    ):
        events = answer.aiter_lines()
        assert await anext(events) == "data: 1"
        read.set()
        assert [event async for event in events] == ["", "data: 2", ""]


async def test_an_answer_that_breaks_off_is_cut(tmp_path: Path) -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"10")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ZeroDivisionError

    async with served_behind(tmp_path, inner) as address:
        for pieces in (request("GET", "/"), upload(LAST)):
            assert (await raw_answer(address, *pieces)).endswith(b"\r\n\r\nhalf")


async def test_websockets_and_the_lifespan_pass(tmp_path: Path) -> None:
    running = litebatch(tmp_path)
    async with uvicorn_for(LiteBatchMiddleware(Echo(), litebatch=running)) as address:
        assert running.is_entered
        url = f"{address.replace('http', 'ws')}/v1/files/{FILE_ID}"
        async with websockets.connect(url, subprotocols=[websockets.Subprotocol("chat")]) as socket:
            for message in ("text", b"\x00bytes", "x" * 100_000):
                await socket.send(message)
                assert await socket.recv() == message
            assert socket.subprotocol == "chat"
        assert b" 207 " in await raw_answer(address, *request("GET", "/v1/models"))
        assert b" 200 " in await raw_answer(address, *request("GET", "/v1/files"))
    assert not running.is_entered
