"""Deriving: some of the lines of a tile become a shard of their own, which one batch has."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing

from msgspec.structs import replace

from litebatch_asgi.batches.lines import JobLines
from litebatch_asgi.files.content import ContentReader
from litebatch_asgi.jsonl import LineIds, LineSet
from litebatch_asgi.models import FileChange, FileState, Shard
from litebatch_asgi.runtime import Runtime


class Deriver:
    """Derives shards. Writes nothing but the numbers that new shards take."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._contents = ContentReader(runtime)

    async def indexes(self, tile: JobLines) -> Mapping[bytes, int]:
        """Of the digest of each custom id of a tile the index of its request.

        Raises `RequestError` where the tile cannot be read now, `ValueError` where it is not what was taken.
        """
        ids = LineIds()
        async with aclosing(tile.blocks()) as blocks:
            async for block in blocks:
                await self._runtime.in_executor(ids.feed, block)
        return ids.finish()

    async def shard(self, batch_id: str, file: FileState, tile: Shard, lines: LineSet) -> Shard:
        """A shard of these lines of a tile. What it comes to is counted from the lines themselves.

        Raises `RequestError` where they cannot be read now.
        """
        selected = await self._contents.selected(file, tile, lines)
        return Shard(
            file_id=tile.file_id,
            shard=await self.number(file),
            batch_id=batch_id,
            root=tile.shard,
            start=tile.start,
            bytes=selected.bytes,
            first_line=tile.first_line,
            lines=selected.lines,
            id_count=selected.id_count,
            id_sum=selected.id_sum,
            tokens=selected.tokens,
            sha256=selected.sha256,
            lines_of_root=lines.to_bytes(),
        )

    async def number(self, file: FileState) -> int:
        """A number for a new shard, which nobody else gets."""
        number = 0

        def take(current: FileState) -> FileChange:
            nonlocal number
            number = max(current.file.next_shard, len(current.shards))
            return FileChange(file=replace(current.file, next_shard=number + 1))

        await self._runtime.storage.change_file(file.file.id, take)
        return number


def lines_of(shard: Shard, tile: Shard) -> LineSet:
    """Which requests of its tile a shard has."""
    return LineSet(tile.lines, shard.lines_of_root) if shard.lines_of_root else LineSet.all(tile.lines)
