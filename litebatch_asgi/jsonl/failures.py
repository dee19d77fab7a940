"""Puts the rows of requests that have failed together by how they have failed."""

from __future__ import annotations

from collections.abc import Sequence

from litebatch_asgi.jsonl.frames import LineFramer, Run
from litebatch_asgi.jsonl.row_errors import row_error
from litebatch_asgi.jsonl.rows import Row
from litebatch_asgi.jsonl.tally import rows_in
from litebatch_asgi.models.row_errors import RowError

_MOST_GROUPS = 100
_MOST_SAMPLE_BYTES = 32 << 10
_MOST_ID = 512


class FailureGroup:
    """Requests that have failed alike."""

    def __init__(self, error: RowError, custom_id: str | None, row: bytes | None) -> None:
        self.error: RowError = error
        self.count: int = 1
        self.custom_id: str | None = custom_id
        """of the first of them; None: it is too long to be kept, or no Unicode"""
        self.row: bytes | None = row
        """that of the first; None likewise"""


class FailureGroups:
    """Groups the failed rows of result files that are fed in consecutive blocks, one file after the other.

    It takes some megabytes at most, and never raises.

    Args:
        max_row_bytes: a longer row is passed over.
        max_groups: what fails in other ways than these is only counted.

    """

    def __init__(self, *, max_row_bytes: int, max_groups: int = _MOST_GROUPS) -> None:
        self._max_row_bytes = max_row_bytes
        self._max_groups = max_groups
        self._framer = LineFramer(max_row_bytes)
        self._groups: dict[RowError, FailureGroup] = {}
        self.failed: int = 0
        """failed rows that were seen"""
        self.others: int = 0
        """those of them that are in no group"""
        self.illegible: int = 0
        """lines that are no rows, or too long"""

    @property
    def groups(self) -> Sequence[FailureGroup]:
        """The largest first."""
        return sorted(self._groups.values(), key=lambda group: -group.count)

    def feed(self, block: bytes) -> None:
        """Take the next bytes of a file."""
        for run in self._framer.feed(block):
            self._take(run)

    def finish_file(self) -> None:
        """A file is over, and another one may follow."""
        for run in self._framer.finish():
            self._take(run)
        self._framer = LineFramer(self._max_row_bytes)

    def _take(self, run: Run) -> None:
        found, illegible = rows_in(run)
        self.illegible += illegible
        for line, row in found:
            if not row.is_completed:
                self._add(line, row)

    def _add(self, line: bytes, row: Row) -> None:
        self.failed += 1
        error = row_error(line)
        group = self._groups.get(error)
        if group is not None:
            group.count += 1
        elif len(self._groups) < self._max_groups:
            custom_id = row.custom_id if _can_be_sent(row.custom_id) else None
            self._groups[error] = FailureGroup(
                error, custom_id, line if len(line) <= _MOST_SAMPLE_BYTES else None
            )
        else:
            self.others += 1


def _can_be_sent(custom_id: str) -> bool:
    """Whether somebody can ask for it: it is not long, and no half of a surrogate pair is in it."""
    return len(custom_id) <= _MOST_ID and not any("\ud800" <= each <= "\udfff" for each in custom_id)
