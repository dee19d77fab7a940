"""Clients that read nothing of their answers: each loses its connection, and what is read for it ends."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi.server.heads import H11Heads
from litebatch_asgi.server.httptools_heads import HttpToolsHeads
from litebatch_asgi.server.unread import UNREAD_SECONDS, ReadAnswers
from tests.http.sockets import head, raw_client, served

MEGABYTE = 1 << 20
QUICK_SECONDS = 0.3


class QuickHttpTools(HttpToolsHeads):
    """With a limit that tests can wait for."""

    unread_seconds = QUICK_SECONDS


class QuickH11(H11Heads):
    """The same."""

    unread_seconds = QUICK_SECONDS


@pytest.fixture(params=[QuickHttpTools, QuickH11])
def quick(request: pytest.FixtureRequest) -> type[asyncio.Protocol]:
    protocol: type[asyncio.Protocol] = request.param
    return protocol


class Endless:
    """An app whose answer has no end, and that tells when it was left."""

    def __init__(self) -> None:
        self.was_left = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await StreamingResponse(self._blocks())(scope, receive, send)
        finally:
            self.was_left.set()

    async def _blocks(self) -> AsyncGenerator[bytes]:
        while True:
            await asyncio.sleep(0)
            yield b"x" * MEGABYTE


@asynccontextmanager
async def deaf(address: str) -> AsyncGenerator[socket.socket]:
    """A client that has asked for something and reads nothing by itself."""
    url = urlsplit(address)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (url.hostname, url.port))
        await loop.sock_sendall(client, head("GET", "/"))
        yield client


async def test_an_answer_that_nobody_reads_is_ended(quick: type[asyncio.Protocol]) -> None:
    app = Endless()
    async with served(app, protocol=quick) as address, deaf(address):
        async with asyncio.timeout(10):
            await app.was_left.wait()


async def test_one_that_was_made_at_once_holds_no_connection_either(quick: type[asyncio.Protocol]) -> None:
    size = 16 * MEGABYTE
    app: ASGIApp = Response(b"x" * size)
    async with served(app, protocol=quick) as address, deaf(address) as client:
        await asyncio.sleep(4 * QUICK_SECONDS)
        read = 0
        async with asyncio.timeout(10):
            while block := await asyncio.get_running_loop().sock_recv(client, MEGABYTE):
                read += len(block)
    assert 0 < read < size


async def test_one_that_is_read_slowly_comes_whole(quick: type[asyncio.Protocol]) -> None:
    size = 24 * MEGABYTE
    app: ASGIApp = Response(b"x" * size)
    began, read = time.monotonic(), 0
    async with served(app, protocol=quick) as address, deaf(address) as client:
        while read < size:
            read += len(await asyncio.get_running_loop().sock_recv(client, MEGABYTE))
            await asyncio.sleep(read / size * 5 * QUICK_SECONDS - (time.monotonic() - began))
    assert time.monotonic() - began > 4 * QUICK_SECONDS


async def test_what_was_read_late_does_not_count_later(quick: type[asyncio.Protocol]) -> None:
    app: ASGIApp = Response(b"x" * 16 * MEGABYTE)
    async with served(app, protocol=quick) as address, raw_client(address) as client:
        for _ in range(2):
            await client.send(head("GET", "/"))
            await asyncio.sleep(QUICK_SECONDS / 2)
            assert (await client.answer()).is_whole
            await asyncio.sleep(2 * QUICK_SECONDS)


def test_the_limit_is_some_minutes() -> None:
    assert issubclass(HttpToolsHeads, ReadAnswers)
    assert HttpToolsHeads.unread_seconds == H11Heads.unread_seconds == UNREAD_SECONDS == 300
