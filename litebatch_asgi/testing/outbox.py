"""The outbox in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec.structs import replace

from litebatch_asgi.models import (
    Delivery,
    DeliveryState,
    Event,
    FailedAttempt,
    OutboxItem,
    RegisteredSink,
    SinkBacklog,
    WebhookEndpoint,
)
from litebatch_asgi.models.tellings import Telling
from litebatch_asgi.testing.drafts import Draft
from litebatch_asgi.testing.tables import Tables


class SeenSink(msgspec.Struct, frozen=True, kw_only=True):
    """A sink, and when somebody last said that it is there."""

    sink: RegisteredSink
    last_seen_at: datetime


class MemoryOutbox:
    """An `Outbox` on a storage in memory."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._sinks: dict[str, SeenSink] = {}

    def sinks(self) -> Iterable[str]:
        """The names of the registered sinks."""
        return self._sinks.keys()

    def write(self, draft: Draft, events: Sequence[Event]) -> None:
        """Write events with a delivery for each sink, and each endpoint that its owner wants told of them."""
        numbers = Counter[str]()
        for event in self._tables.events.values():
            numbers[event.subject] = max(numbers[event.subject], event.seq)
        for event in events:
            numbers[event.subject] += 1
            event = replace(event, seq=numbers[event.subject])
            draft.insert(self._tables.events, event.id, event)
            endpoints = self._tables.endpoints.values()
            for name in (*self._sinks, *(each.id for each in endpoints if _wants(each, event))):
                draft.insert(self._tables.deliveries, (event.id, name), _delivery(name, event))

    def tell_all(self, draft: Draft, tellings: Iterable[Telling]) -> bool:
        """Write the events of what was not told yet; whether there are any. Once a draft."""
        news = [each for each in tellings if each.is_news(self._tables.told.get(_place(each)))]
        for each in news:
            draft.put(self._tables.told, _place(each), each.told)
        self.write(draft, [each.event for each in news])
        return bool(news)

    async def tell(self, telling: Telling) -> bool:
        """See `Outbox.tell`."""
        async with self._tables.write() as draft:
            return self.tell_all(draft, [telling])

    async def register(self, sinks: Collection[RegisteredSink]) -> None:
        """See `Outbox.register`."""
        async with self._tables.write() as draft:
            for sink in sinks:
                draft.put(self._sinks, sink.name, SeenSink(sink=sink, last_seen_at=datetime.now(UTC)))

    async def claim(
        self, worker: str, sink: RegisteredSink, *, limit: int, lease_seconds: float
    ) -> list[OutboxItem]:
        """See `Outbox.claim`."""
        async with self._tables.write() as draft:
            now = datetime.now(UTC)
            due = [each for each in self._pending(sink.name) if _is_due(each, now)]
            if sink.is_ordered:
                first = self._first_of_subjects(sink.name)
                due = [each for each in due if each.seq == first[each.subject]]
            due.sort(key=lambda each: (each.next_check_at or now, each.event_id))
            claimed: list[Delivery] = []
            for each in due[:limit]:
                until = now + timedelta(seconds=lease_seconds)
                taken = replace(each, claimed_by=worker, claimed_until=until, epoch=each.epoch + 1)
                draft.put(self._tables.deliveries, (each.event_id, each.sink), taken)
                claimed.append(taken)
        return list(map(self._item, claimed))

    def _pending(self, sink: str) -> Iterable[Delivery]:
        rows = self._tables.deliveries.values()
        return (each for each in rows if each.sink == sink and each.state is DeliveryState.PENDING)

    def _first_of_subjects(self, sink: str) -> dict[str, int]:
        first: dict[str, int] = {}
        for each in self._pending(sink):
            first[each.subject] = min(each.seq, first.get(each.subject, each.seq))
        return first

    def _item(self, delivery: Delivery) -> OutboxItem:
        return OutboxItem(delivery=delivery, event=self._tables.events[delivery.event_id])

    def _is_held(self, claimed: Delivery) -> bool:
        row = self._tables.deliveries.get((claimed.event_id, claimed.sink))
        return row is not None and (row.epoch, row.claimed_by) == (claimed.epoch, claimed.claimed_by)

    async def delivered(self, items: Sequence[OutboxItem]) -> int:
        """See `Outbox.delivered`."""
        async with self._tables.write() as draft:
            held = [item.delivery for item in items if self._is_held(item.delivery)]
            for each in held:
                draft.remove_key(self._tables.deliveries, (each.event_id, each.sink))
        return len(held)

    async def failed(self, sink: RegisteredSink, attempts: Sequence[FailedAttempt]) -> int:
        """See `Outbox.failed`."""
        async with self._tables.write() as draft:
            held = [each for each in attempts if self._is_held(each.delivery)]
            for each in held:
                self._fail(draft, sink, each)
        return len(held)

    def _fail(self, draft: Draft, sink: RegisteredSink, attempt: FailedAttempt) -> None:
        was, wait = attempt.delivery, attempt.retry_seconds
        due = None if wait is None else datetime.now(UTC) + timedelta(seconds=wait)
        failed = replace(
            was,
            state=DeliveryState.DEAD if due is None else DeliveryState.PENDING,
            next_check_at=due,
            error=attempt.error,
            attempts=was.attempts + 1,
            claimed_by=None,
            claimed_until=None,
        )
        draft.put(self._tables.deliveries, (was.event_id, was.sink), failed)
        if due is None or not sink.is_ordered:
            return
        for each in self._pending(sink.name):
            if each.subject == was.subject and each.seq > was.seq and each.claimed_until is None:
                later = max(due, each.next_check_at or due)
                key = (each.event_id, each.sink)
                draft.put(self._tables.deliveries, key, replace(each, next_check_at=later))

    async def give_back(self, items: Sequence[OutboxItem]) -> None:
        """See `Outbox.give_back`."""
        async with self._tables.write() as draft:
            for each in (item.delivery for item in items):
                if self._is_held(each):
                    row = replace(each, claimed_by=None, claimed_until=None)
                    draft.put(self._tables.deliveries, (each.event_id, each.sink), row)

    async def dead(
        self, *, sink: str | None = None, after: OutboxItem | None = None, limit: int
    ) -> list[OutboxItem]:
        """See `Outbox.dead`."""
        self._tables.check_open()
        last = (after.delivery.event_id, after.delivery.sink) if after is not None else ("", "")
        found = self._dead(lambda each: sink in (None, each.sink) and (each.event_id, each.sink) > last)
        return list(map(self._item, found[:limit]))

    def _dead(self, matches: Callable[[Delivery], bool]) -> list[Delivery]:
        rows = self._tables.deliveries.values()
        found = [each for each in rows if each.state is DeliveryState.DEAD and matches(each)]
        return sorted(found, key=lambda each: (each.event_id, each.sink))

    async def untaken(self, sink: str, *, after: Event | None = None, limit: int) -> list[OutboxItem]:
        """See `Outbox.untaken`."""
        self._tables.check_open()
        last = None if after is None else (after.subject, after.seq)
        found = {
            (each.subject, each.seq): each for each in self._tables.deliveries.values() if each.sink == sink
        }
        places = sorted((place for place in found if last is None or place < last), reverse=True)
        return [self._item(found[place]) for place in places[:limit]]

    async def replay(
        self, *, sink: str | None = None, event_ids: Collection[str] | None = None, limit: int
    ) -> int:
        """See `Outbox.replay`."""
        async with self._tables.write() as draft:
            found = self._dead(
                lambda each: sink in (None, each.sink) and (event_ids is None or each.event_id in event_ids)
            )[:limit]
            now = datetime.now(UTC)
            for each in found:
                again = replace(
                    each,
                    state=DeliveryState.PENDING,
                    error=None,
                    attempts=0,
                    next_check_at=now,
                    created_at=now,
                )
                draft.put(self._tables.deliveries, (each.event_id, each.sink), again)
        return len(found)

    async def backlog(self) -> list[SinkBacklog]:
        """See `Outbox.backlog`."""
        self._tables.check_open()
        return [self._backlog(self._sinks[name]) for name in sorted(self._sinks)]

    def _backlog(self, seen: SeenSink) -> SinkBacklog:
        pending = list(self._pending(seen.sink.name))
        return SinkBacklog(
            sink=seen.sink,
            pending=len(pending),
            dead=len(self._dead(lambda each: each.sink == seen.sink.name)),
            oldest_at=min((each.created_at for each in pending), default=None),
            last_seen_at=seen.last_seen_at,
        )

    async def remove_unseen(self, before: datetime, *, limit: int) -> int:
        """See `Outbox.remove_unseen`."""
        async with self._tables.write() as draft:
            unseen = {name for name, seen in self._sinks.items() if seen.last_seen_at < before}
            for name in unseen:
                draft.remove_key(self._sinks, name)
            known = (self._sinks.keys() - unseen) | self._tables.endpoints.keys()
            gone = [key for key in self._tables.deliveries if key[1] not in known][:limit]
            for key in gone:
                draft.remove_key(self._tables.deliveries, key)
        return len(gone)

    async def event(self, event_id: str) -> Event | None:
        """See `Outbox.event`."""
        self._tables.check_open()
        return self._tables.events.get(event_id)

    async def events(
        self, subject: str, *, after: int | None = None, limit: int, descending: bool = False
    ) -> list[Event]:
        """See `Outbox.events`."""
        self._tables.check_open()
        found = [event for event in self._tables.events.values() if event.subject == subject]
        found.sort(key=lambda event: event.seq, reverse=descending)
        if after is not None:
            found = [each for each in found if (each.seq < after if descending else each.seq > after)]
        return found[:limit]


def _place(telling: Telling) -> tuple[str, str]:
    return telling.event.subject, telling.name


def _delivery(sink: str, event: Event) -> Delivery:
    now = datetime.now(UTC)
    return Delivery(
        sink=sink,
        event_id=event.id,
        subject=event.subject,
        seq=event.seq,
        owner=event.owner,
        next_check_at=now,
        created_at=now,
    )


def _wants(endpoint: WebhookEndpoint, event: Event) -> bool:
    is_told = event.batch_id is not None and event.type in endpoint.event_types
    return is_told and endpoint.owner == event.owner and endpoint.disabled_at is None


def _is_due(delivery: Delivery, now: datetime) -> bool:
    due = delivery.next_check_at is not None and delivery.next_check_at <= now
    return due and (delivery.claimed_until is None or delivery.claimed_until <= now)
