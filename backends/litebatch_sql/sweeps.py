"""The end of live jobs: their ranges are closed, and results that nobody needs removed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from litebatch_asgi.lines import UNDER_WAY
from litebatch_asgi.models import FileKind, Job, Lane
from litebatch_sql.executor import Transaction
from litebatch_sql.queries import Queries
from litebatch_sql.rows import Row, encode_keys

_KINDS = (FileKind.OUTPUT, FileKind.ERROR)
_JOBS = 20
"""how many jobs are looked at in one transaction"""
_MOST_BYTES = 8 << 20
"""of the results that one transaction removes, and one result at the least"""


class Swept(NamedTuple):
    """What a transaction has done."""

    jobs: int
    """how many were looked at"""
    results: int
    """how many were removed"""


async def close_lines(transaction: Transaction, queries: Queries, job_id: str) -> None:
    """Let no more results of a job be written, as `LineStore.close` says."""
    of_job = {"job_id": job_id}
    if "lock_line_ranges_of_job" in queries:
        await transaction.fetch_all(queries.sql("lock_line_ranges_of_job"), of_job)
    await transaction.execute(queries.sql("close_line_ranges"), of_job)


async def mark_ended(
    transaction: Transaction, queries: Queries, jobs: Iterable[Job], removed: Iterable[Job] = ()
) -> None:
    """Have the results of those live jobs looked at that are over, in the transaction that writes it."""
    over = [job.id for job in jobs if job.lane is Lane.LIVE and job.state not in UNDER_WAY]
    over += [job.id for job in removed if job.lane is Lane.LIVE]
    if over:
        await transaction.execute(queries.sql("sweep_lines"), {"keys": encode_keys(sorted(set(over)))})


class _Room:
    """What one transaction may still remove."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = _MOST_BYTES
        self.removed: int = 0
        self.is_full: bool = False

    @property
    def results(self) -> int:
        """How many results, whatever they have."""
        return self._limit - self.removed

    def take(self, sizes: Iterable[Row]) -> int | None:
        """The last line of those, in their order and with their bytes, that go; None: there is none."""
        last: int | None = None
        for line, size in sizes:
            self._bytes -= size
            if not self.results or (self.removed and self._bytes < 0):
                self.is_full = True
                break
            self.removed += 1
            last = line
        return last


async def sweep_lines(transaction: Transaction, queries: Queries, *, limit: int) -> Swept:
    """Look at some jobs, and remove at most `limit` of their results that nobody needs, and 8 MiB of them."""
    rows = await transaction.fetch_all(queries.sql("lock_line_sweeps"), {"limit": _JOBS})
    room = _Room(limit)
    for (job_id,) in rows:
        await _sweep(transaction, queries, job_id, room)
        if room.is_full:
            break
    return Swept(jobs=len(rows), results=room.removed)


async def _sweep(transaction: Transaction, queries: Queries, job_id: str, room: _Room) -> None:
    """Remove results of a job; it is not looked at again once there are no more."""
    of_job = {"job_id": job_id}
    needed = {row[0] for row in await transaction.fetch_all(queries.sql("needed_line_results"), of_job)}
    if "" not in needed:
        await close_lines(transaction, queries, job_id)
        for kind in _KINDS:
            if kind.value not in needed:
                await _remove(transaction, queries, {**of_job, "kind": kind.value}, room)
        if room.is_full:
            return
        await transaction.execute(queries.sql("remove_line_ranges"), of_job)
    await transaction.execute(queries.sql("remove_line_sweep"), of_job)


async def _remove(transaction: Transaction, queries: Queries, of_kind: dict[str, Any], room: _Room) -> None:
    kind = of_kind["kind"]
    look = {**of_kind, "after": -1, "limit": room.results + 1}
    last = room.take(await transaction.fetch_all(queries.sql("sizes_of_line_results", kind), look))
    if last is not None:
        await transaction.execute(queries.sql("delete_line_results", kind), {**of_kind, "last": last})
