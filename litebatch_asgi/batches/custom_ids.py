"""The custom ids of an input by the numbers of its lines, on disk: their length costs no memory."""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial

import msgspec

from litebatch_asgi.jsonl import RawIds
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.spool import Spool

_END = struct.Struct("<Q")
_SPAN = struct.Struct("<QQ")


class CustomIds:
    """Finds the custom_id of a line, just as it is spelled there.

    One file holds the ids, another one where each of them ends, with a 0 before the first.
    """

    def __init__(self, ids: Spool, ends: Spool) -> None:
        self._ids = ids
        self._ends = ends

    @classmethod
    @asynccontextmanager
    async def of(cls, runtime: Runtime, blocks: AsyncGenerator[bytes]) -> AsyncGenerator[CustomIds]:
        """Those of an accepted input, until the block ends.

        Raises what reading the input raises, and what writing to our disk does.
        """
        async with AsyncExitStack() as spools:
            ids = await spools.enter_async_context(runtime.result_spooler.new())
            ends = await spools.enter_async_context(runtime.result_spooler.new())
            await ends.write(_END.pack(0))
            reader, filler = RawIds(), _Filler()
            async with aclosing(blocks):
                async for block in blocks:
                    added = await runtime.in_executor(filler.add, partial(reader.feed, block))
                    await _write(ids, ends, added)
            await _write(ids, ends, filler.add(reader.finish))
            await ids.finish()
            await ends.finish()
            yield cls(ids, ends)

    def get(self, line: int) -> msgspec.Raw | None:
        """The custom_id of a line, in JSON; None: there is no such line. For threads that may wait."""
        at = (line - 1) * _END.size
        if line < 1 or at + _SPAN.size > self._ends.size:
            return None
        start, end = _SPAN.unpack(self._ends.read(at, at + _SPAN.size))
        return msgspec.Raw(self._ids.read(start, end)) if start < end else None


class _Filler:
    """Knows how far the file of ids has come."""

    def __init__(self) -> None:
        self._size = 0

    def add(self, read: Callable[[], list[bytes]]) -> tuple[bytes, bytes]:
        """The next ids, and where each of them ends."""
        ids, ends = read(), bytearray()
        for custom_id in ids:
            self._size += len(custom_id)
            ends += _END.pack(self._size)
        return b"".join(ids), bytes(ends)


async def _write(ids: Spool, ends: Spool, added: tuple[bytes, bytes]) -> None:
    for spool, content in zip((ids, ends), added, strict=True):
        if content:
            await spool.write(content)
