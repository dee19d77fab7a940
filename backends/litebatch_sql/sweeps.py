"""The end of live jobs: their ranges are closed, and results that nobody needs removed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from litebatch_asgi.lines import UNDER_WAY
from litebatch_asgi.models import FileKind, Job, Lane
from litebatch_sql.executor import Transaction
from litebatch_sql.queries import Queries
from litebatch_sql.rows import encode_keys

_KINDS = (FileKind.OUTPUT, FileKind.ERROR)
_JOBS = 20
"""how many jobs are looked at in one transaction"""


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


async def sweep_lines(transaction: Transaction, queries: Queries, *, limit: int) -> Swept:
    """Look at some jobs, and remove at most `limit` of their results that nobody needs."""
    rows = await transaction.fetch_all(queries.sql("lock_line_sweeps"), {"limit": _JOBS})
    removed = 0
    for (job_id,) in rows:
        removed += await _sweep(transaction, queries, job_id, limit - removed)
        if removed >= limit:
            break
    return Swept(jobs=len(rows), results=removed)


async def _sweep(transaction: Transaction, queries: Queries, job_id: str, limit: int) -> int:
    """Remove at most so many results of a job; it is not looked at again once there are no more."""
    of_job, removed = {"job_id": job_id}, 0
    needed = {row[0] for row in await transaction.fetch_all(queries.sql("needed_line_results"), of_job)}
    if "" not in needed:
        await close_lines(transaction, queries, job_id)
        for kind in _KINDS:
            if kind.value not in needed:
                rest = {**of_job, "kind": kind.value, "limit": limit - removed}
                removed += await transaction.execute(queries.sql("delete_line_results", kind.value), rest)
        if removed >= limit:
            return removed
        await transaction.execute(queries.sql("remove_line_ranges"), of_job)
    await transaction.execute(queries.sql("remove_line_sweep"), of_job)
    return removed
