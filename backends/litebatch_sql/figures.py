"""Figures of the database of an SQL storage."""

from __future__ import annotations

from collections.abc import Callable

from litebatch_asgi.figures import Untold
from litebatch_asgi.models import BatchStatus, Work
from litebatch_sql.executor import Executor
from litebatch_sql.leases import clock
from litebatch_sql.queries import Queries
from litebatch_sql.webhook_queue import IDS as ENDPOINT_IDS


class SQLFigureStore:
    """A `FigureStore` over an `Executor`; `queries` raises until it is open."""

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def open_batches(self) -> dict[BatchStatus, int]:
        """See `FigureStore.open_batches`."""
        rows = await self._executor.fetch_all(self._queries().sql("open_batches"), {})
        return {BatchStatus(row[0]): row[1] for row in rows}

    async def late(self) -> dict[Work | None, float]:
        """See `FigureStore.late`."""
        rows = await self._executor.fetch_all(self._queries().sql("longest_due"), {"now": clock()})
        return {Work(row[0]) if row[0] else None: row[1] / 1_000_000 for row in rows}

    async def untold(self, most: int) -> dict[str, Untold]:
        """See `FigureStore.untold`."""
        parameters = {"most": most, "now": clock(), **ENDPOINT_IDS}
        rows = await self._executor.fetch_all(self._queries().sql("untold"), parameters)
        return {
            name: Untold(pending=min(pending, most), dead=dead, oldest_seconds=max(0, age or 0) / 1_000_000)
            for name, pending, dead, age in rows
        }
