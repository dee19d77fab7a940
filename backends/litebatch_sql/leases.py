"""Claims: rows that one worker at a time may look after."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

import anyio.lowlevel
import msgspec

from litebatch_asgi.claims import is_held
from litebatch_asgi.models import Claim, Content, FileCopy, Job, LineRange, Work
from litebatch_sql.executor import Reader, Transaction
from litebatch_sql.queries import Queries
from litebatch_sql.rows import Row, Table, encode_json, from_microseconds, to_microseconds
from litebatch_sql.tables import CONTENTS, COPIES, JOBS, LINE_RANGES

L = TypeVar("L", Job, FileCopy, Content, LineRange)

_SLICE = 50
"""rows that are decoded before others have their turn"""


def clock() -> int:
    """This process's clock, in microseconds: what `:now` is for databases that have none of their own."""
    return time.time_ns() // 1000


async def database_clock(reader: Reader, queries: Queries) -> int:
    """The database's clock, in microseconds."""
    row = await reader.fetch_one(queries.sql("clock"), {"now": clock()})
    assert row is not None
    now: int = row[0]
    return now


async def leased(
    transaction: Transaction, queries: Queries, rows: Sequence[L], lease_seconds: float | None
) -> tuple[L, ...]:
    """The rows as they are to be written: those with a holder and no end of their claim get one."""
    if lease_seconds is None or not any(map(_begins_lease, rows)):
        return tuple(rows)
    now = await database_clock(transaction, queries)
    until = from_microseconds(now + _microseconds(lease_seconds))
    return tuple(
        msgspec.structs.replace(row, claimed_until=until) if _begins_lease(row) else row for row in rows
    )


def _begins_lease(row: Job | FileCopy | Content | LineRange) -> bool:
    return row.claimed_by is not None and row.claimed_until is None


class Wanted(NamedTuple):
    """Which due rows to claim, by deployment."""

    room: Mapping[Any, int]
    avoid: Mapping[Any, Collection[str]]
    """owners to pass over"""
    work: Work | None = None
    """of jobs: those with which this is to be done"""

    def parameters(self, deployment: str | None, *, limit: int) -> dict[str, Any]:
        """The parameters that look for rows at one deployment."""
        return {
            "deployment": deployment,
            "avoid": encode_json(sorted(self.avoid.get(deployment, ()))),
            "work": self.work,
            "limit": limit,
            "now": clock(),
        }


class Leases(Generic[L]):
    """Claims on the rows of one table, whose key is `key_columns`."""

    def __init__(self, table: Table[L], key_columns: Sequence[str]) -> None:
        self._table: Table[L] = table
        self._key_columns = key_columns

    async def claim(
        self,
        transaction: Transaction,
        queries: Queries,
        *,
        worker: str,
        lease_seconds: float,
        wanted: Wanted,
    ) -> list[L]:
        """Claim due rows as `ClaimStore.claim_jobs` says."""
        name = self._table.name
        look = queries.sql(f"lock_due_{name}" if f"lock_due_{name}" in queries else f"due_{name}")
        keys: list[Row] = []
        for deployment, places in wanted.room.items():
            if places > 0:
                keys += await transaction.fetch_all(look, wanted.parameters(deployment, limit=places))
        if not keys:
            return []
        width = len(self._key_columns)
        given = encode_json([tuple(key[:width]) for key in keys])
        claim = {"keys": given, "worker": worker, "now": clock(), **_lease(lease_seconds)}
        await transaction.execute(queries.sql(f"claim_{name}"), claim)
        return await self._decoded(await transaction.fetch_all(queries.sql(f"claimed_{name}"), claim))

    async def renew(
        self, transaction: Transaction, queries: Queries, claims: Sequence[L], *, lease_seconds: float
    ) -> dict[Row, L]:
        """Let those claims that are still held run on; returns them, by key, as they are now."""
        if not claims:
            return {}
        held = {"keys": encode_json(list(map(self._held_key, claims)))}
        renewal = {**held, "now": clock(), **_lease(lease_seconds)}
        await transaction.execute(queries.sql(f"renew_{self._table.name}"), renewal)
        rows = await transaction.fetch_all(queries.sql(f"held_{self._table.name}"), held)
        return {self.key(row): row for row in await self._decoded(rows)}

    async def _decoded(self, rows: Sequence[Row]) -> list[L]:
        """The rows, which may be many: others have their turn meanwhile."""
        decoded: list[L] = []
        for start in range(0, len(rows), _SLICE):
            if start:
                await anyio.lowlevel.checkpoint()
            decoded += map(self._table.decode, rows[start : start + _SLICE])
        return decoded

    def key(self, claim: L) -> Row:
        """What identifies the row."""
        return tuple(getattr(claim, column) for column in self._key_columns)

    def _held_key(self, claim: L) -> Row:
        return (*self.key(claim), claim.epoch, claim.claimed_by)


JOB_LEASES = Leases(JOBS, ("id",))
COPY_LEASES = Leases(COPIES, ("file_id", "shard", "deployment_id"))
CONTENT_LEASES = Leases(CONTENTS, ("key",))
RANGE_LEASES = Leases(LINE_RANGES, ("job_id", "seq"))
_LEASES: Mapping[type[Claim], Leases[Any]] = {
    Job: JOB_LEASES,
    FileCopy: COPY_LEASES,
    Content: CONTENT_LEASES,
    LineRange: RANGE_LEASES,
}


async def due_work(
    reader: Reader, queries: Queries, deployments: Collection[str | None]
) -> set[tuple[Work | None, str | None]]:
    """What is due, as `ClaimStore.due` says."""
    look = {"deployments": encode_json(list(deployments)), "now": clock()}
    rows = await reader.fetch_all(queries.sql("due_work"), look)
    return {(None if work is None else Work(work), deployment) for work, deployment in rows}


async def postpone(transaction: Transaction, queries: Queries, jobs: Sequence[Job]) -> None:
    """Write when jobs are due again and give the claims back, as `ClaimStore.postpone` says."""
    keys = [
        (job.id, job.epoch, job.claimed_by, _moment(job.next_check_at), _moment(job.refresh_from), job.checks)
        for job in jobs
    ]
    await transaction.execute(queries.sql("postpone_jobs"), {"keys": encode_json(keys)})


def _moment(moment: datetime | None) -> int | None:
    return to_microseconds(moment) if moment is not None else None


async def renew(
    transaction: Transaction, queries: Queries, claims: Sequence[Claim], *, lease_seconds: float
) -> list[Claim]:
    """Renew claims as `ClaimStore.renew` says."""
    held: dict[tuple[type[Claim], Row], Claim] = {}
    for of, leases in _LEASES.items():
        mine = [claim for claim in claims if isinstance(claim, of)]
        renewed = await leases.renew(transaction, queries, mine, lease_seconds=lease_seconds)
        held |= {(of, key): claim for key, claim in renewed.items()}
    current = ((claim, held.get((type(claim), _LEASES[type(claim)].key(claim)))) for claim in claims)
    return [row for claim, row in current if row is not None and is_held(row, claim)]


def _lease(seconds: float) -> dict[str, int]:
    return {"lease": _microseconds(seconds)}


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)
