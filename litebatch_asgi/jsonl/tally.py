"""Counts what the rows of providers' output and error files say, while the files stream by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from litebatch_asgi.jsonl.frames import LineFramer, Run
from litebatch_asgi.jsonl.ids import ID_MODULUS
from litebatch_asgi.jsonl.rows import MAX_ROW_BYTES, Row, read_rows
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
    usage: Usage = Usage()
    """of the completed rows"""
    unparsable: int = 0
    """lines, not blank, that are no JSON object with a custom_id, or too long to be read"""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            rows=self.rows + other.rows,
            id_sum=(self.id_sum + other.id_sum) % ID_MODULUS,
            completed=self.completed + other.completed,
            failed=self.failed + other.failed,
            executed=self.executed + other.executed,
            usage=self.usage + other.usage,
            unparsable=self.unparsable + other.unparsable,
        )

    def holds_all(self, id_count: int, id_sum: int) -> bool:
        """Whether the rows are those of the input with this count and sum of custom ids, and nothing else."""
        return not self.unparsable and (self.rows, self.id_sum) == (id_count, id_sum)


def count_rows(rows: Sequence[Row], digests: Iterable[bytes]) -> Tally:
    """The tally of some rows, given with the digests of their custom ids."""
    executed = completed = consumed = cached = produced = reasoning = total = 0
    for row in rows:
        response = row.response
        if response is None:
            continue
        executed += 1
        if row.error or response.status_code is None or response.status_code >= 400:
            continue
        completed += 1
        usage = response.usage
        if usage is None:
            continue
        tokens_in = usage.input_tokens or usage.prompt_tokens or 0
        tokens_out = usage.output_tokens or usage.completion_tokens or 0
        consumed += tokens_in
        produced += tokens_out
        total += usage.total_tokens or tokens_in + tokens_out
        if (details := usage.input_tokens_details or usage.prompt_tokens_details) is not None:
            cached += details.cached_tokens or 0
        if (details := usage.output_tokens_details or usage.completion_tokens_details) is not None:
            reasoning += details.reasoning_tokens or 0
    return Tally(
        rows=len(rows),
        id_sum=sum(map(int.from_bytes, digests)) % ID_MODULUS,
        completed=completed,
        failed=len(rows) - completed,
        executed=executed,
        usage=Usage(
            input_tokens=consumed,
            cached_tokens=cached,
            output_tokens=produced,
            reasoning_tokens=reasoning,
            total_tokens=total,
        ),
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
    """Tallies an output or error file that is fed in consecutive blocks of any size. Never raises."""

    def __init__(self, *, max_row_bytes: int = MAX_ROW_BYTES) -> None:
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
        self._tally += count_rows(rows, [row.digest for row in rows]) + Tally(unparsable=unparsable)
