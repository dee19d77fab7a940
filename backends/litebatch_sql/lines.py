"""Lines that we run ourselves, in the database of an SQL storage."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from litebatch_asgi.claims import is_held
from litebatch_asgi.lines import after_write, check_results, page_of
from litebatch_asgi.models import FileKind, LineProgress, LineRange, LineResult, RangeWrite, Sharing
from litebatch_sql.executor import Executor, Reader, Transaction, in_transaction
from litebatch_sql.leases import RANGE_LEASES, Wanted, clock
from litebatch_sql.queries import Queries
from litebatch_sql.rows import encode_json, to_microseconds
from litebatch_sql.sweeps import Swept, close_lines, sweep_lines
from litebatch_sql.tables import LINE_RANGES, LINE_RESULTS

_CHUNK_BYTES = 1 << 20
"""how many bytes of rows go to the driver in one call, and one row at the least"""
_SIZES = 2000
"""how many results are looked at together for a page"""


class SQLLineStore:
    """A `LineStore` over an `Executor`; `queries` raises until it is open."""

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def claim(
        self,
        worker: str,
        *,
        lease_seconds: float,
        room: Mapping[str, int],
        avoid: Mapping[str, Collection[str]] = {},
    ) -> list[LineRange]:
        """See `LineStore.claim`."""
        queries = self._queries()
        wanted = Wanted(room=await self._with_due(room, avoid), avoid=avoid)
        if not wanted.room:
            return []
        return await in_transaction(
            self._executor,
            lambda transaction: RANGE_LEASES.claim(
                transaction, queries, worker=worker, lease_seconds=lease_seconds, wanted=wanted
            ),
        )

    async def _with_due(
        self, room: Mapping[str, int], avoid: Mapping[str, Collection[str]]
    ) -> dict[str, int]:
        """The room at those deployments where something is due, as a reader sees it, who holds up nobody."""
        look, wanted = self._queries().sql("due_line_ranges"), Wanted(room=room, avoid=avoid)
        return {
            deployment: places
            for deployment, places in room.items()
            if places > 0 and await self._executor.fetch_one(look, wanted.parameters(deployment, limit=1))
        }

    async def results_in(self, line_range: LineRange) -> frozenset[int]:
        """See `LineStore.results_in`."""
        place = {"job_id": line_range.job_id, "first": line_range.first_line, "end": line_range.end_line}
        rows = await self._executor.fetch_all(self._queries().sql("lines_with_results"), place)
        return frozenset(row[0] for row in rows)

    async def write(self, writes: Sequence[RangeWrite]) -> list[LineRange | None]:
        """See `LineStore.write`."""
        queries = self._queries()
        check_results(writes)
        if not writes:
            return []

        async def work(transaction: Transaction) -> list[LineRange | None]:
            return await _write(transaction, queries, writes)

        return await in_transaction(self._executor, work)

    async def sharing(self, deployments: Collection[str]) -> dict[str, Sharing]:
        """See `LineStore.sharing`."""
        asked = {"deployments": encode_json(sorted(set(deployments))), "now": clock()}
        rows = await self._executor.fetch_all(self._queries().sql("sharing"), asked)
        return {name: Sharing(holders=holders, alone=alone) for name, holders, alone in rows}

    async def lost(self, ranges: Sequence[LineRange]) -> list[LineRange]:
        """See `LineStore.lost`."""
        if not ranges:
            return []
        asked = {"keys": encode_json([(*each.key, each.epoch) for each in ranges])}
        rows = await self._executor.fetch_all(self._queries().sql("lost_line_ranges"), asked)
        lost = set(map(tuple, rows))
        return [each for each in ranges if (*each.key, each.epoch) in lost]

    async def take_alone(self, deployment_id: str, worker: str, *, lease_seconds: float) -> bool:
        """See `LineStore.take_alone`."""
        lease = {"lease": round(lease_seconds * 1_000_000), "now": clock()}
        taken = {"deployment_id": deployment_id, "worker": worker, **lease}
        return await self._execute("take_alone", taken) > 0

    async def end_alone(self, deployment_id: str, worker: str) -> None:
        """See `LineStore.end_alone`."""
        await self._execute("end_alone", {"deployment_id": deployment_id, "worker": worker})

    async def progress(self, job_id: str) -> LineProgress:
        """See `LineStore.progress`."""
        return await _progress(self._executor, self._queries(), job_id)

    async def close(self, job_id: str) -> LineProgress:
        """See `LineStore.close`."""
        queries = self._queries()

        async def close(transaction: Transaction) -> LineProgress:
            await close_lines(transaction, queries, job_id)
            return await _progress(transaction, queries, job_id)

        return await in_transaction(self._executor, close)

    async def rows(
        self, job_id: str, kind: FileKind, *, after: int = -1, most_bytes: int = 1 << 20
    ) -> list[LineResult]:
        """See `LineStore.rows`."""
        wanted = {"job_id": job_id, "kind": kind.value, "after": after}
        last = await self._end_of_page(wanted, most_bytes)
        if last is None:
            return []
        statement = self._queries().sql("line_results", kind.value)
        rows = await self._executor.fetch_all(statement, {**wanted, "last": last})
        return page_of(map(LINE_RESULTS.decode, rows), most_bytes)

    async def _end_of_page(self, wanted: dict[str, Any], most_bytes: int) -> int | None:
        """The last line of as many results as have so many bytes; None: there is none."""
        statement = self._queries().sql("sizes_of_line_results", wanted["kind"])
        last: int | None = None
        while True:
            after = wanted["after"] if last is None else last
            page = {**wanted, "after": after, "limit": _SIZES}
            sizes = await self._executor.fetch_all(statement, page)
            for line, size in sizes:
                most_bytes -= size
                if most_bytes < 0 and last is not None:
                    return last
                last = line
            if len(sizes) < _SIZES:
                return last

    async def sweep(self, *, limit: int) -> int:
        """See `LineStore.sweep`."""
        queries, removed = self._queries(), 0
        if await self._executor.fetch_one(queries.sql("has_lapsed_alone"), {"now": clock()}):
            await self._execute("remove_lapsed_alone", {"now": clock()})

        async def step(transaction: Transaction) -> Swept:
            return await sweep_lines(transaction, queries, limit=limit - removed)

        while removed < limit and await self._executor.fetch_one(queries.sql("next_line_sweep"), {}):
            swept = await in_transaction(self._executor, step)
            if not swept.jobs:  # others are at what there is
                break
            removed += swept.results
        return removed

    async def _execute(self, name: str, parameters: dict[str, Any]) -> int:
        sql = self._queries().sql(name)
        return await in_transaction(self._executor, lambda transaction: transaction.execute(sql, parameters))


async def _progress(reader: Reader, queries: Queries, job_id: str) -> LineProgress:
    row = await reader.fetch_one(queries.sql("line_progress"), {"job_id": job_id})
    assert row is not None
    lines, done, failed, due = row
    return LineProgress(lines=lines, done=done, failed=failed, is_closed=not due)


async def _write(
    transaction: Transaction, queries: Queries, writes: Sequence[RangeWrite]
) -> list[LineRange | None]:
    held = await _locked(transaction, queries, writes)
    results = [(write.range.job_id, result) for write in _accepted(held, writes) for result in write.results]
    new = await _insert(transaction, queries, results)
    written: list[LineRange | None] = []
    for write in writes:
        current = held.get(write.range.key)
        if current is None or not is_held(current, write.range):
            written.append(None)
            continue
        mine: list[LineResult] = []
        for result in write.results:
            place = (write.range.job_id, result.line)
            if place in new:
                new.remove(place)
                mine.append(result)
        current = held[current.key] = after_write(current, write, mine)
        written.append(current)
    if held:
        keys = [_fields(line_range) for line_range in held.values()]
        await transaction.execute(queries.sql("write_line_ranges"), {"keys": encode_json(keys)})
    return written


async def _locked(
    transaction: Transaction, queries: Queries, writes: Sequence[RangeWrite]
) -> dict[tuple[str, int], LineRange]:
    """The ranges that are still held, by their keys."""
    keys = {(*write.range.key, write.range.epoch, write.range.claimed_by): None for write in writes}
    rows = await transaction.fetch_all(
        queries.sql("lock_held_line_ranges"), {"keys": encode_json(list(keys))}
    )
    return {line_range.key: line_range for line_range in map(LINE_RANGES.decode, rows)}


def _accepted(
    held: Mapping[tuple[str, int], LineRange], writes: Sequence[RangeWrite]
) -> Iterator[RangeWrite]:
    """Those of held ranges, up to the one that gives a range back."""
    given_back: set[tuple[str, int]] = set()
    for write in writes:
        key = write.range.key
        if key not in given_back and is_held(held.get(key), write.range):
            yield write
            if write.give_back is not None:
                given_back.add(key)


async def _insert(
    transaction: Transaction, queries: Queries, results: Sequence[tuple[str, LineResult]]
) -> set[tuple[str, int]]:
    """Insert results; the jobs and lines of those that were not there."""
    new: set[tuple[str, int]] = set()
    for chunk in _chunks(results):
        rows = await transaction.fetch_all(queries.sql("insert_line_results"), chunk)
        new.update((job_id, line) for job_id, line in rows)
    return new


def _chunks(results: Sequence[tuple[str, LineResult]]) -> Iterator[dict[str, Any]]:
    """Parameters that insert results, of which each has a piece of `rows`."""
    keys: list[tuple[str, int, str, int, int]] = []
    rows: list[bytes] = []
    size = 0
    for job_id, result in results:
        if rows and size + len(result.row) > _CHUNK_BYTES:
            yield {"keys": encode_json(keys), "rows": b"".join(rows)}
            keys, rows, size = [], [], 0
        keys.append((job_id, result.line, result.kind.value, size + 1, len(result.row)))
        rows.append(result.row)
        size += len(result.row)
    if rows:
        yield {"keys": encode_json(keys), "rows": b"".join(rows)}


def _fields(line_range: LineRange) -> tuple[str | int | None, ...]:
    """What a write changes of a range, behind its key."""
    due = line_range.next_check_at
    return (
        *line_range.key,
        line_range.done,
        line_range.failed,
        line_range.trying,
        line_range.tries,
        to_microseconds(due) if due is not None else None,
        line_range.claimed_by,
    )
