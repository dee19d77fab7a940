"""Real sockets: a server for any app, and a client that puts the bytes on the wire itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.types import ASGIApp

from litebatch_asgi.server.listen import address_of, listen, serving


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One response, as far as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_whole(self) -> bool:
        """Whether as many bytes came as were announced."""
        return len(self.body) == int(self.headers["content-length"])

    def json(self) -> Any:
        """The decoded body."""
        return msgspec.json.decode(self.body)


class RawClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *pieces: bytes) -> None:
        """Put bytes on the wire, each piece by itself."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def answer(self) -> Answer:
        """The next response; of a body that is cut off what came of it."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        try:
            body = await self._reader.readexactly(int(headers["content-length"]))
        except asyncio.IncompleteReadError as error:
            body = error.partial
        return Answer(status=int(first.split()[1]), headers=headers, body=body)

    async def until(self, mark: bytes) -> bytes:
        """Everything up to this mark, which must come."""
        return await self._reader.readuntil(mark)

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        return await self._reader.read()

    async def drip(self, piece: bytes, *, every_seconds: float) -> bytes:
        """Send one piece after the other until the server closes: everything that came back."""
        came = bytearray()
        reading = asyncio.create_task(self._collect(came))
        with suppress(ConnectionError):
            while not reading.done():
                await self.send(piece)
                await asyncio.wait([reading], timeout=every_seconds)
        await reading
        return bytes(came)

    async def _collect(self, came: bytearray) -> None:
        with suppress(ConnectionError):  # what is sent to a closed socket resets it
            while block := await self._reader.read(1 << 16):
                came += block

    def cut(self) -> None:
        """Break off without a word."""
        self._writer.transport.abort()


@asynccontextmanager
async def served(app: ASGIApp, **options: Any) -> AsyncGenerator[str]:
    """The address of a server for this app; `options` are those of `serving`."""
    listener = listen("127.0.0.1", 0)
    async with serving(app, listener, **options):
        yield address_of(listener)


@asynccontextmanager
async def raw_client(address: str) -> AsyncGenerator[RawClient]:
    """A connection to `http://host:port`."""
    url = urlsplit(address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()


def head(method: str, path: str, **headers: str | int) -> bytes:
    """The head of a request; `_` in a header's name stands for `-`."""
    lines = [f"{method} {path} HTTP/1.1", "Host: gateway.example"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def chunked(*chunks: bytes) -> Iterable[bytes]:
    """A body in the chunked encoding, its end included."""
    for chunk in (*chunks, b""):
        yield b"%x\r\n%b\r\n" % (len(chunk), chunk)
