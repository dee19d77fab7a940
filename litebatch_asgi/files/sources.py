"""What callers in process may hand in as the content of a file, and how it is read.

Nothing of it is read on the event loop that could hold it up: paths, plain file objects and plain iterables
are read in our own threads, and never in those of anyio or asyncio, which are the host's.
"""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias, TypeGuard, cast

import anyio

from litebatch_asgi.spool import BLOCK_BYTES, BUFFER_BYTES


class SupportsRead(Protocol):
    """A binary file object, as `open(path, "rb")` gives one."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


class SupportsAsyncRead(Protocol):
    """An asynchronous one, such as Starlette's `UploadFile` and what `anyio.open_file` gives."""

    def read(self, size: int, /) -> Awaitable[bytes]:
        """At most `size` bytes; none at the end."""
        ...


Buffer: TypeAlias = bytes | bytearray | memoryview
UploadContent: TypeAlias = (
    Buffer | os.PathLike[str] | SupportsRead | SupportsAsyncRead | AsyncIterable[bytes] | Iterable[bytes]
)
"""The content of a file: the bytes, where they are, or what gives them piece by piece.

A file object is read on from where it stands, and not closed. A plain file object or iterable occupies one of
a few threads while it makes us wait: what may wait for long (a pipe, a queue) belongs into an async iterable.
"""

InExecutor: TypeAlias = Callable[..., Awaitable[Any]]
"""calls a function with arguments in a thread of ours"""


async def blocks_of(content: UploadContent, in_executor: InExecutor) -> AsyncGenerator[Buffer]:
    """The content from its start, in blocks of any size.

    Raises `TypeError` for what is no content, above all text, and whatever the reading raises.
    """
    if _is_buffer(content):
        yield _in_bytes(content)
        return
    run = partial(in_executor, copy_context().run)
    file = _OpenedFile(Path(content)) if isinstance(content, os.PathLike) else None
    following = _following(file or content, run)
    try:
        while True:
            block = await following()
            if not _is_buffer(block):  # None as well, of a file that has nothing yet: that is no end
                raise TypeError(f"the content of a file is bytes, not {type(block).__name__}")
            if not len(block):
                break
            yield _in_bytes(block)
    finally:
        if file is not None:
            with anyio.CancelScope(shield=True):
                await in_executor(file.close)  # not in the context, which a read may still be in


def _is_buffer(content: object) -> TypeGuard[Buffer]:
    return isinstance(content, bytes | bytearray | memoryview)


def _in_bytes(content: Buffer) -> Buffer:
    """The same, of which `len` is the number of bytes."""
    if not isinstance(content, memoryview):
        return content
    return content.cast("B") if content.c_contiguous else content.tobytes()


def _following(content: object, run: InExecutor) -> Callable[[], Awaitable[object]]:
    """What gives the next block each time it is called; an empty one at the end."""
    if hasattr(content, "read"):
        read = cast("SupportsRead | SupportsAsyncRead", content).read
        call = read if inspect.iscoroutinefunction(read) else partial(run, read)
        return partial(call, BUFFER_BYTES)
    if isinstance(content, AsyncIterable):
        return partial(_next_of, aiter(cast("AsyncIterable[object]", content)))
    if isinstance(content, Iterable) and not isinstance(content, str):
        return partial(run, _gathered, iter(cast("Iterable[bytes]", content)))
    raise TypeError(
        f"the content of a file cannot be an instance of {type(content).__name__}: give bytes, a "
        "pathlib.Path, a binary file object, or an iterable of bytes"
    )


async def _next_of(blocks: AsyncIterator[object]) -> object:
    async for block in blocks:
        if block:
            return block
    return b""


def _gathered(iterator: Iterator[bytes]) -> bytes:
    """The next pieces as one block: lines would take a turn in a thread each."""
    pieces = bytearray()
    for piece in iterator:
        pieces += piece
        if len(pieces) >= BLOCK_BYTES:
            break
    return bytes(pieces)


class _OpenedFile:
    """A file, opened by the first read. One whose reader was cancelled may still be read in its thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    def read(self, size: int, /) -> bytes:
        with self._lock:
            if self._is_closed:
                return b""
            if self._file is None:
                self._file = self._path.open("rb")
            return self._file.read(size)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            if self._file is not None:
                self._file.close()
