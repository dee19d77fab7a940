"""Requests side by side with their answers, in the order of the requests.

Results may be larger than memory: they lie in a temporary file, and where each row begins in an SQLite file
beside it, both of which go with the block.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from litebatch_asgi.cli.failing import CommandFailed
from litebatch_asgi.jsonl.frames import LineFramer
from litebatch_asgi.jsonl.ids import id_digest
from litebatch_asgi.jsonl.rows import MAX_ROW_BYTES

_BLOCK = 1 << 20
_AT_ONCE = 1000
"""rows that are written together"""
_NO_ROW = {"code": "no_result", "message": "The results have no row of this request."}
_TABLE = (
    "CREATE TABLE places (digest BLOB PRIMARY KEY, start INTEGER, size INTEGER, seen INTEGER DEFAULT 0)"
    " WITHOUT ROWID"
)
_ADD = "INSERT OR IGNORE INTO places (digest, start, size) VALUES (?, ?, ?)"
_FIND = "UPDATE places SET seen = 1 WHERE digest = ? RETURNING start, size"
_UNSEEN = "SELECT count(*) FROM places WHERE NOT seen"


class _Named(msgspec.Struct, gc=False):
    custom_id: str


class _Request(msgspec.Struct, gc=False):
    custom_id: str
    body: msgspec.Raw = msgspec.Raw(b"null")


class _Row(msgspec.Struct, gc=False):
    response: msgspec.Raw = msgspec.Raw(b"null")
    error: msgspec.Raw = msgspec.Raw(b"null")


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """A request with what became of it."""

    custom_id: str
    request: msgspec.Raw
    response: msgspec.Raw
    error: Any


class ResultIndex:
    """Rows of results that lie in files, found by their custom ids; of several with one id the first."""

    def __init__(self, database: sqlite3.Connection, rows: BinaryIO) -> None:
        self._database = database
        self._rows = rows

    def fill(self) -> None:
        """Read all rows once."""
        self._rows.seek(0)
        places: list[tuple[bytes, int, int]] = []
        for start, line in numbered_lines(self._rows):
            named = _named(line)
            if named is not None:
                places.append((_digest(named), start, len(line)))
            if len(places) >= _AT_ONCE:
                self._database.executemany(_ADD, places)
                places.clear()
        self._database.executemany(_ADD, places)

    def find(self, custom_id: str) -> bytes | None:
        """The row of a request."""
        found = self._database.execute(_FIND, (_digest(custom_id),)).fetchone()
        if found is None:
            return None
        self._rows.seek(found[0])
        return self._rows.read(found[1])

    @property
    def unseen(self) -> int:
        """How many rows nobody has asked for."""
        return int(self._database.execute(_UNSEEN).fetchone()[0])


@contextmanager
def indexed(rows: BinaryIO, folder: Path) -> Generator[ResultIndex]:
    """The rows of an open file by their custom ids, with an index in a folder."""
    with closing(sqlite3.connect(folder / "places.sqlite", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute(_TABLE)
        database.execute("BEGIN")
        index = ResultIndex(database, rows)
        index.fill()
        yield index


def joined(requests: BinaryIO, results: ResultIndex) -> Iterator[Joined]:
    """Each request with what became of it. Raises `CommandFailed` for a line that is no request."""
    for start, line in numbered_lines(requests):
        try:
            asked = msgspec.json.decode(line, type=_Request)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            number, shown = _line_number(requests, start), line[:60].decode(errors="replace")
            raise CommandFailed(f"line {number} of the input is no request: {shown}") from None
        found = results.find(asked.custom_id)
        row = _Row(error=msgspec.Raw(msgspec.json.encode(_NO_ROW)))
        if found is not None:
            row = msgspec.json.decode(found, type=_Row)
        yield Joined(custom_id=asked.custom_id, request=asked.body, response=row.response, error=row.error)


def numbered_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not blank, without their newlines, and where each begins.

    A line that is too long to be held is left out. The file may be read elsewhere between two lines.
    """
    framer, position = LineFramer(MAX_ROW_BYTES), file.tell()
    while True:
        file.seek(position)
        block = file.read(_BLOCK)
        position += len(block)
        for run in framer.feed(block) if block else framer.finish():
            start = run.offset + run.start
            for line in run.lines():
                if line.strip():
                    yield start, line.rstrip(b"\r\n")
                start += len(line)
        if not block:
            return


def plain_lines(files: Iterable[BinaryIO]) -> Iterator[bytes]:
    """The lines of files, one after the other."""
    for file in files:
        file.seek(0)
        for _, line in numbered_lines(file):
            yield line


def _line_number(file: BinaryIO, start: int) -> int:
    """Of the line that begins there, counted from 1, blank ones among them."""
    file.seek(0)
    number = 1
    while start > 0 and (block := file.read(min(_BLOCK, start))):
        number += block.count(b"\n")
        start -= len(block)
    return number


def _named(line: bytes) -> str | None:
    try:
        return msgspec.json.decode(line, type=_Named).custom_id
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _digest(custom_id: str) -> bytes:
    return id_digest(custom_id.encode("utf-8", "surrogatepass"))
