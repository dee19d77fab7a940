"""One temporary file, and what makes them."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from functools import partial
from mmap import mmap
from pathlib import Path
from typing import IO, Self, TypeVar

from litebatch_asgi.errors import Unavailable
from litebatch_asgi.spool.space import SpoolSpace

T = TypeVar("T")

BUFFER_BYTES = 1 << 20
"""what is collected before it goes to disk, and what is read from there in one go"""
BLOCK_BYTES = 256 << 10
"""what is handed on at once"""

_READS_CACHED: int = getattr(os, "RWF_NOWAIT", 0)
"""as `preadv` has it on Linux; 0: there is no such thing"""


class Spooler:
    """Makes spools in one folder, all served by one executor that the caller owns.

    They hold at most `max_bytes` together.
    """

    def __init__(
        self, directory: Path, executor: ThreadPoolExecutor, *, max_bytes: int = sys.maxsize
    ) -> None:
        self._directory = directory
        self._executor = executor
        self._space = SpoolSpace(max_bytes)

    @property
    def held_bytes(self) -> int:
        """What the spools that are not closed hold together."""
        return self._space.held_bytes

    def new(self) -> Spool:
        """An empty spool; nothing is on the disk before something is written."""
        return Spool(self._directory, self._executor, self._space)


class Spool:
    """A temporary file: written once from start to end, then read by any number of readers at a time.

    It has no name on the disk, so that not even a killed process leaves it behind. Whoever makes it or
    takes a share of it closes it, once; the last one to do so gives the space back. It belongs to the
    event loop it was made on.
    """

    def __init__(self, directory: Path, executor: ThreadPoolExecutor, space: SpoolSpace) -> None:
        self._executor = executor
        self._space = space
        self._disk = _UnnamedFile(directory)
        self._filling = _buffer(BUFFER_BYTES)
        self._spare = _buffer(BUFFER_BYTES)
        self._filled = 0
        self._flushed = 0
        self._in_flight: Future[None] | None = None
        self._finished = False
        self._shares = 1

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._flushed + self._filled

    async def write(self, content: bytes | bytearray | memoryview) -> None:
        """Append; one buffer goes to disk while the next one fills.

        Raises `Unavailable` when the disk does not take it, which may show in a later call only, `SpoolFull`
        when all spools together hold as much as they may, and `FileTooLarge` when this one alone would be
        larger. After a write that failed or was cancelled the spool can only be closed.
        """
        assert not self._finished, "a finished spool takes no more"
        rest = memoryview(content)
        await self._space.take(self, len(rest))
        while rest:
            if self._filled == BUFFER_BYTES:
                await self._flush()
            taken = min(len(rest), BUFFER_BYTES - self._filled)
            self._filling[self._filled : self._filled + taken] = rest[:taken]
            self._filled += taken
            rest = rest[taken:]

    async def finish(self) -> None:
        """End the writing: from here on it can be read. Raises `Unavailable` as `write` does."""
        if self._filled:
            await self._flush()
        await self._landed()
        self._drop_buffers()
        self._finished = True

    async def blocks(
        self, size: int = BLOCK_BYTES, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        """The content from `start` to `end`, None: to its last byte, in blocks of `size` bytes or fewer."""
        async with aclosing(self.views(size, start=start, end=end)) as views:
            async for view in views:
                yield bytes(view)

    async def views(
        self, size: int = BLOCK_BYTES, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[memoryview]:
        """The same without a copy: what is yielded holds until the next block is asked for."""
        length = max(size, BUFFER_BYTES // size * size)
        end = self.size if end is None else end
        ahead = _buffer(min(end - start, length))
        for first, last in self._spans(length, start, end):
            span = ahead[: last - first]
            if not self._disk.read_cached(span, first):
                await self._in_executor(partial(self._disk.read_into, span, first))
            for at in range(0, len(span), size):
                yield span[at : at + size]

    async def scan(
        self,
        feed: Callable[[bytes], object],
        piece: int = BLOCK_BYTES,
        *,
        start: int = 0,
        end: int | None = None,
    ) -> None:
        """Call `feed` in the executor with one piece of the content after the other, as `blocks` gives them.

        The event loop may go on with every read of a piece, for reading lets go of the interpreter's lock.
        It can be cancelled after every `BUFFER_BYTES`; the thread goes on to their end, or to where the spool
        is closed.
        """

        def feed_span(first: int, last: int) -> None:
            for at in range(first, last, piece):
                feed(self._disk.read(at, min(at + piece, last)))

        length = max(piece, BUFFER_BYTES // piece * piece)
        for first, last in self._spans(length, start, self.size if end is None else end):
            await self._in_executor(partial(feed_span, first, last))

    def read(self, start: int, end: int) -> bytes:
        """Some of the content, read in the calling thread, which is not to be the event loop's."""
        assert self._finished, "a spool is read once it is finished"
        return self._disk.read(start, end)

    def offer(self, give_up: Callable[[], None]) -> None:
        """Let others have the space where it is needed: `give_up` then makes those close who have a share."""
        self._space.offer(self, give_up)

    def share(self) -> Self:
        """The same spool once more, to be closed once more."""
        assert self._shares, "a closed spool cannot be shared"
        self._shares += 1
        return self

    async def aclose(self) -> None:
        """Give back one share; with the last one the file goes."""
        self._shares -= 1
        if self._shares == 0:
            self._drop_buffers()
            self._space.give_back(self)
            try:
                releasing = self._in_executor(self._disk.release)
            except Unavailable:  # at shutdown: better late than not at all
                self._disk.release()
            else:  # shielded: cancelled before its turn in the executor it would leave the file open
                await asyncio.shield(releasing)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _flush(self) -> None:
        await self._landed()
        full = self._filling[: self._filled]
        self._in_flight = self._executor.submit(self._disk.write, full, self._flushed)
        self._flushed += self._filled
        self._filled = 0
        self._filling, self._spare = self._spare, self._filling

    async def _landed(self) -> None:
        if self._in_flight is None:
            return
        try:
            await asyncio.wrap_future(self._in_flight)
        except OSError as error:
            raise Unavailable("The upload cannot be stored at the moment, try again later.") from error
        self._in_flight = None

    def _spans(self, length: int, start: int, end: int) -> Iterator[tuple[int, int]]:
        assert self._finished, "a spool is read once it is finished"
        return ((at, min(at + length, end)) for at in range(start, end, length))

    def _in_executor(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.wrap_future(self._executor.submit(work))

    def _drop_buffers(self) -> None:
        self._filling = self._spare = memoryview(b"")


def _buffer(size: int) -> memoryview:
    """Memory that begins with a page, as the system keeps files.

    Other large memory begins 16 bytes after one, from where some processors copy a fifth as fast.
    """
    return memoryview(mmap(-1, size)) if size else memoryview(b"")


class _UnnamedFile:
    """A file without a name, closed when its last user leaves it. For any thread.

    A call may go on in its thread when the task that asked for it is long cancelled, so the spool's own
    hold on the file and every call under way are counted alike.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: IO[bytes] | None = None
        self._users = 1
        self._lock = threading.Lock()

    def write(self, content: memoryview, offset: int) -> None:
        with self._in_use() as descriptor:
            while content:
                written = os.pwrite(descriptor, content, offset)
                content, offset = content[written:], offset + written

    def read(self, start: int, end: int) -> bytes:
        with self._in_use() as descriptor:
            return os.pread(descriptor, end - start, start)

    def read_cached(self, buffer: memoryview, offset: int) -> bool:
        """Fill `buffer` if that takes no wait for the disk, for the system has it all in memory."""
        if not _READS_CACHED:
            return False
        with self._in_use() as descriptor:
            try:
                return os.preadv(descriptor, [buffer], offset, _READS_CACHED) == len(buffer)
            except OSError:  # it has nothing of it, or the file system cannot tell
                return False

    def read_into(self, buffer: memoryview, offset: int) -> None:
        with self._in_use() as descriptor:
            os.preadv(descriptor, [buffer], offset)

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            unused = self._file if self._users == 0 else None
        if unused is not None:
            unused.close()

    @contextmanager
    def _in_use(self) -> Generator[int]:
        with self._lock:
            if not self._users:
                raise ValueError("the spool is closed")
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115
            self._users += 1
        try:
            yield self._file.fileno()
        finally:
            self.release()
