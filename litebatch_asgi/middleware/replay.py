"""Taking a body off its channel without anybody behind noticing: what was taken is given out again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Self

from starlette.types import Message, Receive

from litebatch_asgi.spool import Spool


class SmallBody:
    """`receive` for a body that is looked at whole before it is passed on.

    At most `most` bytes of it and one message more are held.
    """

    def __init__(self, receive: Receive, *, most: int) -> None:
        self._receive = receive
        self._most = most
        self._taken: list[Message] = []

    async def read(self, *, within_seconds: float) -> bytes | None:
        """The body; None when it is too large, too slow or cut off."""
        body = bytearray()
        is_whole, end = False, None
        try:
            async with asyncio.timeout(within_seconds):
                while not is_whole and len(body) <= self._most:
                    message = await self._receive()
                    if message["type"] != "http.request":
                        end = message
                        break
                    body += message.get("body", b"")
                    is_whole = not message.get("more_body", False)
        except TimeoutError:
            pass
        if body or is_whole:
            self._taken.append(body_message(bytes(body), more=not is_whole))
        if end is not None:
            self._taken.append(end)
        return bytes(body) if is_whole and len(body) <= self._most else None

    async def __call__(self) -> Message:
        """The next message, as if none had been taken."""
        return self._taken.pop(0) if self._taken else await self._receive()


class SpooledBody:
    """`receive` for a body of which some is kept on disk before it is passed on.

    First come `take` and `keep` of what was taken, as often as wanted, then `replay`; from there on it gives
    out what was kept, gives the spool, which is its own, back, and goes on with the channel itself. It may be
    cancelled at any time without losing anything, as Starlette's `is_disconnected` does.
    """

    def __init__(self, spool: Spool, receive: Receive) -> None:
        self._spool = spool
        self._receive = receive
        self._blocks = spool.blocks()
        self._coming: asyncio.Task[bytes] | None = None
        self._left = 0
        self._closing: asyncio.Task[None] | None = None
        self._end: Message | None = None
        self.has_ended: bool = False
        """whether the whole body is kept"""

    @property
    def size(self) -> int:
        """Bytes kept."""
        return self._spool.size

    async def take(self, *, within_seconds: float) -> bytes | None:
        """The next piece of the body, to be kept; None when it is too slow or cut off."""
        try:
            async with asyncio.timeout(within_seconds):
                message = await self._receive()
        except TimeoutError:
            return None
        if message["type"] != "http.request":
            self._end = message
            return None
        chunk: bytes = message.get("body", b"")
        self.has_ended = not message.get("more_body", False)
        return chunk

    async def keep(self, chunk: bytes) -> None:
        """Keep what was taken. Raises `Unavailable` if the disk does not take it."""
        await self._spool.write(chunk)

    async def replay(self) -> None:
        """End the keeping. Raises `Unavailable` if the disk does not take it."""
        await self._spool.finish()
        self._left = self._spool.size
        if self.has_ended and not self._left:
            self._end = body_message(b"", more=False)

    async def __call__(self) -> Message:
        """The next message, as if none had been taken."""
        if self._left:
            block = await self._next_block()
            self._left -= len(block)
            return body_message(block, more=self._left > 0 or not self.has_ended)
        self._begin_release()  # not awaited: who only asks whether the client has left does not wait for it
        end, self._end = self._end, None
        return end if end is not None else await self._receive()

    async def _next_block(self) -> bytes:
        # shielded: a generator that is cancelled is at its end, and its block lost
        if self._coming is None:
            self._coming = asyncio.create_task(_next(self._blocks))
        block = await asyncio.shield(self._coming)
        self._coming = None
        return block

    def _begin_release(self) -> asyncio.Task[None]:
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        return self._closing

    async def _close(self) -> None:
        await self._blocks.aclose()
        await self._spool.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._coming is not None:
            await asyncio.gather(self._coming, return_exceptions=True)
        await asyncio.shield(self._begin_release())


def body_message(body: bytes, *, more: bool) -> Message:
    """A message with some of a request's body."""
    return {"type": "http.request", "body": body, "more_body": more}


async def _next(blocks: AsyncGenerator[bytes]) -> bytes:
    return await anext(blocks)
