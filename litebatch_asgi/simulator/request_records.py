"""Records of requests, small enough for millions of them: 72 bytes each and the beginning of their texts.

Beyond a number of them the oldest are forgotten, 4096 at a time.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

CHUNK = 4096
IN_PROGRESS, CUT, LEFT = 0, -1, -2
"""statuses of requests that have none"""

_BEGUN = struct.Struct("<d32sIIHHHH")
_ENDED = struct.Struct("<dIi")
_WHOLE = struct.Struct("<d32sIIHHHHdIi")
_MOST_NAMES = 0xFFFF


class Record(NamedTuple):
    """One request; texts are numbers, see `Names` and `Records.text`."""

    received: float
    """Unix seconds"""
    digest: bytes
    """SHA-256 of the body"""
    size: int
    """bytes of the body"""
    text_start: int
    text_bytes: int
    account: int
    path: int
    key: int
    answered: float
    """Unix seconds; 0: not yet"""
    tokens: int
    status: int


class Names:
    """Numbers for the few different texts that many records have."""

    def __init__(self) -> None:
        self._numbers: dict[str | None, int] = {}
        self._names: list[str | None] = []

    def number(self, name: str | None) -> int:
        """The number of a text; all beyond 65535 of them have the same."""
        number = self._numbers.get(name)
        if number is None:
            number = len(self._names)
            if number < _MOST_NAMES:
                self._numbers[name] = number
                self._names.append(name)
        return number

    def __getitem__(self, number: int) -> str | None:
        return self._names[number] if number < len(self._names) else "(one of too many)"


class _Chunk:
    def __init__(self) -> None:
        self.records = bytearray(_WHOLE.size * CHUNK)
        self.texts = bytearray()


class Records:
    """The newest `most` records, or up to 4096 more, numbered from 0."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._chunks: deque[_Chunk] = deque()
        self._forgotten = 0
        """how many there were that are forgotten"""
        self._count = 0

    def __len__(self) -> int:
        """How many there were, forgotten ones included."""
        return self._count

    def begin(
        self, received: float, digest: bytes, size: int, text: bytes, account: int, path: int, key: int
    ) -> int:
        """Add a request that is in progress; returns its number."""
        place = self._count % CHUNK
        if not place:
            self._chunks.append(_Chunk())
            if len(self._chunks) > -(-self.most // CHUNK) + 1:
                self._chunks.popleft()
                self._forgotten += CHUNK
        chunk, start = self._chunks[-1], place * _WHOLE.size
        placed = len(chunk.texts), len(text)
        _BEGUN.pack_into(chunk.records, start, received, digest, size, *placed, account, path, key)
        chunk.texts += text
        self._count += 1
        return self._count - 1

    def end(self, number: int, answered: float, tokens: int, status: int) -> None:
        """Note how a request ended; nothing if it is forgotten."""
        if number >= self._forgotten:
            chunk, place = divmod(number - self._forgotten, CHUNK)
            start = place * _WHOLE.size + _BEGUN.size
            _ENDED.pack_into(self._chunks[chunk].records, start, answered, tokens, status)

    def since(self, first: int) -> Iterator[tuple[int, Record]]:
        """The records from a number on that are not forgotten, each with its number, oldest first."""
        first = max(first, self._forgotten)
        start = self._forgotten
        for chunk in self._chunks:
            skipped, used = max(0, first - start), min(CHUNK, self._count - start)
            if skipped < used:
                part = memoryview(chunk.records)[skipped * _WHOLE.size : used * _WHOLE.size]
                yield from enumerate(map(Record._make, _WHOLE.iter_unpack(part)), start + skipped)
            start += CHUNK

    def text(self, number: int, record: Record) -> str:
        """The text of a record that `since` gave under this number."""
        texts = self._chunks[(number - self._forgotten) // CHUNK].texts
        return texts[record.text_start : record.text_start + record.text_bytes].decode("utf-8", "replace")
