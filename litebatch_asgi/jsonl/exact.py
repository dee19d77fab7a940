"""Finds out which rows of a batch's results are wanted, where counts and sums do not agree with the input."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence, Set
from itertools import compress

import msgspec

from litebatch_asgi.jsonl.frames import LineFramer, Run
from litebatch_asgi.jsonl.rows import MAX_ROW_BYTES, Row
from litebatch_asgi.jsonl.tally import Tally, count_rows, rows_in

_MISSING, _NOT_EXECUTED, _EXECUTED = range(3)
"""what the row says that is kept for a custom_id"""


class PartTally(msgspec.Struct, frozen=True, kw_only=True):
    """What the exact pass found in one file."""

    found: Tally
    """of all its rows, as `RowTally` counts them"""
    kept: Tally
    """of those that are kept"""
    foreign: int
    """rows that are dropped because the input has not their custom_id"""

    @property
    def doubled(self) -> int:
        """Rows that are dropped for another one, here or in an earlier file, that has their custom_id."""
        return self.found.rows - self.kept.rows - self.foreign

    @property
    def dropped(self) -> int:
        """Lines that are not kept, blank ones aside; those that are no rows are not."""
        return self.found.rows + self.found.unparsable - self.kept.rows


class ExactPass:
    """Compares the rows of a batch's result files, one after the other, with the custom ids of its input.

    Of several rows with one custom_id the first is kept, but one that was executed, which has a response,
    goes before those that were not. Where one of these came first, it has been given out when that shows:
    its custom_id is then in `superseded`, and a pass `again` over what was kept leaves it out.

    Args:
        expected: digests of the input's custom ids, see `IdCollector`.
        executed: digests of custom ids of which a row is known to come that was executed.
        thresholds: see `count_usage`.
        max_row_bytes: a longer row counts as unparsable and is never held whole.

    """

    def __init__(
        self,
        expected: Iterable[bytes],
        *,
        executed: Container[bytes] = (),
        thresholds: Sequence[int] = (),
        max_row_bytes: int = MAX_ROW_BYTES,
    ) -> None:
        self._kept_of = dict.fromkeys(expected, _MISSING)
        self._known_executed = executed
        self._thresholds = thresholds
        self._max_row_bytes = max_row_bytes
        self.superseded: set[bytes] = set()
        """digests of which a row was kept that was not executed, and later one that was"""
        self.start_part()

    def again(self) -> ExactPass:
        """A pass over all that this one has kept, which leaves out what is superseded."""
        return ExactPass(
            self._kept_of.keys(),
            executed=self.superseded,
            thresholds=self._thresholds,
            max_row_bytes=self._max_row_bytes,
        )

    @property
    def missing(self) -> Set[bytes]:
        """The digests of which no row was seen so far; found anew each time."""
        return {digest for digest, kept in self._kept_of.items() if kept == _MISSING}

    def start_part(self) -> None:
        """Begin the next file."""
        self._framer = LineFramer(self._max_row_bytes)
        self._found = self._kept = Tally()
        self._foreign = 0

    def feed(self, block: bytes) -> bytes:
        """The rows to keep of the lines that `block` completes, each with its newline."""
        return b"".join([row for run in self._framer.feed(block) for row in self._compare(run)])

    def finish_part(self) -> bytes:
        """The last row of the file, if it is to be kept and no newline ended it."""
        return b"".join([row for run in self._framer.finish() for row in self._compare(run)])

    def part(self) -> PartTally:
        """What the file comes to."""
        return PartTally(found=self._found, kept=self._kept, foreign=self._foreign)

    def _compare(self, run: Run) -> list[bytes]:
        """The lines to keep of a run."""
        found, unparsable = rows_in(run)
        digests = [row.digest for _, row in found]
        tally = count_rows([row for _, row in found], digests, self._thresholds)
        keeps = [self._keeps(row, digest) for (_, row), digest in zip(found, digests, strict=True)]
        self._found += tally + Tally(unparsable=unparsable)
        if not all(keeps):
            rows = [row for _, row in compress(found, keeps)]
            tally = count_rows(rows, compress(digests, keeps), self._thresholds)
        self._kept += tally
        return [line if line.endswith(b"\n") else line + b"\n" for line, _ in compress(found, keeps)]

    def _keeps(self, row: Row, digest: bytes) -> bool:
        before = self._kept_of.get(digest)
        if before is None:
            self._foreign += 1
            return False
        if row.is_executed:
            if before == _NOT_EXECUTED:
                self.superseded.add(digest)
            self._kept_of[digest] = _EXECUTED
            return before != _EXECUTED
        if before != _MISSING or digest in self._known_executed:
            return False
        self._kept_of[digest] = _NOT_EXECUTED
        return True
