"""Counts what the rows of providers' output and error files say, while the files stream by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from litebatch_asgi.jsonl.answers import Body
from litebatch_asgi.jsonl.frames import LineFramer, Run
from litebatch_asgi.jsonl.ids import ID_MODULUS
from litebatch_asgi.jsonl.rows import MAX_ROW_BYTES, Row, RowFate, read_rows
from litebatch_asgi.jsonl.usage import ModelTallies, added, count_usage
from litebatch_asgi.models import Usage


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What some rows come to. Tallies add up, as do the files they were taken of, one after the other."""

    rows: int = 0
    """rows that have a custom_id"""
    id_sum: int = 0
    """sum modulo 2**128 of the blake2b-128 digests of the unescaped custom ids in UTF-8"""
    completed: int = 0
    failed: int = 0
    executed: int = 0
    """those of all that have a response, be it a good or a bad one"""
    not_executed: int = 0
    """those of the failed whose fate is `NOT_EXECUTED`: see `RowFate`"""
    retryable: int = 0
    """those of the failed whose fate is `RETRYABLE`, with or without a response"""
    models: ModelTallies = {}
    """of the completed rows, by the model that answered"""
    unparsable: int = 0
    """lines, not blank, that are no JSON object with a custom_id, or too long to be read"""

    @property
    def usage(self) -> Usage:
        """Of the completed rows."""
        return sum((model.usage for model in self.models.values()), Usage())

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            rows=self.rows + other.rows,
            id_sum=(self.id_sum + other.id_sum) % ID_MODULUS,
            completed=self.completed + other.completed,
            failed=self.failed + other.failed,
            executed=self.executed + other.executed,
            not_executed=self.not_executed + other.not_executed,
            retryable=self.retryable + other.retryable,
            models=added(self.models, other.models),
            unparsable=self.unparsable + other.unparsable,
        )

    def holds_all(self, id_count: int, id_sum: int) -> bool:
        """Whether the rows are those of the input with this count and sum of custom ids, and nothing else."""
        return not self.unparsable and (self.rows, self.id_sum) == (id_count, id_sum)


_NO_BODY = Body()


def count_rows(rows: Sequence[Row], digests: Iterable[bytes], thresholds: Sequence[int]) -> Tally:
    """The tally of some rows, given with the digests of their custom ids; see `count_usage`."""
    executed = 0
    answers: list[Body] = []
    fates: list[RowFate] = []
    for row in rows:
        response = row.response
        if response is not None:
            executed += 1
            if row.is_completed:
                body = response.body
                answers.append(body if type(body) is Body else response.answer or _NO_BODY)
                continue
        fates.append(row.fate)
    return Tally(
        rows=len(rows),
        id_sum=sum(map(int.from_bytes, digests)) % ID_MODULUS,
        completed=len(answers),
        failed=len(rows) - len(answers),
        executed=executed,
        not_executed=fates.count(RowFate.NOT_EXECUTED),
        retryable=fates.count(RowFate.RETRYABLE),
        models=count_usage(answers, thresholds),
    )


def rows_in(run: Run) -> tuple[list[tuple[bytes, Row]], int]:
    """The rows of a run with the lines that hold them, and how many other lines are not blank."""
    lines = run.lines()
    found: list[tuple[bytes, Row]] = []
    unparsable = 1 if run.text is None else 0
    for line, row in zip(lines, read_rows(lines), strict=True):
        if row is not None:
            found.append((line, row))
        elif not line.isspace():
            unparsable += 1
    return found, unparsable


class RowTally:
    """Tallies an output or error file that is fed in consecutive blocks of any size. Never raises.

    Args:
        thresholds: see `count_usage`.
        max_row_bytes: a longer row counts as unparsable and is never held whole.

    """

    def __init__(self, *, thresholds: Sequence[int] = (), max_row_bytes: int = MAX_ROW_BYTES) -> None:
        self._thresholds = thresholds
        self._framer = LineFramer(max_row_bytes)
        self._tally = Tally()

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the file."""
        for run in self._framer.feed(block):
            self._count(run)

    def finish(self) -> Tally:
        """What the whole file comes to."""
        for run in self._framer.finish():
            self._count(run)
        return self._tally

    def _count(self, run: Run) -> None:
        found, unparsable = rows_in(run)
        rows = [row for _, row in found]
        tally = count_rows(rows, [row.digest for row in rows], self._thresholds)
        self._tally += tally
        if unparsable:
            self._tally += Tally(unparsable=unparsable)
