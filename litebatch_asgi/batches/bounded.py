"""Reading files for somebody who looks at them: no longer, and no more of them, than that is worth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from enum import StrEnum

import anyio
import msgspec

from litebatch_asgi.errors import NotFound, RequestError
from litebatch_asgi.files.content import ContentReader
from litebatch_asgi.models import FileState
from litebatch_asgi.runtime import Runtime


class ReadEnd(StrEnum):
    """Why a reading has ended."""

    WHOLE = "whole"
    """everything was read"""
    ENOUGH = "enough"
    """what was looked for was found"""
    TOO_LONG = "too_long"
    """so many bytes were read as may be"""
    TOO_SLOW = "too_slow"
    """the time was over"""
    GONE = "gone"
    """the file was deleted, has expired or is lost"""
    UNREADABLE = "unreadable"
    """it cannot be read at the moment"""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How far a file was read."""

    end: ReadEnd
    bytes: int = 0
    """that were read"""
    total: int = 0
    """bytes of the file, where it is there"""


class BoundedReader:
    """Reads files in the order of their bytes until somebody has enough."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._contents = ContentReader(runtime)

    async def read(
        self, file_id: str, take: Callable[[bytes], bool], *, most_bytes: int, deadline: float
    ) -> Reading:
        """Give a file's blocks to `take`, in a thread, until it says that it has enough.

        `deadline` is by the event loop's clock. Raises `StorageUnavailable` alone.
        """
        state = await self._runtime.storage.get_file(file_id)
        if state is None or not state.file.is_visible(self._runtime.now()):
            return Reading(end=ReadEnd.GONE)
        count = 0

        def counted(block: bytes) -> bool:
            nonlocal count
            count += len(block)
            return take(block)

        try:
            end = await self._read(state, counted, most_bytes, deadline)
        except NotFound:
            end = ReadEnd.GONE
        except RequestError:
            end = ReadEnd.UNREADABLE
        return Reading(end=end, bytes=count, total=state.file.bytes)

    async def _read(
        self, state: FileState, take: Callable[[bytes], bool], most_bytes: int, deadline: float
    ) -> ReadEnd:
        left = most_bytes
        async with aclosing(self._contents.blocks(state)) as blocks:
            while left > 0:
                try:
                    async with asyncio.timeout_at(deadline):  # not around `take`: a thread cannot be stopped
                        block = await anext(blocks, None)
                except TimeoutError:
                    return ReadEnd.TOO_SLOW
                if block is None:
                    return ReadEnd.WHOLE
                left -= len(block)
                if await self._runtime.in_executor(take, block):
                    return ReadEnd.ENOUGH
                if anyio.current_time() >= deadline:
                    return ReadEnd.TOO_SLOW
        return ReadEnd.TOO_LONG
