"""Rows of live jobs, as they stand in a result file: read page by page from where they were written."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from litebatch_asgi.models import FileKind
from litebatch_asgi.runtime import Runtime


async def row_blocks(runtime: Runtime, job_id: str, kind: FileKind) -> AsyncGenerator[bytes]:
    """The rows of a live job for one file, in order of their lines. Raises `StorageUnavailable`."""
    after = -1
    while results := await runtime.storage.lines.rows(job_id, kind, after=after):
        after = results[-1].line
        yield b"".join(each.row for each in results)
