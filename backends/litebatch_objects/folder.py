"""A content store in a folder that all processes see, such as a local disk or a volume."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import anyio

from litebatch_asgi.contents import check_key
from litebatch_asgi.errors import ConfigError, ContentMissing, StoreUnavailable
from litebatch_asgi.threads import Threads

T = TypeVar("T")

BLOCK_BYTES = 1 << 20
"""what is written and read in one go"""
_UNFINISHED = ".part"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_CLOSE_SECONDS = 10.0


class FolderStore:
    """A `ContentStore` in the folder of a `file:///...` URL, one file a content.

    A content is written beside its name, brought to the disk, renamed, and its name brought to the disk: what
    `put` has returned for is there after a power cut. The folder must be there. All disk work is done in
    threads of our own. Raises `ConfigError` for a URL that is not of a folder here.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.query:
            raise ConfigError(f"content_store: {url!r} is to be file:///absolute/path/of/a/folder")
        self._folder = Path(unquote(parts.path))
        self._threads: Threads | None = None

    async def open(self) -> None:
        """See `ContentStore.open`: the folder must be there, and take files."""
        self._threads = self._threads or Threads()
        if not await self._run(partial(os.access, self._folder, os.R_OK | os.W_OK | os.X_OK)):
            raise ConfigError(f"content_store: there is no folder {self._folder} to write to; make it first")

    async def aclose(self) -> None:
        """See `ContentStore.aclose`."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await threads.aclose(_CLOSE_SECONDS)

    async def put(self, key: str, blocks: AsyncIterator[bytes]) -> int:
        """See `ContentStore.put`."""
        path = self._path(key)
        unfinished = path.with_name(key + _UNFINISHED)
        descriptor = await self._shielded(partial(os.open, unfinished, _NEW, 0o600))
        try:
            size = await self._write(descriptor, blocks)
            await self._shielded(partial(_finish, descriptor, unfinished, path))
        except BaseException:
            with anyio.CancelScope(shield=True), suppress(StoreUnavailable):
                await self._run(partial(_drop, unfinished))
            raise
        finally:
            with anyio.CancelScope(shield=True):  # behind whatever a cancelled call still does with it
                await self._run(partial(os.close, descriptor))
        return size

    async def _write(self, descriptor: int, blocks: AsyncIterator[bytes]) -> int:
        size, filling = 0, bytearray()
        async for block in blocks:
            filling += block
            if len(filling) >= BLOCK_BYTES:
                await self._shielded(partial(_append, descriptor, bytes(filling)))
                size += len(filling)
                filling.clear()
        await self._shielded(partial(_append, descriptor, bytes(filling)))
        return size + len(filling)

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes]:
        """See `ContentStore.get`."""
        descriptor = await self._shielded(partial(_open, self._path(key)))
        if descriptor is None:
            raise ContentMissing(f"The folder of the content store has no {key}.")
        try:
            while end is None or start < end:
                length = BLOCK_BYTES if end is None else min(BLOCK_BYTES, end - start)
                block = await self._shielded(partial(os.pread, descriptor, length, start))
                if not block:
                    return
                start += len(block)
                yield block
        finally:
            with anyio.CancelScope(shield=True):
                await self._run(partial(os.close, descriptor))

    async def delete(self, key: str) -> None:
        """See `ContentStore.delete`: what was finished and what was not."""
        path = self._path(key)
        await self._run(partial(_delete, path, path.with_name(key + _UNFINISHED)))

    def _path(self, key: str) -> Path:
        return self._folder / check_key(key)

    async def _shielded(self, work: Callable[[], T]) -> T:
        """Call `work`; cancelled, only once it is done: nobody closes a file that is in use."""
        results: list[T] = []
        with anyio.CancelScope(shield=True):
            results.append(await self._run(work))
        return results[0]

    async def _run(self, work: Callable[[], T]) -> T:
        if self._threads is None:
            raise StoreUnavailable("The content store is not open.")
        try:
            return await asyncio.wrap_future(self._threads.submit(work))
        except OSError as error:
            raise StoreUnavailable(f"The folder of the content store fails: {error.strerror}.") from error


def _open(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None


def _append(descriptor: int, block: bytes) -> None:
    left = memoryview(block)
    while left:
        left = left[os.write(descriptor, left) :]


def _finish(descriptor: int, unfinished: Path, path: Path) -> None:
    os.fsync(descriptor)
    unfinished.rename(path)
    _sync_folder(path.parent)


def _drop(unfinished: Path) -> None:
    unfinished.unlink(missing_ok=True)


def _delete(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
    _sync_folder(paths[0].parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
