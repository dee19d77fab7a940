"""Originals: what was uploaded, kept in the content store beside the copies at the deployments."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from weakref import WeakValueDictionary

import anyio

from litebatch_asgi.errors import LiteBatchError, StateConflict, Unavailable
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.content import ContentReader
from litebatch_asgi.files.keeping import ContentWriter
from litebatch_asgi.files.stored import original_of
from litebatch_asgi.models import File, FileChange, FilePart, FileState
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.spool import Spool


class Original:
    """The original of one upload, on its way into the store."""

    def __init__(self, runtime: Runtime, file: File) -> None:
        self._runtime = runtime
        self._file = file
        self._done = anyio.Event()
        self.error: LiteBatchError | None = Unavailable("The upload was broken off. Try it again.")
        """why it is not kept; None once it is"""

    async def keep(self, share: Spool) -> None:
        """Put what was received into the store, and name it in the row of its file."""
        try:
            await ContentWriter.run(self._runtime, partial(self._put, share))
            self.error = None
            hit("content.named")
        except StateConflict:
            self.error = Unavailable("The upload took so long that it counted as broken off. Try it again.")
            raise
        except LiteBatchError as error:
            self.error = error
            raise
        finally:
            self._done.set()
            with anyio.CancelScope(shield=True):
                await share.aclose()

    async def _put(self, share: Spool, writer: ContentWriter) -> None:
        def check(current: FileState) -> None:
            if current.file.deleted_at is not None:
                raise StateConflict(f"{self._file.id} was given up")

        await _put(self._runtime, self._file, share.blocks(), check, writer)

    async def kept(self) -> None:
        """Wait until it is there. Raises why it is not."""
        await self._done.wait()
        if self.error is not None:
            raise self.error


class OriginalKeeper:
    """Keeps originals of inputs that were accepted without."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._turns = WeakValueDictionary[str, anyio.Lock]()

    async def kept(self, state: FileState) -> FilePart:
        """The original of an input; where it is not kept yet it is read from its copies, and kept.

        Raises `RequestError` or `StoreUnavailable` where it cannot be read or written now, `StateConflict` if
        the file is gone.
        """
        turn = self._turns.setdefault(state.file.id, anyio.Lock())
        async with turn:  # jobs of several tiles want it at the same moment
            original = await original_of(self._runtime, state)
            if original is not None:
                return original
            try:
                original = await ContentWriter.run(self._runtime, partial(self._put, state))
            except StateConflict:
                original = await original_of(self._runtime, state)  # another process may have been quicker
                if original is None:
                    raise
            hit("content.named")
            return original

    async def _put(self, state: FileState, writer: ContentWriter) -> FilePart:
        async with aclosing(ContentReader(self._runtime).blocks(state)) as blocks:
            return await _put(self._runtime, state.file, blocks, _check_read, writer)


def _check_read(current: FileState) -> None:
    if current.file.deleted_at is not None and not current.open_batches:
        raise StateConflict(f"{current.file.id} is deleted")


async def _put(
    runtime: Runtime,
    file: File,
    blocks: AsyncIterator[bytes],
    check: Callable[[FileState], None],
    writer: ContentWriter,
) -> FilePart:
    """Write what was uploaded into the store, and name it in the row of its file unless `check` raises."""
    part = (await writer.put(blocks)).part(file.id, 0)

    def name(current: FileState) -> FileChange:
        check(current)
        return FileChange(parts=(part,))

    await runtime.storage.change_file(file.id, name)
    return part
