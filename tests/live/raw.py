"""An inference server of raw sockets, which answers each line with whatever bytes a test wants."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.abc

from tests.providers.wire import listening

_GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


class RawLines:
    """What came to the server."""

    base_url: str
    """with `/v1`"""

    def __init__(self, answer: Callable[[int], bytes]) -> None:
        self.received: list[tuple[int, float]] = []
        """the numbers of lines, see `tests.live.stage.asking`, and when each came, by the loop's clock"""
        self._answer = answer

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        """Answer what comes over one connection."""
        held = b""
        try:
            while True:
                while b"\r\n\r\n" not in held:
                    held += await stream.receive()
                head, _, held = held.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                assert length is not None
                while len(held) < int(length[1]):
                    held += await stream.receive()
                said = re.search(rb"Say (\d+)\.", held)
                assert said is not None
                held = held[int(length[1]) :]
                self.received.append((int(said[1]), anyio.current_time()))
                await stream.send(self._answer(int(said[1])))
        except _GONE:
            return

    def seconds(self) -> list[float]:
        """When lines came, from the first one on."""
        return [at - self.received[0][1] for _, at in self.received]


@asynccontextmanager
async def answering(answer: Callable[[int], bytes]) -> AsyncGenerator[RawLines]:
    """A server that answers the line of each number so."""
    server = RawLines(answer)
    async with listening(server.serve) as server.base_url:
        yield server


def answered(body: bytes, *headers: str, status: int = 200) -> bytes:
    """A whole answer."""
    head = "\r\n".join((f"HTTP/1.1 {status} So", f"content-length: {len(body)}", *headers))
    return head.encode("latin-1") + b"\r\n\r\n" + body


def using(tokens: str) -> bytes:
    """A success that tells of so many tokens of the input, of the output, and of both together."""
    told = f'"prompt_tokens": {tokens}, "completion_tokens": {tokens}, "total_tokens": {tokens}'
    return answered(b'{"object": "chat.completion", "usage": {%b}}' % told.encode())
