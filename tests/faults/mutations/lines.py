"""Lines that we run ourselves: who may write, what is written first, and what is sent when."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from litebatch_asgi.live import station
from litebatch_asgi.live.held import HeldRange
from litebatch_asgi.live.places import Place
from litebatch_asgi.live.queue import LineQueue
from litebatch_asgi.live.sending import LineSender
from litebatch_asgi.live.station import Station
from litebatch_asgi.live.suspects import Suspects
from litebatch_asgi.models import LineProgress, LineRange, LineResult, RangeWrite
from litebatch_sql import lines
from litebatch_sql.executor import Transaction
from litebatch_sql.lines import SQLLineStore
from litebatch_sql.queries import Queries
from litebatch_sql.rows import encode_json
from litebatch_sql.tables import LINE_RANGES

Patch = pytest.MonkeyPatch


def ranges_are_not_fenced(patch: Patch) -> None:
    """Whoever once had a range may write results of it, whatever has become of it."""

    async def locked(
        transaction: Transaction, queries: Queries, writes: Sequence[RangeWrite]
    ) -> dict[tuple[str, int], LineRange]:
        keys = {"keys": encode_json(list(dict.fromkeys(write.range.key for write in writes)))}
        rows = await transaction.fetch_all(queries.sql("claimed_line_ranges"), keys)
        return {line_range.key: line_range for line_range in map(LINE_RANGES.decode, rows)}

    def held(current: LineRange | None, claimed: LineRange) -> bool:
        return current is not None

    patch.setattr(lines, "_locked", locked)
    patch.setattr(lines, "is_held", held)


def rows_are_read_before_the_end(patch: Patch) -> None:
    """What a job has come to is read while results of it can still come."""

    async def no_close(self: SQLLineStore, job_id: str) -> LineProgress:
        return await self.progress(job_id)

    patch.setattr(SQLLineStore, "close", no_close)


def second_results_replace_first_ones(patch: Patch) -> None:
    """A result that comes when there is one takes its place."""
    sql = Queries.sql

    def replacing(self: Queries, name: str, *options: str) -> str:
        text = sql(self, name, *options)
        if name != "insert_line_results":
            return text
        return text.replace("DO NOTHING", 'DO UPDATE SET kind = excluded.kind, "row" = excluded."row"')

    patch.setattr(Queries, "sql", replacing)


def answered_requests_take_no_place(patch: Patch) -> None:
    """The place of a request is free once it is answered."""
    finish = Station._finish

    def finished(self: Station, held: HeldRange, result: LineResult, place: Place) -> None:
        finish(self, held, result, place)
        place.free()

    patch.setattr(Station, "_finish", finished)


def requests_begin_at_any_time(patch: Patch) -> None:
    """A request begins as long as its claim runs, be it for the time that the request may take or not."""
    first = LineQueue._first

    def at_any_time(self: LineQueue, until: float, *args: Any, **options: Any) -> dict[str, HeldRange]:
        return first(self, 0.0, *args, **options)

    patch.setattr(LineQueue, "_first", at_any_time)
    patch.setattr(station, "_LATE_SECONDS", math.inf)


def orphans_run_as_all_others(patch: Patch) -> None:
    """The requests of a range that somebody was lost with run beside each other."""

    def can_begin(self: HeldRange, *, is_doubtful: bool = False) -> bool:
        return bool(self.doubtful if is_doubtful else self.waiting)

    def never(self: HeldRange, line: int) -> bool:
        return False

    patch.setattr(HeldRange, "can_begin", can_begin)
    patch.setattr(HeldRange, "is_to_be_tried", never)


def tries_are_not_written_first(patch: Patch) -> None:
    """One by one, and nobody writes down which one is tried."""

    def never(self: HeldRange, line: int) -> bool:
        return False

    patch.setattr(HeldRange, "is_to_be_tried", never)


def tries_are_written_once(patch: Patch) -> None:
    """Who begins with the request that somebody was lost with does not write that down again."""

    def if_another(self: HeldRange, line: int) -> bool:
        return self.claim.one_by_one and self.claim.trying != line

    patch.setattr(HeldRange, "is_to_be_tried", if_another)


def suspects_begin_together(patch: Patch) -> None:
    """All requests that somebody was lost with begin at once, each of another range."""

    def always(self: Suspects, held: HeldRange, now: float) -> bool:
        return True

    patch.setattr(Suspects, "may_begin", always)


def no_path_is_lacking(patch: Patch) -> None:
    """A server that says 404 is no server, whatever else it answers."""

    def never(self: LineSender, path: str, body: bytes) -> bool:
        return False

    patch.setattr(LineSender, "_lacks", never)
