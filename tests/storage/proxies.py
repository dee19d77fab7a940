"""What may stand between a client and PostgreSQL: a line that is cut, a pooler that changes sessions."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from urllib.parse import parse_qs, urlsplit

COMMIT = b"Q" + struct.pack("!i", 11) + b"COMMIT\0"
_DESCRIBED = b"TnE"
"""What ends the answer to a flush: the rows described, none to describe, an error."""
_BROKEN = (ConnectionError, asyncio.IncompleteReadError)


class Cut(Enum):
    """What becomes of a COMMIT."""

    BEFORE = "it does not reach the server"
    AFTER = "its answer does not reach the client"
    LATE = "it reaches the server when the client is gone"


class Proxy:
    """Passes bytes on to a server's socket; cuts the next COMMITs as it is told."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self.to_cut: list[Cut] = []
        self.is_late = asyncio.Event()
        """set for a late COMMIT to be passed on"""
        self._clients: set[asyncio.StreamWriter] = set()

    def cut_all(self) -> None:
        """Cut every connection."""
        for client in self._clients:
            client.transport.abort()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        from_server, to_server = await asyncio.open_unix_connection(self.socket)
        self._clients.add(writer)
        answers = asyncio.create_task(self._answers(from_server, writer))
        with suppress(*_BROKEN):
            while block := await reader.read(65_536):
                if block == COMMIT and self.to_cut:
                    await self._cut(self.to_cut.pop(), answers, writer, to_server, from_server)
                    break
                to_server.write(block)
                await to_server.drain()
        self._clients.discard(writer)
        answers.cancel()
        for each in (writer, to_server):
            each.close()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(*_BROKEN):
            while block := await reader.read(65_536):
                writer.write(block)
                await writer.drain()
        writer.close()

    async def _cut(
        self,
        cut: Cut,
        answers: asyncio.Task[None],
        client: asyncio.StreamWriter,
        to_server: asyncio.StreamWriter,
        from_server: asyncio.StreamReader,
    ) -> None:
        answers.cancel()
        with suppress(asyncio.CancelledError):
            await answers
        if cut is Cut.LATE:
            client.transport.abort()
            await self.is_late.wait()
        if cut is not Cut.BEFORE:
            to_server.write(COMMIT)
            await from_server.readuntil(b"Z\0\0\0\5I")
        client.transport.abort()


class Pooler:
    """Gives a client another session for each transaction, as pgbouncer does."""

    def __init__(self, socket: str) -> None:
        self._socket = socket

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client, which begins with its start-up message."""
        sessions: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        with suppress(*_BROKEN):
            startup = await _message(reader, has_type=False)
            for number in range(2):
                session = await asyncio.open_unix_connection(self._socket)
                sessions.append(session)
                session[1].write(startup)
                await self._answer(session[0], writer if number == 0 else None)
            turn = 0
            while True:
                session = sessions[turn % 2]
                status = b""
                while status != b"I":
                    message = await _message(reader)
                    session[1].write(message)
                    if message[:1] in (b"Q", b"S"):
                        status = await self._answer(session[0], writer)
                    elif message[:1] == b"H":
                        await self._answer(session[0], writer, until=_DESCRIBED)
                    elif message[:1] == b"X":
                        raise ConnectionResetError
                turn += 1
        for _, each in sessions:
            each.close()
        writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None, *, until: bytes = b"Z"
    ) -> bytes:
        """Pass on what the server says up to one of these; if that is readiness, of which status."""
        while True:
            message = await _message(reader)
            if writer is not None:
                writer.write(message)
            if message[:1] in until:
                return message[5:]


async def _message(reader: asyncio.StreamReader, *, has_type: bool = True) -> bytes:
    kind = await reader.readexactly(1) if has_type else b""
    size = await reader.readexactly(4)
    return kind + size + await reader.readexactly(struct.unpack("!i", size)[0] - 4)


@asynccontextmanager
async def in_front(between: Proxy | Pooler, url: str) -> AsyncGenerator[str]:
    """The URL of the same database by way of `between`."""
    server = await asyncio.start_server(between.connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}{urlsplit(url).path}?sslmode=disable"
    finally:
        server.close()


def socket_of(url: str) -> str:
    """The path of the socket that a URL names."""
    [folder] = parse_qs(urlsplit(url).query)["host"]
    return f"{folder}/.s.PGSQL.5432"
