"""What open batches hold of limits."""

from __future__ import annotations

from collections.abc import Sequence

from litebatch_asgi.models import Batch, Held, Reservation
from litebatch_sql.executor import Transaction
from litebatch_sql.queries import Queries
from litebatch_sql.rows import to_microseconds


class Reservations:
    """Reserves and releases in one transaction."""

    def __init__(self, transaction: Transaction, queries: Queries) -> None:
        self._transaction = transaction
        self._queries = queries

    async def check(self, reservations: Sequence[Reservation]) -> None:
        """Lock the scopes until the end of the transaction. Raises `LimitExceeded` if something does not fit.

        Always in one order, so that two who want the same scopes cannot wait for each other.
        """
        limited = (each for each in reservations if each.is_limited)
        for reservation in sorted(limited, key=lambda each: each.scope):
            scope = {"scope": reservation.scope}
            if "lock_scope" in self._queries:
                await self._transaction.fetch_one(self._queries.sql("lock_scope"), scope)
            # a statement of its own: it sees what was committed while the lock was waited for
            row = await self._transaction.fetch_one(self._queries.sql("reserved"), scope)
            batches, requests, tokens = row or (0, 0, 0)
            reservation.check(Held(batches=batches, requests=requests, tokens=tokens))

    async def insert(self, batch: Batch, reservations: Sequence[Reservation]) -> None:
        """Write what a batch holds, unless it has ended already."""
        if batch.status.is_final:
            return
        for each in reservations:
            row = {
                "scope": each.scope,
                "batch_id": batch.id,
                "requests": each.requests,
                "tokens": each.tokens,
                "created_at": to_microseconds(batch.created_at),
            }
            await self._transaction.execute(self._queries.sql("insert_reservation"), row)

    async def release(self, batch: Batch) -> None:
        """Give back what a batch holds if it has ended."""
        if batch.status.is_final:
            await self._transaction.execute(self._queries.sql("release"), {"batch_id": batch.id})
