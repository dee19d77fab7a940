"""Figures of a storage in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from litebatch_asgi.figures import WEBHOOKS, Untold
from litebatch_asgi.models import BatchStatus, Claim, Delivery, DeliveryState, Work
from litebatch_asgi.models.ids import WEBHOOK_PREFIX
from litebatch_asgi.testing.tables import Tables


class MemoryFigureStore:
    """A `FigureStore` over the rows in memory."""

    def __init__(self, tables: Tables, sinks: Callable[[], Iterable[str]]) -> None:
        self._tables = tables
        self._sinks = sinks

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

    async def untold(self, most: int) -> dict[str, Untold]:
        """See `FigureStore.untold`."""
        self._tables.check_open()
        rows: dict[str, list[Delivery]] = {name: [] for name in (*map(_told_to, self._sinks()), WEBHOOKS)}
        for each in self._tables.deliveries.values():
            if not (_is_pending(each) and self._is_out_of_use(each.sink)):
                rows.get(_told_to(each.sink), []).append(each)
        return {name: _untold(deliveries, most) for name, deliveries in rows.items()}

    def _is_out_of_use(self, sink: str) -> bool:
        endpoint = self._tables.endpoints.get(sink)
        return sink.startswith(WEBHOOK_PREFIX) and (endpoint is None or endpoint.disabled_at is not None)


def _told_to(sink: str) -> str:
    return WEBHOOKS if sink.startswith(WEBHOOK_PREFIX) else sink


def _untold(deliveries: Sequence[Delivery], most: int) -> Untold:
    now = datetime.now(UTC)
    states = Counter(each.state for each in deliveries)
    ages = ((now - each.created_at).total_seconds() for each in deliveries if _is_pending(each))
    return Untold(
        pending=min(states[DeliveryState.PENDING], most),
        dead=min(states[DeliveryState.DEAD], most),
        oldest_seconds=max(ages, default=0.0),
    )


def _is_pending(delivery: Delivery) -> bool:
    return delivery.state is DeliveryState.PENDING
