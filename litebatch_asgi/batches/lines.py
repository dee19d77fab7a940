"""The lines that a job runs: its shard, and the bytes of that."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.files.content import ContentReader
from litebatch_asgi.models import FileState, Job, Shard
from litebatch_asgi.runtime import Runtime


class JobLines:
    """What one job runs of its input."""

    def __init__(self, file: FileState, shard: Shard, contents: ContentReader) -> None:
        self.file = file
        self.shard = shard
        self._contents = contents

    def blocks(self) -> AsyncGenerator[bytes]:
        """Its lines, as they were uploaded. Raises `RequestError` where they cannot be read now."""
        return self._contents.shard_blocks(self.file, self.shard)


class LineReader:
    """Finds the lines of jobs."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._contents = ContentReader(runtime)

    async def of(self, job: Job, file: FileState) -> JobLines:
        """Those of a job on this input. Raises `StateConflict` if its shard is gone."""
        return JobLines(file, await self._find(file, job.shard), self._contents)

    async def tile(self, file: FileState, root: int) -> JobLines:
        """All lines of a tile. Raises `StateConflict` if it is gone."""
        return JobLines(file, await self._find(file, root), self._contents)

    async def _find(self, file: FileState, number: int) -> Shard:
        found = file.tile(number) or await self._runtime.storage.shards.get(file.file.id, number)
        if found is None:
            raise StateConflict(f"shard {number} of {file.file.id} is gone")
        return found
