"""Requests whose head never ends: nobody can fill the memory with it, nor keep a connection for ever."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi.server.heads import HEAD_SECONDS, H11Heads, http_protocol
from litebatch_asgi.server.httptools_heads import HttpToolsHeads
from litebatch_asgi.server.listen import uvicorn_config
from tests.http.sockets import RawClient, head, raw_client, served

APP = PlainTextResponse("Hello.")
QUICK_SECONDS = 0.2


class QuickHttpTools(HttpToolsHeads):
    """With a limit that tests can wait for."""

    head_seconds = QUICK_SECONDS


class QuickH11(H11Heads):
    """The same."""

    head_seconds = QUICK_SECONDS


@pytest.fixture(params=[HttpToolsHeads, H11Heads])
async def address(request: pytest.FixtureRequest) -> AsyncGenerator[str]:
    async with served(APP, protocol=request.param) as address:
        yield address


@pytest.fixture(params=[QuickHttpTools, QuickH11])
def quick(request: pytest.FixtureRequest) -> type[asyncio.Protocol]:
    protocol: type[asyncio.Protocol] = request.param
    return protocol


async def test_a_head_of_usual_size_is_served(address: str) -> None:
    async with raw_client(address) as client:
        for size in (1, 1000, 30_000, 30_000, 30_000):
            await client.send(head("GET", "/", x="y" * size))
            assert (await client.answer()).status == 200


@pytest.mark.parametrize("piece", [b"x: " + b"y" * 10_000 + b"\r\n", b"y" * 10_000])
async def test_a_head_without_end_is_cut_off(address: str, piece: bytes) -> None:
    async with raw_client(address) as client:
        with suppress(ConnectionError):  # that of a client which goes on sending
            await client.send(b"GET / HTTP/1.1\r\nx: ", *[piece] * 40)
            told = await client.rest()
            assert b"400 Bad Request" in told
            assert b'"type":"invalid_request_error"' in told


@pytest.mark.parametrize(
    "nonsense", [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\n: y\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n"]
)
async def test_what_is_no_request_is_an_error_like_all_others(address: str, nonsense: bytes) -> None:
    async with raw_client(address) as client:
        await client.send(head("GET", "/"))
        assert (await client.answer()).status == 200
        await client.send(nonsense)
        answer = await client.answer()
        assert await client.rest() == b""
    assert (answer.status, answer.is_whole) == (400, True)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-request-id"]
    assert answer.json()["error"] == {
        "message": "Invalid HTTP request received.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


async def test_a_long_body_is_no_head(address: str) -> None:
    async with raw_client(address) as client:
        await client.send(head("POST", "/", content_length=1_000_000), *[b"x" * 100_000] * 10)
        assert (await client.answer()).status == 200


async def trickled(client: RawClient, *pieces: bytes) -> bytes:
    """What comes back to a client that goes on sending a byte now and then, for ever."""
    await client.send(*pieces)
    return await client.drip(b"x", every_seconds=QUICK_SECONDS / 10)


@pytest.mark.parametrize("pieces", [(b"GET / HTTP/1.1\r\nx: ",), (b"GET /",), (head("GET", "/")[:-2],)])
async def test_a_head_that_takes_too_long_is_answered_408(
    quick: type[asyncio.Protocol], pieces: tuple[bytes, ...]
) -> None:
    async with served(APP, protocol=quick) as address, raw_client(address) as client:
        began = time.monotonic()
        told = await trickled(client, *pieces)
    assert time.monotonic() - began >= QUICK_SECONDS
    first, _, body = told.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in first
    assert b'"code":"request_timeout"' in body


async def test_a_connection_on_which_nothing_comes_is_closed(quick: type[asyncio.Protocol]) -> None:
    async with served(APP, protocol=quick) as address, raw_client(address) as client:
        assert await client.rest() == b""


async def test_the_next_head_on_a_connection_has_its_time_too(quick: type[asyncio.Protocol]) -> None:
    async with served(APP, protocol=quick) as address, raw_client(address) as client:
        await client.send(head("GET", "/"))
        assert (await client.answer()).status == 200
        await asyncio.sleep(2 * QUICK_SECONDS)  # idle: that is the keep-alive's own time
        await client.send(head("GET", "/"))
        assert (await client.answer()).status == 200
        assert (await trickled(client, b"GET /HT")).startswith(b"HTTP/1.1 408 ")


async def test_empty_lines_before_a_head_give_no_more_time(quick: type[asyncio.Protocol]) -> None:
    """They end the server's own limit on idle connections."""
    async with served(APP, protocol=quick) as address, raw_client(address) as client:
        await client.send(head("GET", "/"))
        assert (await client.answer()).status == 200
        await client.send(b"\r\n")
        await client.rest()


async def test_what_is_left_of_a_body_after_its_answer_has_that_time(quick: type[asyncio.Protocol]) -> None:
    async with served(APP, protocol=quick) as address, raw_client(address) as client:
        await client.send(head("POST", "/", content_length=1_000_000))
        assert (await client.answer()).status == 200
        assert await trickled(client) == b""


async def test_a_request_that_is_being_answered_has_all_the_time_it_needs(
    quick: type[asyncio.Protocol],
) -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await asyncio.sleep(2 * QUICK_SECONDS)
        await APP(scope, receive, send)

    app: ASGIApp = slow
    async with served(app, protocol=quick) as address, raw_client(address) as client:
        for _ in range(2):
            await client.send(head("POST", "/", content_length=10))
            for _ in range(10):
                await client.send(b"x")
                await asyncio.sleep(QUICK_SECONDS / 5)
            assert (await client.answer()).status == 200


async def test_requests_may_follow_each_other_at_once(quick: type[asyncio.Protocol]) -> None:
    async with served(APP, protocol=quick) as address, raw_client(address) as client:
        for _ in range(2):
            await client.send(head("GET", "/") * 3 + head("GET", "/")[:10], head("GET", "/")[10:])
            for _ in range(4):
                assert (await client.answer()).status == 200
            await asyncio.sleep(2 * QUICK_SECONDS)


def test_the_limit_is_half_a_minute() -> None:
    assert HttpToolsHeads.head_seconds == H11Heads.head_seconds == HEAD_SECONDS == 30
    assert uvicorn_config(APP).http is HttpToolsHeads


def test_without_httptools_h11_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "litebatch_asgi.server.httptools_heads")
    monkeypatch.setitem(sys.modules, "httptools", None)
    monkeypatch.delitem(sys.modules, "uvicorn.protocols.http.httptools_impl")
    assert http_protocol() is H11Heads
