"""Claims: rows that one worker at a time may look after."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from litebatch_asgi.models import FileCopy, Job
from litebatch_sql.executor import Executor, Transaction
from litebatch_sql.queries import Queries
from litebatch_sql.rows import Row, Table, encode_json
from litebatch_sql.tables import COPIES, JOBS

L = TypeVar("L", Job, FileCopy)


def clock() -> int:
    """This process's clock, in microseconds; for databases that have none of their own."""
    return time.time_ns() // 1000


class Leases(Generic[L]):
    """Claims on the rows of one table, whose key is `key_columns`."""

    def __init__(self, table: Table[L], key_columns: Sequence[str]) -> None:
        self._table: Table[L] = table
        self._key_columns = key_columns

    async def claim(
        self,
        executor: Executor,
        queries: Queries,
        *,
        worker: str,
        lease_seconds: float,
        room: Mapping[Any, int],
    ) -> list[L]:
        """Claim due rows as `Storage.claim_jobs` says."""
        name = self._table.name
        deployments = encode_json([deployment for deployment, places in room.items() if places > 0])
        look = {"deployments": deployments, "now": clock()}
        due = await executor.fetch_all(queries.sql(f"due_deployments_{name}"), look)
        if not due:  # by far the most frequent case: the write lock is left alone
            return []
        async with executor.write() as transaction:
            now = clock()
            keys: list[Row] = []
            for (deployment,) in due:
                limits = {"deployment": deployment, "now": now, "limit": room[deployment]}
                keys += await transaction.fetch_all(queries.sql(f"due_{name}"), limits)
            claim = {"keys": encode_json(keys), "worker": worker, "now": now, **_lease(lease_seconds)}
            await transaction.execute(queries.sql(f"claim_{name}"), claim)
            rows = await transaction.fetch_all(queries.sql(f"claimed_{name}"), claim)
        return [self._table.decode(row) for row in rows]

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
        renewed = [self._table.decode(row) for row in rows]
        return {self.key(row): row for row in renewed}

    def key(self, claim: L) -> Row:
        """What identifies the row."""
        return tuple(getattr(claim, column) for column in self._key_columns)

    def _held_key(self, claim: L) -> Row:
        return (*self.key(claim), claim.epoch, claim.claimed_by)


JOB_LEASES = Leases(JOBS, ("id",))
COPY_LEASES = Leases(COPIES, ("file_id", "shard", "deployment_id"))


async def renew(
    executor: Executor, queries: Queries, claims: Sequence[Job | FileCopy], *, lease_seconds: float
) -> list[Job | FileCopy]:
    """Renew claims as `Storage.renew` says."""
    if not claims:
        return []
    jobs = [claim for claim in claims if isinstance(claim, Job)]
    copies = [claim for claim in claims if isinstance(claim, FileCopy)]
    async with executor.write() as transaction:
        held_jobs = await JOB_LEASES.renew(transaction, queries, jobs, lease_seconds=lease_seconds)
        held_copies = await COPY_LEASES.renew(transaction, queries, copies, lease_seconds=lease_seconds)
    renewed = (
        held_jobs.get(JOB_LEASES.key(claim))
        if isinstance(claim, Job)
        else held_copies.get(COPY_LEASES.key(claim))
        for claim in claims
    )
    return [claim for claim in renewed if claim is not None]


def _lease(seconds: float) -> dict[str, int]:
    return {"lease": round(seconds * 1_000_000)}
