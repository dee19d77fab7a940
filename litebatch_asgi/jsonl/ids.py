"""Custom ids, kept and compared as digests, so that their length costs no memory."""

from __future__ import annotations

from collections.abc import Mapping, Set
from hashlib import blake2b
from itertools import count

import msgspec

from litebatch_asgi.jsonl.frames import LineFramer, Run
from litebatch_asgi.jsonl.scan import scan_object, unescape

ID_MODULUS = 1 << 128
MAX_LINE_BYTES = 64 << 20
"""A longer line is not one that was accepted."""
MOST_TILE_LINES = 100_000
"""requests of a tile, at most"""

_EMPTY = blake2b(digest_size=16)  # copied for each id, which is quicker than making a new one


def id_digest(custom_id: bytes) -> bytes:
    """The 16 bytes that stand for a custom_id, given unescaped in UTF-8: its blake2b-128 digest."""
    digest = _EMPTY.copy()
    digest.update(custom_id)
    return digest.digest()


class _Line(msgspec.Struct, gc=False):
    custom_id: str


_decode = msgspec.json.Decoder(_Line).decode


def read_ids(run: Run) -> list[bytes]:
    """The custom ids, unescaped and in UTF-8, of accepted request lines.

    Raises:
        ValueError: a line cannot have been accepted.

    """
    if run.text is None:
        raise ValueError("a line is too long")
    return [read_id(line) for line in run.lines() if not line.isspace()]


def read_id(line: bytes) -> bytes:
    """The custom_id of a line that is not blank. Raises as `read_ids` does."""
    try:
        return _decode(line).custom_id.encode()
    except RecursionError:  # accepted where the stack was less deep
        return scanned_id(line).encode()
    except msgspec.DecodeError as error:
        raise ValueError(f"not a request line: {error}") from error


def scanned_id(line: bytes) -> str:
    """The custom_id of a line that is nested too deeply to be decoded. Raises as `read_ids` does."""
    return unescape(_scan_raw_id(line)[1:-1])


def _scan_raw_id(line: bytes) -> bytes:
    member = scan_object(line, {"custom_id": {}}).first.get("custom_id")
    if member is None:
        raise ValueError("a line has no custom_id")
    return line[member.start : member.end]


class _RawLine(msgspec.Struct, gc=False):
    custom_id: msgspec.Raw


_decode_raw = msgspec.json.Decoder(_RawLine).decode


def _read_raw_id(line: bytes) -> bytes:
    if line.isspace():
        return b""
    try:
        return bytes(_decode_raw(line).custom_id)
    except RecursionError:  # accepted where the stack was less deep
        return _scan_raw_id(line)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a request line: {error}") from error


class RawIds:
    """Reads the custom ids of an accepted input, fed in blocks of any size: as JSON, just as they stand.

    One for each line, in their order; nothing for a blank one.
    """

    def __init__(self, *, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._framer = LineFramer(max_line_bytes)

    def feed(self, block: bytes) -> list[bytes]:
        """Those of the lines that `block` completes.

        Raises:
            ValueError: a line cannot have been accepted.

        """
        return [each for run in self._framer.feed(block) for each in _raw_ids(run)]

    def finish(self) -> list[bytes]:
        """That of the last line, if no newline ended it. Raises as `feed` does."""
        return [each for run in self._framer.finish() for each in _raw_ids(run)]


def _raw_ids(run: Run) -> list[bytes]:
    if run.text is None:
        raise ValueError("a line is too long")
    return [_read_raw_id(line) for line in run.lines()]


class IdCollector:
    """Collects the digests of all custom ids of an accepted input file, fed in blocks of any size."""

    def __init__(self, *, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._framer = LineFramer(max_line_bytes)
        self._digests: set[bytes] = set()

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the file.

        Raises:
            ValueError: a line cannot have been accepted.

        """
        for run in self._framer.feed(block):
            self._digests.update(map(id_digest, read_ids(run)))

    def finish(self) -> Set[bytes]:
        """All the digests. Raises as `feed` does."""
        for run in self._framer.finish():
            self._digests.update(map(id_digest, read_ids(run)))
        return self._digests


class LineIds:
    """Tells requests of a tile by the digests of their custom ids, from its lines in blocks of any size.

    Args:
        max_lines: more requests are an error: each takes about 150 bytes.
        max_line_bytes: a longer line is an error.

    """

    def __init__(self, *, max_lines: int = MOST_TILE_LINES, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._max_lines = max_lines
        self._framer = LineFramer(max_line_bytes)
        self._indexes: dict[bytes, int] = {}

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the tile.

        Raises:
            ValueError: a line cannot have been accepted, or there are too many.

        """
        for run in self._framer.feed(block):
            self._take(run)

    def finish(self) -> Mapping[bytes, int]:
        """Of each digest the index from 0 of its request, in their order. Raises as `feed` does."""
        for run in self._framer.finish():
            self._take(run)
        return self._indexes

    def _take(self, run: Run) -> None:
        digests = list(map(id_digest, read_ids(run)))
        lines = len(self._indexes) + len(digests)
        if lines > self._max_lines:
            raise ValueError(f"there are more than {self._max_lines} requests")
        self._indexes.update(zip(digests, count(len(self._indexes)), strict=False))
        if len(self._indexes) != lines:
            raise ValueError("a custom_id is there twice")
