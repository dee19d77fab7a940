"""Writes the rows of an error file for requests that no provider has answered."""

from __future__ import annotations

from collections.abc import Container, Mapping

import msgspec

from litebatch_asgi.jsonl.frames import LineFramer, Run
from litebatch_asgi.jsonl.ids import MAX_LINE_BYTES, id_digest, read_ids

NO_ERRORS: Mapping[bytes, tuple[str, str]] = {}


class _Error(msgspec.Struct):
    code: str
    message: str


class _ErrorRow(msgspec.Struct):
    id: str
    custom_id: str
    response: None
    error: _Error


class MissingRows:
    """Makes error rows out of an accepted input file that is fed in consecutive blocks of any size.

    Args:
        code: of the error, such as `batch_cancelled`.
        message: of the error.
        only: digests of the custom ids that a row is wanted for; None: for all.
        errors: code and message for digests of custom ids that get others.
        seed: goes into the ids of the rows. With the same seed the same rows come out each time.
        max_line_bytes: a longer line is an error.

    """

    def __init__(
        self,
        *,
        code: str,
        message: str,
        only: Container[bytes] | None = None,
        errors: Mapping[bytes, tuple[str, str]] = NO_ERRORS,
        seed: str = "",
        max_line_bytes: int = MAX_LINE_BYTES,
    ) -> None:
        self._error = _Error(code, message)
        self._only = only
        self._errors = errors
        self._seed = seed.encode()
        self._framer = LineFramer(max_line_bytes)
        self.rows: int = 0
        """how many were made so far"""

    def feed(self, block: bytes) -> bytes:
        """The rows for the lines that `block` completes, each with its newline.

        Raises:
            ValueError: a line cannot have been accepted.

        """
        return b"".join(map(self._rows, self._framer.feed(block)))

    def finish(self) -> bytes:
        """The row for the last line, if no newline ended it. Raises as `feed` does."""
        return b"".join(map(self._rows, self._framer.finish()))

    def _rows(self, run: Run) -> bytes:
        rows = bytearray()
        for custom_id in read_ids(run):
            digest = id_digest(custom_id)
            if self._only is None or digest in self._only:
                row_id = f"batch_req_{id_digest(self._seed + digest).hex()}"
                other = self._errors.get(digest)
                error = _Error(*other) if other is not None else self._error
                row = _ErrorRow(row_id, custom_id.decode(), None, error)
                rows += msgspec.json.encode(row) + b"\n"
                self.rows += 1
        return bytes(rows)
