"""Shards: lines of a batch input that run as one job of a provider."""

from __future__ import annotations

import builtins

import msgspec


class Shard(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Lines of one batch input. Its key is (file_id, shard).

    Tiles cover the file in its order, without gaps. A derived shard belongs to one batch and has some of the
    lines of one tile, its root: what an earlier job of this batch has left undone.
    """

    file_id: str
    shard: int
    """its number within the file; tiles come first, from 0"""
    batch_id: str | None = None
    """the batch that a derived shard belongs to; None: a tile"""
    root: int
    """the tile that its lines are of; of a tile: its own number"""
    start: int
    """byte of the file at which its tile begins"""
    bytes: int
    """of its lines with their newlines; of a tile: of all that is between it and the next one"""
    first_line: int
    """lines of the file before its tile, blank ones included"""
    lines: int
    """requests: blank lines do not count"""
    id_count: int
    id_sum: int
    """as of `File`, over its own lines"""
    tokens: int
    """of its requests, estimated"""
    sha256: str | None = None
    """hex, of its bytes; None: not known"""
    lines_of_root: builtins.bytes | None = None
    """which requests of its tile it has: bit i % 8 of byte i // 8 is that of request i; None: all of them"""

    @property
    def is_tile(self) -> bool:
        """Whether it is a run of the file, which all batches on the file share."""
        return self.batch_id is None


def place_of(root: int, shard: int) -> int:
    """Where results of a shard stand in a result file: by tiles, then by attempts at each of them."""
    return (root << 32) + shard
