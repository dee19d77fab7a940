"""Finds out which rows of a batch's results are wanted, where counts and sums do not agree with the input."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence, Set
from itertools import compress

import msgspec

from litebatch_asgi.jsonl.frames import LineFramer, Run
from litebatch_asgi.jsonl.rows import MAX_ROW_BYTES, Row, RowFate
from litebatch_asgi.jsonl.tally import Tally, count_rows, rows_in

_MISSING = 0
"""below every fate"""


class PartTally(msgspec.Struct, frozen=True, kw_only=True):
    """What the exact pass found in one file."""

    found: Tally
    """of all its rows, as `RowTally` counts them"""
    kept: Tally
    """of those that are kept"""
    foreign: int
    """rows that are dropped because the input has not their custom_id"""
    held_back: int
    """rows that are held back, unless a better one comes later"""

    @property
    def doubled(self) -> int:
        """Rows that are dropped for another one, here or in an earlier file, that has their custom_id."""
        return self.found.rows - self.kept.rows - self.foreign - self.held_back

    @property
    def dropped(self) -> int:
        """Lines that are neither kept nor held back, blank ones aside; those that are no rows are neither."""
        return self.found.rows + self.found.unparsable - self.kept.rows - self.held_back


class ExactPass:
    """Compares the rows of a batch's result files, one after the other, with the custom ids of its input.

    Of several rows with one custom_id the first of the highest `RowFate` is kept. Where another one came
    before it, that has been given out when this shows: its custom_id is then in `superseded`, and a pass
    `again` over what was kept leaves it out.

    Rows of some fates can be held back: they are not given out, and what is kept, what is in `held_back` and
    what is `missing` are then the input, each custom_id in one of them.

    Args:
        expected: digests of the input's custom ids, see `IdCollector` and `LineIds`.
        hold_back: fates whose rows are not given out.
        thresholds: see `count_usage`.
        max_row_bytes: a longer row counts as unparsable and is never held whole.

    """

    def __init__(
        self,
        expected: Iterable[bytes],
        *,
        hold_back: Container[RowFate] = (),
        thresholds: Sequence[int] = (),
        max_row_bytes: int = MAX_ROW_BYTES,
    ) -> None:
        self._fates: dict[bytes, int] = dict.fromkeys(expected, _MISSING)
        self._least: Mapping[bytes, int] = {}
        self._hold_back = hold_back
        self._thresholds = thresholds
        self._max_row_bytes = max_row_bytes
        self.superseded: set[bytes] = set()
        """digests of which a row was given out, and later one of a higher fate came"""
        self.start_part()

    def again(self) -> ExactPass:
        """A pass over all that this one has kept, which leaves out what is superseded.

        What this one holds back it holds back from the start.
        """
        again = ExactPass(
            self._fates.keys(),
            hold_back=self._hold_back,
            thresholds=self._thresholds,
            max_row_bytes=self._max_row_bytes,
        )
        again._least = {digest: self._fates[digest] for digest in self.superseded}
        for fate, digests in self.held_back.items():
            again._fates.update(dict.fromkeys(digests, fate))
        return again

    @property
    def missing(self) -> Set[bytes]:
        """The digests of which no row was seen so far; found anew each time."""
        return self._of_fate(_MISSING)

    @property
    def held_back(self) -> Mapping[RowFate, Set[bytes]]:
        """The digests whose rows are held back so far, by each fate of `hold_back`; found anew each time."""
        return {fate: self._of_fate(fate) for fate in RowFate if fate in self._hold_back}

    @property
    def kept(self) -> Set[bytes]:
        """The digests of which a row is kept so far; found anew each time."""
        held_back = {_MISSING, *(fate for fate in RowFate if fate in self._hold_back)}
        return {digest for digest, fate in self._fates.items() if fate not in held_back}

    def _of_fate(self, wanted: int) -> Set[bytes]:
        return {digest for digest, fate in self._fates.items() if fate == wanted}

    def start_part(self) -> None:
        """Begin the next file."""
        self._framer = LineFramer(self._max_row_bytes)
        self._found = self._kept = Tally()
        self._foreign = self._held_back = 0

    def feed(self, block: bytes) -> bytes:
        """The rows to keep of the lines that `block` completes, each with its newline."""
        return b"".join([row for run in self._framer.feed(block) for row in self._compare(run)])

    def finish_part(self) -> bytes:
        """The last row of the file, if it is to be kept and no newline ended it."""
        return b"".join([row for run in self._framer.finish() for row in self._compare(run)])

    def part(self) -> PartTally:
        """What the file comes to."""
        return PartTally(found=self._found, kept=self._kept, foreign=self._foreign, held_back=self._held_back)

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
        before = self._fates.get(digest)
        if before is None:
            self._foreign += 1
            return False
        fate = row.fate
        if fate <= before or fate < self._least.get(digest, _MISSING):
            return False
        self._fates[digest] = fate
        if before != _MISSING and RowFate(before) not in self._hold_back:
            self.superseded.add(digest)
        if fate in self._hold_back:
            self._held_back += 1
            return False
        return True
