"""Claims in the database of an SQL storage."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from litebatch_asgi.models import Claim, FileCopy, Job, Work
from litebatch_sql.executor import Executor, in_transaction
from litebatch_sql.leases import COPY_LEASES, JOB_LEASES, L, Leases, Wanted, clock, due_work, postpone, renew
from litebatch_sql.queries import Queries
from litebatch_sql.rows import encode_keys

T = TypeVar("T")


class SQLClaimStore:
    """A `ClaimStore` over an `Executor`; `queries` raises until it is open."""

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def due(self, deployments: Collection[str | None]) -> set[tuple[Work | None, str | None]]:
        """See `ClaimStore.due`."""
        return await due_work(self._executor, self._queries(), deployments)

    async def claim_jobs(
        self,
        worker: str,
        *,
        lease_seconds: float,
        room: Mapping[str | None, int],
        work: Work,
        avoid: Mapping[str | None, Collection[str]] = {},
    ) -> list[Job]:
        """See `ClaimStore.claim_jobs`."""
        wanted = Wanted(room=room, avoid=avoid, work=work)
        return await self._claim(JOB_LEASES, worker, lease_seconds, wanted)

    async def claim_copies(
        self,
        worker: str,
        *,
        lease_seconds: float,
        room: Mapping[str, int],
        avoid: Mapping[str, Collection[str]] = {},
    ) -> list[FileCopy]:
        """See `ClaimStore.claim_copies`."""
        return await self._claim(COPY_LEASES, worker, lease_seconds, Wanted(room=room, avoid=avoid))

    async def renew(self, claims: Sequence[Claim], *, lease_seconds: float) -> list[Claim]:
        """See `ClaimStore.renew`."""
        if not claims:
            return []
        return await in_transaction(
            self._executor,
            lambda transaction: renew(transaction, self._queries(), claims, lease_seconds=lease_seconds),
        )

    async def postpone(self, jobs: Sequence[Job]) -> None:
        """See `ClaimStore.postpone`."""
        if jobs:
            await in_transaction(
                self._executor, lambda transaction: postpone(transaction, self._queries(), jobs)
            )

    async def refresh(self, batch_ids: Collection[str]) -> None:
        """See `ClaimStore.refresh`."""
        parameters = {"keys": encode_keys(sorted(batch_ids)), "now": clock()}
        refresh = self._queries().sql("refresh_jobs")
        if await self._executor.fetch_one(self._queries().sql("has_refreshable_jobs"), parameters):
            await in_transaction(self._executor, lambda transaction: transaction.execute(refresh, parameters))

    async def _claim(self, leases: Leases[L], worker: str, lease_seconds: float, wanted: Wanted) -> list[L]:
        if not any(places > 0 for places in wanted.room.values()):
            return []
        return await in_transaction(
            self._executor,
            lambda transaction: leases.claim(
                transaction, self._queries(), worker=worker, lease_seconds=lease_seconds, wanted=wanted
            ),
        )
