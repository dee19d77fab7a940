"""Finds out which rows of a batch's results are wanted, where counts and sums do not agree with the input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from typing import Literal

import msgspec

from litebatch_asgi.jsonl.frames import LineFramer, Run
from litebatch_asgi.jsonl.rows import MAX_ROW_BYTES, Row, read_rows
from litebatch_asgi.jsonl.tally import Tally, count_rows

_Reason = Literal["doubled", "foreign", "unparsable"]


class PartTally(msgspec.Struct, frozen=True, kw_only=True):
    """What the exact pass found in one file."""

    tally: Tally
    """of the rows to keep, and the bytes that are left when the others are dropped"""
    drop: tuple[int, ...]
    """indexes from 0, in order, of the lines to drop; blank lines count"""
    doubled: int
    """rows to drop because an earlier one, here or in an earlier file, has their custom_id"""
    foreign: int
    """rows to drop because the input has not their custom_id"""
    unparsable: int
    """lines to drop because they are no rows"""


class ExactPass:
    """Compares the rows of a batch's result files, one after the other, with the custom ids of its input.

    Of several rows with one custom_id the first is kept.

    Args:
        expected: digests of the input's custom ids, see `IdCollector`.
        max_row_bytes: a longer row counts as unparsable and is never held whole.

    """

    def __init__(self, expected: Set[bytes], *, max_row_bytes: int = MAX_ROW_BYTES) -> None:
        self._expected = expected
        self._missing = set(expected)
        self._max_row_bytes = max_row_bytes
        self.start_part()

    @property
    def missing(self) -> Set[bytes]:
        """The digests of which no row was seen so far."""
        return self._missing

    def start_part(self) -> None:
        """Begin the next file."""
        self._framer = LineFramer(self._max_row_bytes)
        self._line = 0
        self._kept = Tally()
        self._drop: list[int] = []
        self._dropped: Counter[_Reason] = Counter()

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the file."""
        for run in self._framer.feed(block):
            self._compare(run)

    def end_part(self) -> PartTally:
        """What the whole file comes to."""
        for run in self._framer.finish():
            self._compare(run)
        return PartTally(
            tally=self._kept,
            drop=tuple(self._drop),
            doubled=self._dropped["doubled"],
            foreign=self._dropped["foreign"],
            unparsable=self._dropped["unparsable"],
        )

    def _compare(self, run: Run) -> None:
        lines = run.lines()
        rows: list[Row] = []
        digests: list[bytes] = []
        size, last = 0, b"\n"
        if run.text is None:
            self._leave_out("unparsable")
        for line, row in zip(lines, read_rows(lines), strict=True):
            digest = row.digest if row is not None else None
            reason = self._why_not(digest, line)
            if reason is not None:
                self._leave_out(reason)
                continue
            self._line += 1
            size, last = size + len(line), line
            if row is not None and digest is not None:
                rows.append(row)
                digests.append(digest)
        self._kept += count_rows(rows, digests) + Tally(bytes=size, ends_in_newline=last.endswith(b"\n"))

    def _why_not(self, digest: bytes | None, line: bytes) -> _Reason | None:
        if digest is None:
            return None if line.isspace() else "unparsable"
        if digest in self._missing:
            self._missing.remove(digest)
            return None
        return "doubled" if digest in self._expected else "foreign"

    def _leave_out(self, reason: _Reason) -> None:
        self._dropped[reason] += 1
        self._drop.append(self._line)
        self._line += 1
