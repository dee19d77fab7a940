"""Marks in custom ids: what tells whose a batch is, where batches have no place for a tag.

The custom id `r1f` goes out as `r1f_` with 16 hexadecimal digits that stand for the job, and comes back as
`r1f`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b

import msgspec

from litebatch_asgi.errors import ContentRefused
from litebatch_asgi.jsonl.frames import LineFramer, Run
from litebatch_asgi.jsonl.rows import MAX_ROW_BYTES
from litebatch_asgi.jsonl.scan import scan_object
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB

MARK_BYTES = 17
"""what a mark adds to a custom id"""
_LONGEST_ID = 47
"""characters: Anthropic takes 64 with the mark"""
_LINE_START = re.compile(rb'\{"custom_id":"([a-zA-Z0-9-]{1,%d})"' % _LONGEST_ID)
_LONGEST_START = 16 + _LONGEST_ID
_ROW_START = re.compile(rb'\s*\{\s*"custom_id"\s*:\s*"')
_ANY_ID = re.compile(rb'"custom_id"\s*:\s*"')
_MARKED = re.compile(rb'([a-zA-Z0-9-]{1,%d})_([0-9a-f]{16})"' % _LONGEST_ID)
_TOO_LONG = b"{}\n"


def mark_of(metadata: Mapping[str, str]) -> bytes:
    """The mark of a job, from the tag in its metadata."""
    tag = [metadata.get(TAG_INSTALLATION, ""), metadata.get(TAG_JOB, "")]
    return blake2b(msgspec.json.encode(tag), digest_size=8).hexdigest().encode()


class LineMarker:
    """Makes of lines that are fed in blocks of any size the inside of a JSON array, with marked custom ids.

    It holds no more than the beginning of a line, and adds `MARK_BYTES` to each line, and a comma between
    them in place of their newlines.
    """

    def __init__(self, mark: bytes) -> None:
        self._mark = b"_" + mark + b'"'
        self._pending = b""
        self._in_line = False
        self.lines: int = 0
        """how many have begun"""

    def feed(self, block: bytes) -> bytes:
        """What becomes of the block. Raises `ContentRefused` for a line that begins with no custom id."""
        text, pieces, position = self._pending + block, list[bytes](), 0
        self._pending = b""
        while position < len(text):
            if not self._in_line:
                start = _LINE_START.match(text, position)
                if start is None:
                    self._keep(text[position:])
                    break
                pieces += [b"," if self.lines else b"", text[position : start.end() - 1], self._mark]
                position, self._in_line = start.end(), True
                self.lines += 1
            end = text.find(b"\n", position)
            self._in_line = end < 0
            pieces.append(text[position:] if end < 0 else text[position:end])
            position = len(text) if end < 0 else end + 1
        return b"".join(pieces)

    def _keep(self, start: bytes) -> None:
        if len(start) >= _LONGEST_START:
            raise ContentRefused(f"line {self.lines + 1} does not begin with a custom_id that can be marked")
        self._pending = start

    @property
    def is_complete(self) -> bool:
        """Whether all that was fed are whole lines."""
        return not self._in_line and not self._pending


class RowUnmarker:
    """Takes the marks out of rows of results that are fed in blocks of any size.

    All rows of a batch have the mark of its first marked row; what has another one, or none, stays as it is:
    nobody takes it for a row of ours then. A row that is too long to be read comes out as an empty object.
    """

    def __init__(self) -> None:
        self._framer = LineFramer(MAX_ROW_BYTES)
        self._mark: bytes | None = None

    def feed(self, block: bytes) -> bytes:
        """The rows that the block completes."""
        return self._unmark(self._framer.feed(block))

    def finish(self) -> bytes:
        """The last row, if no newline ended it."""
        return self._unmark(self._framer.finish())

    def _unmark(self, runs: Iterable[Run]) -> bytes:
        pieces: list[bytes] = []
        for run in runs:
            if run.text is None:
                pieces.append(_TOO_LONG)
            pieces += map(self._unmarked, run.lines())
        return b"".join(pieces)

    def _unmarked(self, row: bytes) -> bytes:
        found = _marked_id(row)
        if found is None:
            return row
        if self._mark is None:
            self._mark = found[2]
        if found[2] != self._mark:
            return row
        return row[: found.end(1)] + row[found.end(2) :]


def mark_in(row: bytes) -> bytes | None:
    """The mark in the custom id of a row of results; None where it has none."""
    found = _marked_id(row)
    return None if found is None else found[2]


def _marked_id(row: bytes) -> re.Match[bytes] | None:
    start = _ROW_START.match(row)
    if start is not None:
        return _MARKED.match(row, start.end())
    try:
        written = f'{_decode(row).custom_id}"'.encode()
    except (msgspec.DecodeError, RecursionError):
        return _scanned_id(row)
    if not _MARKED.fullmatch(written):
        return None
    places = [each.end() for each in _ANY_ID.finditer(row) if row.startswith(written, each.end())]
    return _MARKED.match(row, places[0]) if len(places) == 1 else _scanned_id(row)


def _scanned_id(row: bytes) -> re.Match[bytes] | None:
    """The same, which takes its time: there are ids in the result as well, or the row is odd."""
    try:
        member = scan_object(row, {"custom_id": {}}).first.get("custom_id")
    except ValueError:
        return None
    return None if member is None else _MARKED.match(row, member.start + 1)


class _Row(msgspec.Struct, gc=False):
    custom_id: str


_decode = msgspec.json.Decoder(_Row).decode
