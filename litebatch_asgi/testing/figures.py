"""Figures of a storage in memory."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from litebatch_asgi.models import BatchStatus, Claim, Work
from litebatch_asgi.testing.tables import Tables


class MemoryFigureStore:
    """A `FigureStore` over the rows in memory."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def open_batches(self) -> dict[BatchStatus, int]:
        """See `FigureStore.open_batches`."""
        self._tables.check_open()
        statuses = (batch.status for batch in self._tables.batches.values())
        return dict(Counter(status for status in statuses if not status.is_final))

    async def late(self) -> dict[Work | None, float]:
        """See `FigureStore.late`."""
        self._tables.check_open()
        rows: list[tuple[Work | None, Claim]] = [(job.work, job) for job in self._tables.jobs.values()]
        rows += [(None, copy) for copy in self._tables.copies.values()]
        now = datetime.now(UTC)
        longest: dict[Work | None, float] = {}
        for work, row in rows:
            is_free = row.claimed_until is None or row.claimed_until <= now
            if row.next_check_at is not None and row.next_check_at <= now and is_free:
                seconds = (now - row.next_check_at).total_seconds()
                longest[work] = max(seconds, longest.get(work, 0.0))
        return longest
