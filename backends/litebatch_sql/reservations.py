"""What open batches and files hold of limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from litebatch_asgi.models import Batch, File, FileHold, Held, Reservation
from litebatch_asgi.models.money import from_nanodollars, to_nanodollars
from litebatch_sql.executor import Transaction
from litebatch_sql.queries import Queries
from litebatch_sql.rows import Row, to_days, to_microseconds

_MOST = (1 << 63) - 1
"""what a column holds, nine thousand million dollars in 1e-9: no budget is as large"""


class Reservations:
    """Reserves and releases in one transaction."""

    def __init__(self, transaction: Transaction, queries: Queries) -> None:
        self._transaction = transaction
        self._queries = queries

    async def check(self, reservations: Sequence[Reservation]) -> None:
        """Lock the scopes until the end of the transaction. Raises what `Reservation.check` does.

        Always in one order, so that two who want the same scopes cannot wait for each other.
        """
        limited = (each for each in reservations if each.is_limited)
        for reservation in sorted(limited, key=lambda each: each.scope):
            await lock_scope(self._transaction, self._queries, reservation.scope)
            for since in reservation.periods:
                # a statement of its own: it sees what was committed while the lock was waited for
                reservation.check(await self._held(reservation.scope, since), since)

    async def _held(self, scope: str, since: date | None) -> Held:
        parameters = {"scope": scope, "since": to_days(since or date.min)}
        row = await self._transaction.fetch_one(self._queries.sql("reserved"), parameters)
        assert row is not None
        *held, spent = row
        return held_of(held, spent)

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
                "unpriced": int(each.cost is None),
                "cost": min(to_nanodollars(each.cost or Decimal(0)), _MOST),
                "created_at": to_microseconds(batch.created_at),
            }
            await self._transaction.execute(self._queries.sql("insert_reservation"), row)

    async def release(self, batch: Batch, settled_requests: int = 0) -> None:
        """Give back what a batch holds if it has ended, else the share of requests that are settled."""
        of_batch = {"batch_id": batch.id}
        if batch.status.is_final:
            await self._transaction.execute(self._queries.sql("release"), of_batch)
        elif settled_requests:
            share = {**of_batch, "requests": settled_requests}
            await self._transaction.execute(self._queries.sql("release_share"), share)


def held_of(row: Row, spent: int = 0) -> Held:
    """What the fragment `sums_of_held` says; `spent` in 1e-9 US dollars."""
    batches, requests, tokens, dollars, rest, unpriced = row
    return Held(
        batches=batches,
        requests=requests,
        tokens=tokens,
        cost=dollars + from_nanodollars(rest),
        unpriced_batches=unpriced,
        spent=from_nanodollars(spent),
    )


class FileHolds:
    """Gives out and takes back places for files in one transaction."""

    def __init__(self, transaction: Transaction, queries: Queries) -> None:
        self._transaction = transaction
        self._queries = queries

    async def check(self, holds: Sequence[FileHold]) -> None:
        """As `Reservations.check`, of the files of each scope."""
        for hold in sorted((each for each in holds if each.is_limited), key=lambda each: each.scope):
            await lock_scope(self._transaction, self._queries, hold.scope)
            row = await self._transaction.fetch_one(self._queries.sql("held_files"), {"scope": hold.scope})
            hold.check(row[0] if row else 0)

    async def insert(self, file: File, holds: Sequence[FileHold]) -> None:
        """Write the places that a file takes."""
        for hold in holds:
            row = {"scope": hold.scope, "file_id": file.id}
            await self._transaction.execute(self._queries.sql("insert_file_hold"), row)

    async def release(self, file: File) -> None:
        """Give a file's places back."""
        await self._transaction.execute(self._queries.sql("release_file"), {"file_id": file.id})


async def lock_scope(transaction: Transaction, queries: Queries, scope: str) -> None:
    """Let nobody else change what a scope holds until the end of the transaction."""
    if "lock_scope" in queries:
        await transaction.fetch_one(queries.sql("lock_scope"), {"scope": scope})
