"""Sets of requests of a tile, as bitmaps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

_RUN = re.compile("1+")


class LineSet:
    """Some of the requests of a tile, by their index from 0. It never changes, and takes a bit for each.

    The sets of one operation must be of the same size: others are a `ValueError`.
    """

    def __init__(self, size: int, bits: bytes) -> None:
        """Of a tile of `size` requests those that `to_bytes` or `Shard.lines_of_root` told.

        Raises:
            ValueError: `bits` are not those of a tile of this size.

        """
        if len(bits) != (size + 7) // 8 or int.from_bytes(bits, "little").bit_length() > size:
            raise ValueError(f"a bitmap of {len(bits)} bytes is not of a tile of {size} requests")
        self.size: Final = size
        """requests of the tile"""
        self._bits = bits

    @classmethod
    def of(cls, size: int, indexes: Iterable[int]) -> LineSet:
        """The requests with these indexes; an `IndexError` says that the tile has no such request."""
        bits = bytearray((size + 7) // 8)
        for index in indexes:
            if not 0 <= index < size:
                raise IndexError(f"a tile of {size} requests has none with the index {index}")
            bits[index >> 3] |= 1 << (index & 7)
        return cls(size, bytes(bits))

    @classmethod
    def all(cls, size: int) -> LineSet:
        """All requests of a tile."""
        return cls._from(size, (1 << size) - 1)

    @classmethod
    def _from(cls, size: int, number: int) -> LineSet:
        return cls(size, number.to_bytes((size + 7) // 8, "little"))

    def to_bytes(self) -> bytes:
        """One bit for each request: bit i % 8 of byte i // 8 is that of request i."""
        return self._bits

    @property
    def count(self) -> int:
        """How many are in it."""
        return self._number.bit_count()

    def __contains__(self, index: int) -> bool:
        return 0 <= index < self.size and bool(self._bits[index >> 3] >> (index & 7) & 1)

    def __iter__(self) -> Iterator[int]:
        for start, end in self.runs():
            yield from range(start, end)

    def runs(self) -> Iterator[tuple[int, int]]:
        """What is in it without a gap, in ascending order: the first index, and the one after the last."""
        for run in _RUN.finditer(f"{self._number:b}"[::-1]):
            yield run.span()

    def __or__(self, other: LineSet) -> LineSet:
        return self._from(self.size, self._number | self._same(other))

    def __and__(self, other: LineSet) -> LineSet:
        return self._from(self.size, self._number & self._same(other))

    def __sub__(self, other: LineSet) -> LineSet:
        return self._from(self.size, self._number & ~self._same(other))

    def is_disjoint(self, other: LineSet) -> bool:
        """Whether no request is in both."""
        return not self._number & self._same(other)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LineSet) and (self.size, self._bits) == (other.size, other._bits)

    def __hash__(self) -> int:
        return hash((self.size, self._bits))

    def __repr__(self) -> str:
        return f"LineSet({self.count} of {self.size})"

    @property
    def _number(self) -> int:
        return int.from_bytes(self._bits, "little")

    def _same(self, other: LineSet) -> int:
        if other.size != self.size:
            raise ValueError(
                f"sets of tiles of {self.size} and of {other.size} requests have nothing in common"
            )
        return other._number
