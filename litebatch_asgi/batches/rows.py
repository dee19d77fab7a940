"""Rows of result files that are written out by us, not left at a provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Self

from litebatch_asgi.files.keeping import ContentWriter, Kept
from litebatch_asgi.jsonl import MissingRows
from litebatch_asgi.models import FilePart, PartKind
from litebatch_asgi.runtime import Runtime

PART_BYTES = 1 << 20
"""what one part holds at most that is in the database itself; it may end within a row"""


class InlineRows:
    """Rows, each with its newline, kept on disk until the transaction takes them."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._spool = runtime.result_spooler.new()
        self._kept: Kept | None = None
        self.count: int = 0
        """how many, once finished"""

    async def __aenter__(self) -> Self:
        return self

    async def store(self, writer: ContentWriter) -> None:
        """Bring what one transaction is not to take into the content store; little stays as it is."""
        if self.size > PART_BYTES:
            self._kept = await writer.put(self.blocks())

    def parts(self, file_id: str, numbers: Iterator[int]) -> Iterator[FilePart]:
        """What they are in a file, for a thread that may wait for the disk."""
        if self._kept is not None:
            yield self._kept.part(file_id, next(numbers))
            return
        for rows in self._pieces():
            yield FilePart(
                file_id=file_id, seq=next(numbers), kind=PartKind.INLINE, bytes=len(rows), rows=rows
            )

    async def __aexit__(self, *_: object) -> None:
        await self._spool.aclose()

    @property
    def size(self) -> int:
        """Bytes of all rows together."""
        return self._spool.size

    async def write(self, rows: bytes) -> None:
        """Append whole rows."""
        await self._spool.write(rows)

    async def finish(self, count: int) -> None:
        """End the writing: so many rows were written."""
        await self._spool.finish()
        self.count = count

    async def pour(self, blocks: AsyncIterator[bytes], missing: MissingRows) -> None:
        """Write a row for each line of the input that `missing` says, and finish."""
        async for block in blocks:
            await self.write(await self._runtime.in_executor(missing.feed, block))
        await self.write(missing.finish())
        await self.finish(missing.rows)

    def blocks(self) -> AsyncGenerator[bytes]:
        """What was written, from its start."""
        return self._spool.blocks()

    def _pieces(self) -> Iterator[bytes]:
        for start in range(0, self.size, PART_BYTES):
            yield self._spool.read(start, min(start + PART_BYTES, self.size))
