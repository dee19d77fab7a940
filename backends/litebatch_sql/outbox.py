"""The outbox in the database of an SQL storage."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from litebatch_asgi.models import Event, FailedAttempt, OutboxItem, RegisteredSink, SinkBacklog
from litebatch_asgi.models.tellings import Telling
from litebatch_sql.executor import Executor, Transaction, in_transaction
from litebatch_sql.leases import clock
from litebatch_sql.queries import Queries
from litebatch_sql.rows import Row, encode_json, encode_keys, from_microseconds, to_microseconds
from litebatch_sql.tables import DELIVERIES, EVENTS
from litebatch_sql.telling import Tellings


class SQLOutbox:
    """An `Outbox` over an `Executor`; `queries` raises until it is open."""

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def register(self, sinks: Collection[RegisteredSink]) -> None:
        """See `Outbox.register`."""
        put, now = self._queries().sql("put_sink"), clock()
        rows = [
            {"name": sink.name, "is_ordered": int(sink.is_ordered), "now": now}
            for sink in sorted(sinks, key=lambda sink: sink.name)
        ]
        if rows:
            await in_transaction(self._executor, lambda transaction: transaction.execute_many(put, rows))

    async def claim(
        self, worker: str, sink: RegisteredSink, *, limit: int, lease_seconds: float
    ) -> list[OutboxItem]:
        """See `Outbox.claim`."""
        sql, order = self._queries().sql, ("ordered",) if sink.is_ordered else ()
        wanted = {"sink": sink.name, "limit": limit, "now": clock()}
        if not await self._executor.fetch_one(sql("due_deliveries", *order), {**wanted, "limit": 1}):
            return []

        async def write(transaction: Transaction) -> list[OutboxItem]:
            due = await transaction.fetch_all(sql("due_deliveries", *order, "locked"), wanted)
            if not due:
                return []
            lease = {"worker": worker, "lease": round(lease_seconds * 1_000_000), "now": clock()}
            claim = {"sink": sink.name, "keys": encode_keys([row[0] for row in due]), **lease}
            await transaction.execute(sql("claim_deliveries"), claim)
            return list(map(_item, await transaction.fetch_all(sql("claimed_deliveries"), claim)))

        return await in_transaction(self._executor, write)

    async def delivered(self, items: Sequence[OutboxItem]) -> int:
        """See `Outbox.delivered`."""
        return await self._write_held("remove_deliveries", items)

    async def give_back(self, items: Sequence[OutboxItem]) -> None:
        """See `Outbox.give_back`."""
        await self._write_held("give_back_deliveries", items)

    async def _write_held(self, name: str, items: Sequence[OutboxItem]) -> int:
        if not items:
            return 0
        deliveries = [item.delivery for item in items]
        keys = [(each.event_id, each.epoch, each.claimed_by) for each in deliveries]
        held = {"sink": deliveries[0].sink, "keys": encode_json(keys)}
        return await self._execute(self._queries().sql(name), held)

    async def failed(self, sink: RegisteredSink, attempts: Sequence[FailedAttempt]) -> int:
        """See `Outbox.failed`."""
        sql = self._queries().sql
        failed = [
            (
                each.delivery.event_id,
                each.delivery.epoch,
                each.delivery.claimed_by,
                None if each.retry_seconds is None else round(each.retry_seconds * 1_000_000),
                each.error,
            )
            for each in attempts
        ]
        held_up = [
            (each.delivery.subject, each.delivery.seq, round(each.retry_seconds * 1_000_000))
            for each in attempts
            if each.retry_seconds is not None and sink.is_ordered
        ]
        about = {"sink": sink.name, "now": clock()}

        async def write(transaction: Transaction) -> int:
            if held_up:
                await transaction.execute(sql("hold_followers"), {**about, "keys": encode_json(held_up)})
            return await transaction.execute(sql("fail_deliveries"), {**about, "keys": encode_json(failed)})

        return await in_transaction(self._executor, write) if failed else 0

    async def dead(
        self, *, sink: str | None = None, after: OutboxItem | None = None, limit: int
    ) -> list[OutboxItem]:
        """See `Outbox.dead`."""
        parameters: dict[str, Any] = {"sink": sink, "limit": limit}
        if after is not None:
            parameters |= {"after_id": after.delivery.event_id, "after_sink": after.delivery.sink}
        given = {"sink": sink, "after": after}
        options = [name for name, value in given.items() if value is not None]
        rows = await self._executor.fetch_all(self._queries().sql("dead_deliveries", *options), parameters)
        return list(map(_item, rows))

    async def untaken(self, sink: str, *, after: Event | None = None, limit: int) -> list[OutboxItem]:
        """See `Outbox.untaken`."""
        parameters: dict[str, Any] = {"sink": sink, "limit": limit}
        if after is not None:
            parameters |= {"after_subject": after.subject, "after_seq": after.seq}
        options = () if after is None else ("after",)
        rows = await self._executor.fetch_all(self._queries().sql("untaken_deliveries", *options), parameters)
        return list(map(_item, rows))

    async def replay(
        self, *, sink: str | None = None, event_ids: Collection[str] | None = None, limit: int
    ) -> int:
        """See `Outbox.replay`."""
        given = {"sink": sink, "events": event_ids}
        options = [name for name, value in given.items() if value is not None]
        keys = encode_keys(sorted(event_ids or ()))
        parameters = {"sink": sink, "keys": keys, "limit": limit, "now": clock()}
        return await self._execute(self._queries().sql("replay_deliveries", *options), parameters)

    async def backlog(self) -> list[SinkBacklog]:
        """See `Outbox.backlog`."""
        rows = await self._executor.fetch_all(self._queries().sql("backlog"), {})
        return [
            SinkBacklog(
                sink=RegisteredSink(name=name, is_ordered=bool(is_ordered)),
                pending=pending,
                dead=dead,
                oldest_at=None if oldest is None else from_microseconds(oldest),
                last_seen_at=from_microseconds(seen),
            )
            for name, is_ordered, seen, pending, dead, oldest in rows
        ]

    async def remove_unseen(self, before: datetime, *, limit: int) -> int:
        """See `Outbox.remove_unseen`."""
        sql = self._queries().sql
        await self._execute(sql("remove_unseen_sinks"), {"before": to_microseconds(before)})
        removed = 0
        for row in await self._executor.fetch_all(sql("forgotten_sinks"), {}):
            step = {"sink": row[0], "limit": limit - removed}
            removed += await self._execute(sql("remove_forgotten_deliveries"), step)
        return removed

    async def tell(self, telling: Telling) -> bool:
        """See `Outbox.tell`."""
        queries = self._queries()
        return await in_transaction(self._executor, lambda each: Tellings(each, queries).tell(telling))

    async def event(self, event_id: str) -> Event | None:
        """See `Outbox.event`."""
        row = await self._executor.fetch_one(self._queries().sql("get_event"), {"id": event_id})
        return EVENTS.decode(row) if row else None

    async def events(
        self, subject: str, *, after: int | None = None, limit: int, descending: bool = False
    ) -> list[Event]:
        """See `Outbox.events`."""
        options = ["descending" if descending else "ascending"]
        if after is not None:
            options.append("before" if descending else "after")
        statement = self._queries().sql("events_of_subject", *options)
        parameters = {"subject": subject, "after": after, "limit": limit}
        return [EVENTS.decode(row) for row in await self._executor.fetch_all(statement, parameters)]

    async def _execute(self, sql: str, parameters: dict[str, Any]) -> int:
        return await in_transaction(self._executor, lambda transaction: transaction.execute(sql, parameters))


def _item(row: Row) -> OutboxItem:
    return OutboxItem(delivery=DELIVERIES.decode(row), event=EVENTS.decode(row, DELIVERIES.width))
