"""Protections that a server process can be told to go without, to see that a run notices."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.batches import settling
from litebatch_asgi.batches.charging import charges_for
from litebatch_asgi.batches.endings import JobEndings
from litebatch_asgi.batches.settling import Settler
from litebatch_asgi.batches.unclear import UnclearJobs
from litebatch_asgi.delivering.webhooks import WebhookWorker
from litebatch_asgi.delivering.worker import SinkWorker
from litebatch_asgi.errors import NoClearAnswer, StorageUnavailable
from litebatch_asgi.models import (
    BatchChange,
    BatchState,
    Charge,
    Event,
    Held,
    Job,
    OutboxItem,
    RegisteredSink,
    Reservation,
)
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.sink import Sink
from litebatch_asgi.storage import Installation
from litebatch_asgi.webhooks.queue import ClaimedWebhook, WebhookResult
from litebatch_sql import Place, executor, migrations, storage
from litebatch_sql.events import Events
from litebatch_sql.executor import Executor, Transaction
from litebatch_sql.leases import clock
from litebatch_sql.outbox import SQLOutbox
from litebatch_sql.rows import encode_keys
from litebatch_sql.tables import EVENTS
from tests.faults.mutations import jobs, rescues, telling

Patch = pytest.MonkeyPatch


def nothing_is_adopted(patch: Patch) -> None:
    """What became of a create without an answer is nobody's concern, its sender's death included."""

    async def begin_anew(self: UnclearJobs, job: Job) -> Job | None:
        return await JobEndings(self.runtime).refused(job, NoClearAnswer("its sender died"))

    patch.setattr(UnclearJobs, "mark_unclear", begin_anew)
    jobs.no_answer_is_a_refusal(patch)


def where_a_database_lives_does_not_matter(patch: Patch) -> None:
    """A database is opened wherever it is."""

    def anywhere(installation: Installation, place: Place) -> bool:
        return True

    patch.setattr(migrations, "is_at_home", anywhere)


def charges_come_later(patch: Patch) -> None:
    """A job is charged in a transaction of its own, after the one that settles it."""
    publish = Settler._publish
    held_back: ContextVar[list[Charge]] = ContextVar("held_back")

    def none_yet(*arguments: Any) -> tuple[Charge, ...]:
        held_back.get()[:] = charges_for(*arguments)
        return ()

    async def published(self: Settler, job: Job, *arguments: Any, **options: Any) -> None:
        held_back.set([])
        await publish(self, job, *arguments, **options)

        def charged(state: BatchState) -> BatchChange:
            return BatchChange(batch=state.batch, charges=tuple(held_back.get()))

        await self.runtime.storage.change_batch(job.batch_id, charged)

    patch.setattr(settling, "charges_for", none_yet)
    patch.setattr(Settler, "_publish", published)


def what_others_hold_does_not_matter(patch: Patch) -> None:
    """A batch fits into a budget if it does beside what was spent: open batches are not looked at."""
    check = Reservation.check

    def alone(self: Reservation, held: Held, since: date | None = None) -> None:
        check(self, replace(held, cost=Decimal(0)), since)

    patch.setattr(Reservation, "check", alone)


def deliveries_come_later(patch: Patch) -> None:
    """Deliveries are queued in a transaction of their own, after the one that writes their events."""
    in_transaction = executor.in_transaction
    held_back: ContextVar[list[Callable[[Transaction], Awaitable[int]]]] = ContextVar("held_back")

    async def insert_alone(self: Events, events: Sequence[Event]) -> None:
        if not events:
            return
        rows = [EVENTS.encode(event) for event in events]
        await self._transaction.execute_many(self._queries.sql("insert_events"), rows)
        queue = self._queries.sql("queue_events")
        keys = {"keys": encode_keys([event.id for event in events]), "now": clock()}
        held_back.get().append(lambda transaction: transaction.execute(queue, keys))

    async def written(database: Executor, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
        held_back.set([])
        outcome = await in_transaction(database, work)
        for queue in held_back.get():
            await in_transaction(database, queue)
        return outcome

    patch.setattr(Events, "write", insert_alone)
    patch.setattr(storage, "in_transaction", written)


def any_order_will_do(patch: Patch) -> None:
    """Whatever is due is given out, be something earlier of its subject pending or not."""
    claim = SQLOutbox.claim

    async def unordered(
        self: SQLOutbox, worker: str, sink: RegisteredSink, **options: Any
    ) -> list[OutboxItem]:
        return await claim(self, worker, replace(sink, is_ordered=False), **options)

    patch.setattr(SQLOutbox, "claim", unordered)


def deliveries_are_marked_first(patch: Patch) -> None:
    """A delivery is done before the sink has the event."""
    attempt = SinkWorker._attempt

    async def mark(self: SinkWorker, event: Event) -> None:
        with suppress(StorageUnavailable):
            await self._outbox.delivered([self._under_way[event.id]])
        await attempt(self, event)

    patch.setattr(SinkWorker, "_attempt", mark)


def only_own_sinks_are_told(patch: Patch) -> None:
    """Who writes an event queues it for the sinks that it has itself."""
    own: list[str] = []
    new, write = SinkWorker.__init__, Events.write

    def remember(self: SinkWorker, runtime: Runtime, sink: Sink, registered: RegisteredSink) -> None:
        own.append(sink.name)
        new(self, runtime, sink, registered)

    async def write_own(self: Events, events: Sequence[Event]) -> None:
        await write(self, events)
        foreign = self._queries.expanded(
            "DELETE FROM {prefix}event_deliveries WHERE event_id {among_keys} AND sink NOT IN "
        )
        names = ", ".join(f"'{name}'" for name in own)
        keys = encode_keys([event.id for event in events])
        await self._transaction.execute(f"{foreign} ({names})", {"keys": keys})

    patch.setattr(SinkWorker, "__init__", remember)
    patch.setattr(Events, "write", write_own)


def webhooks_are_marked_first(patch: Patch) -> None:
    """A webhook is done before its receiver has it."""
    telling.endpoints_are_taken_as_they_were(patch)
    send = WebhookWorker._result_of

    async def mark(self: WebhookWorker, claimed: ClaimedWebhook, since: float) -> WebhookResult:
        await self._storage.webhook_queue.settle([WebhookResult(claimed=claimed, is_delivered=True)])
        await send(self, claimed, since)
        return WebhookResult(claimed=claimed)

    patch.setattr(WebhookWorker, "_result_of", mark)


MUTATIONS: Mapping[str, Callable[[Patch], None]] = {
    "adoption": nothing_is_adopted,
    "budget": what_others_hold_does_not_matter,
    "charging": charges_come_later,
    "fencing": jobs.nothing_is_fenced,
    "fingerprint": where_a_database_lives_does_not_matter,
    "hand-on": rescues.rests_come_later,
    "grace": jobs.no_grace_for_jobs,
    "outbox-marks": deliveries_are_marked_first,
    "outbox-order": any_order_will_do,
    "outbox-sinks": only_own_sinks_are_told,
    "outbox-transaction": deliveries_come_later,
    "second-list": jobs.one_list_is_enough_without_tags,
    "stop-first": rescues.rests_begin_at_once,
    "search-first": jobs.old_jobs_are_sent_unseen,
    "target-first": jobs.target_is_written_last,
    "watch": jobs.no_watch_for_twins,
    "webhook-marks": webhooks_are_marked_first,
}
"""by the name of the protection that is missing"""


def switch_off(name: str) -> None:
    """Go without a protection, for as long as this process lives."""
    MUTATIONS[name](pytest.MonkeyPatch())
