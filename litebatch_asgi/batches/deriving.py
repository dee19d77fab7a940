"""Deriving: some of the lines of a tile become a shard of their own, which one batch has."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import aclosing
from hashlib import blake2b

from msgspec.structs import replace

from litebatch_asgi.batches.lines import JobLines
from litebatch_asgi.files.content import ContentReader
from litebatch_asgi.jsonl import LineIds, LineSet
from litebatch_asgi.models import FileState, Shard
from litebatch_asgi.runtime import Runtime

_FIRST = 1_000_000_000
"""derived ones have ten digits, tiles (and what older versions have derived) few"""
_LAST = (1 << 30) - 1
"""copies of result files have numbers of up to twice as much, of 31 bits"""


class Deriver:
    """Derives shards. Writes nothing."""

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

    async def shard(
        self,
        batch_id: str,
        file: FileState,
        tile: Shard,
        lines: LineSet,
        *,
        parent: int | None = None,
        taken: Collection[int] = (),
    ) -> Shard:
        """A shard of these lines of a tile. What it comes to is counted from the lines themselves.

        `parent`: the shard whose job has left the lines; `taken`: see `numbered`. Raises `RequestError` where
        they cannot be read now.
        """
        selected = await self._contents.selected(file, tile, lines)
        return await self.numbered(
            Shard(
                file_id=tile.file_id,
                shard=0,
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
            ),
            parent,
            taken,
        )

    async def numbered(self, shard: Shard, parent: int | None = None, taken: Collection[int] = ()) -> Shard:
        """A new shard with its number, see `number_of`: the next one that is free, or that it has already.

        `taken`: numbers of others that are to be written together with it.
        """
        numbered = replace(shard, shard=number_of(shard, parent))
        while True:
            there = await self._runtime.storage.shards.get(shard.file_id, numbered.shard)
            if (there is None or there == numbered) and numbered.shard not in taken:
                return numbered
            numbered = replace(numbered, shard=numbered.shard + 1)


def number_of(shard: Shard, parent: int | None) -> int:
    """The number of a derived shard, which is told by what it is.

    A database that was restored gives the same lines the number that its lost history gave them, and finds
    the job that was made of them; other lines have another number, and that job is never taken for theirs.
    """
    told = f"{shard.batch_id} {shard.root} {parent} ".encode() + (shard.lines_of_root or b"")
    number = int.from_bytes(blake2b(told, digest_size=8).digest())
    return _FIRST + number % (_LAST - _FIRST)


def lines_of(shard: Shard, tile: Shard) -> LineSet:
    """Which requests of its tile a shard has."""
    return LineSet(tile.lines, shard.lines_of_root) if shard.lines_of_root else LineSet.all(tile.lines)
