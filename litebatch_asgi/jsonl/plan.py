"""Cuts a checked file into tiles, each of which a provider takes as one job."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from litebatch_asgi.jsonl.ids import ID_MODULUS
from litebatch_asgi.jsonl.marks import MARK_STEPS, Mark, MarkSteps

_SHARE = 16
"""A step between marks is no more than such a part of what a tile may hold."""


class ShardLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the lines of one job may come to, and into how many jobs to cut what fits into fewer."""

    max_requests: int
    max_bytes: int
    """of what is sent"""
    max_tokens: int | None = None
    """of the input, estimated; None: any number"""
    parallel: int = 1
    """tiles to make, if they are many enough for `min_requests` in each"""
    min_requests: int = 1000
    """no tile is smaller, but where the other limits ask for it"""
    added_bytes_per_request: int = 0
    """by which what is sent is longer than what is written: the model's name; negative counts as 0"""

    def hold(self, *, requests: int, bytes: int, tokens: int) -> bool:
        """Whether one job may have so much; `bytes` as they are in the file."""
        sent = bytes + requests * max(self.added_bytes_per_request, 0)
        return (
            requests <= self.max_requests
            and sent <= self.max_bytes
            and (self.max_tokens is None or tokens <= self.max_tokens)
        )

    @property
    def steps(self) -> MarkSteps:
        """Marks that are near enough for tiles to be cut close to these limits."""
        return MarkSteps(
            requests=max(min(MARK_STEPS.requests, self.max_requests // _SHARE), 1),
            bytes=max(min(MARK_STEPS.bytes, self.max_bytes // _SHARE), 1),
            tokens=max(self.max_tokens // _SHARE, 1) if self.max_tokens is not None else None,
        )


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a file's lines. The fields are those of `Shard`."""

    start: int
    bytes: int
    first_line: int
    lines: int
    id_count: int
    id_sum: int
    tokens: int

    @classmethod
    def between(cls, start: Mark, end: Mark) -> Tile:
        """What lies between two marks."""
        requests = end.requests - start.requests
        return cls(
            start=start.offset,
            bytes=end.offset - start.offset,
            first_line=start.line,
            lines=requests,
            id_count=requests,
            id_sum=(end.id_sum - start.id_sum) % ID_MODULUS,
            tokens=end.tokens - start.tokens,
        )


class TooManyTiles(ValueError):
    """A file is more than so many jobs can take."""


def plan_shards(marks: Sequence[Mark], limits: ShardLimits, *, most: int = sys.maxsize) -> list[Tile]:
    """Tiles that cover the file in its order, as few as the limits allow or `parallel`, and of like size.

    Between two marks there is no cut: where so little is over the limits already, as a line that is too long
    for any job, it is a tile by itself, for which `limits.hold` says no.

    Raises `TooManyTiles` where the limits ask for more than `most`.
    """
    planner = _Planner(marks, limits)
    full = planner.fill(most)
    wanted = min(limits.parallel, marks[-1].requests // max(limits.min_requests, 1), most)
    spread = planner.spread(max(wanted, len(full)))
    is_cut_more = wanted <= len(full) < len(spread) or len(spread) > most
    return full if is_cut_more else spread


class _Planner:
    """Cuts at some of the marks, from the beginning to the end."""

    def __init__(self, marks: Sequence[Mark], limits: ShardLimits) -> None:
        self._marks = marks
        self._limits = limits
        self._last = len(marks) - 1
        self._total = marks[-1].requests

    def fill(self, most: int) -> list[Tile]:
        """As few tiles as the limits allow: each takes all that it can hold."""
        tiles: list[Tile] = []
        start = 0
        while start < self._last:
            if len(tiles) == most:
                raise TooManyTiles(f"{most} tiles have {self._marks[start].requests} of its requests")
            end = self._furthest(start)
            tiles.append(self._tile(start, end))
            start = end
        return tiles

    def spread(self, count: int) -> list[Tile]:
        """About so many tiles of like numbers of requests: fewer for `min_requests`, more for the limits."""
        fewest = self._limits.min_requests
        tiles: list[Tile] = []
        start = 0
        while start < self._last:
            share = -(-self._total * (len(tiles) + 1) // count)
            end = self._find(max(share, self._marks[start].requests + fewest))
            if self._total - self._marks[end].requests < fewest:
                end = self._last
            end = min(end, self._furthest(start))
            tiles.append(self._tile(start, end))
            start = end
        return tiles

    def _tile(self, start: int, end: int) -> Tile:
        return Tile.between(self._marks[start], self._marks[end])

    def _find(self, requests: int) -> int:
        """The first mark with so many requests before it."""
        return min(bisect_left(self._marks, requests, key=lambda mark: mark.requests), self._last)

    def _furthest(self, start: int) -> int:
        """The last mark at which a tile from here may end; always one further than here.

        What a tile comes to only grows with its end, so that the marks that are too far can be searched for.
        """

        def is_too_much(end: int) -> bool:
            tile = self._tile(start, end)
            return not self._limits.hold(requests=tile.lines, bytes=tile.bytes, tokens=tile.tokens)

        ends = range(start + 1, self._last + 1)
        return max(start + bisect_left(ends, True, key=is_too_much), start + 1)
