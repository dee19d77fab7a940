"""Tells which requests of a batch have succeeded, from the rows of its result files."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator

from litebatch_asgi.jsonl.frames import LineFramer, Run
from litebatch_asgi.jsonl.row_errors import row_error
from litebatch_asgi.jsonl.rows import MAX_ROW_BYTES
from litebatch_asgi.jsonl.tally import rows_in
from litebatch_asgi.models.row_errors import RowError

_SIZE = 16


class DigestList:
    """Digests of 16 bytes in a row, which take no more memory than that."""

    def __init__(self) -> None:
        self._digests = bytearray()

    def append(self, digest: bytes) -> None:
        """Add one, whether or not it is there already."""
        self._digests += digest

    def __len__(self) -> int:
        return len(self._digests) // _SIZE

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._digests), _SIZE):
            yield bytes(self._digests[start : start + _SIZE])


class RowIds:
    """Puts the custom ids of the rows of result files apart: of requests that succeeded, and of the others.

    The files are fed in consecutive blocks of any size, one after the other. Lines that are no rows are
    passed over. Never raises.

    Args:
        chosen: digests of custom ids.
        errors: ways to fail.
        max_row_bytes: a longer row is passed over.

    """

    def __init__(
        self,
        *,
        chosen: Container[bytes] = frozenset(),
        errors: Collection[RowError] = (),
        max_row_bytes: int = MAX_ROW_BYTES,
    ) -> None:
        self._is_chosen = chosen
        self._errors = errors
        self._max_row_bytes = max_row_bytes
        self._framer = LineFramer(max_row_bytes)
        self.completed: DigestList = DigestList()
        """see `id_digest`"""
        self.failed: DigestList = DigestList()
        self.chosen: DigestList = DigestList()
        """those of the failed that were chosen, or have failed in one of the ways"""

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
        for line, row in rows_in(run)[0]:
            digest = row.digest
            if row.is_completed:
                self.completed.append(digest)
                continue
            self.failed.append(digest)
            if digest in self._is_chosen or self._fits(line):
                self.chosen.append(digest)

    def _fits(self, line: bytes) -> bool:
        if not self._errors:
            return False
        error = row_error(line)
        return any(each.fits(error) for each in self._errors)
