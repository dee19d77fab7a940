"""Originals: what was uploaded, kept in the content store beside the copies at the deployments."""

from __future__ import annotations

from functools import partial

import anyio

from litebatch_asgi.errors import LiteBatchError, StateConflict, Unavailable
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.keeping import ContentWriter
from litebatch_asgi.models import File, FileChange, FileState
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
        kept = await writer.put(share.blocks())
        part = kept.part(self._file.id, 0)

        def name(current: FileState) -> FileChange:
            if current.file.deleted_at is not None:
                raise StateConflict(f"{self._file.id} was given up")
            return FileChange(parts=(part,))

        await self._runtime.storage.change_file(self._file.id, name)

    async def kept(self) -> None:
        """Wait until it is there. Raises why it is not."""
        await self._done.wait()
        if self.error is not None:
            raise self.error
