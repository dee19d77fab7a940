"""Writing events, with a delivery for each sink."""

from __future__ import annotations

from collections.abc import Sequence

from litebatch_asgi.models import Event
from litebatch_sql.executor import Transaction
from litebatch_sql.leases import clock
from litebatch_sql.queries import Queries
from litebatch_sql.rows import encode_keys
from litebatch_sql.tables import EVENTS


class Events:
    """Writes events in one transaction that holds the lock of their subjects."""

    def __init__(self, transaction: Transaction, queries: Queries) -> None:
        self._transaction = transaction
        self._queries = queries

    async def write(self, events: Sequence[Event]) -> None:
        """Insert events with a delivery for each sink. Raises `StateConflict` if one is there already."""
        if not events:
            return
        rows = [EVENTS.encode(event) for event in events]
        await self._transaction.execute_many(self._queries.sql("insert_events"), rows)
        queued = {"keys": encode_keys([event.id for event in events]), "now": clock()}
        await self._transaction.execute(self._queries.sql("queue_events"), queued)
