"""What is to be sent to endpoints of webhooks, and who sends it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.models import (
    Batch,
    DeliveryState,
    Event,
    RegisteredSink,
    WebhookEndpoint,
    WebhookEventType,
)
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import (
    NewStorage,
    StorageTests,
    file_writing,
    stored_batch,
    stored_file,
    writing,
)
from litebatch_asgi.testing.samples import an_endpoint, an_event
from litebatch_asgi.webhooks.queue import ClaimedWebhook, WebhookResult

KEY = "00" * 8
DONE, FAILED = WebhookEventType.COMPLETED, WebhookEventType.FAILED


async def stored_endpoint(storage: Storage, **fields: Any) -> WebhookEndpoint:
    """An endpoint that is in the database."""
    endpoint = an_endpoint(**fields)
    assert await storage.webhook_endpoints.create(endpoint, most=1000)
    return endpoint


async def happened(storage: Storage, batch: Batch, *types: str) -> list[Event]:
    """Events of a batch, as they are in the database."""
    events = tuple(an_event(batch, type=type_) for type_ in types or (DONE,))
    await storage.change_batch(batch.id, writing(events=events))
    return (await storage.outbox.events(batch.id, limit=100))[-len(events) :]


async def claim(
    storage: Storage,
    *,
    fingerprints: Collection[str] = (KEY,),
    limit: int = 100,
    per_owner: int = 100,
    busy: Mapping[str, int] = {},
    lease_seconds: float = 60,
) -> list[ClaimedWebhook]:
    """Claim what is due."""
    return await storage.webhook_queue.claim(
        "worker",
        fingerprints=fingerprints,
        limit=limit,
        per_owner=per_owner,
        busy=busy,
        lease_seconds=lease_seconds,
    )


def ids_of(claims: Sequence[ClaimedWebhook]) -> list[str]:
    """The endpoints that were claimed."""
    return [each.endpoint.id for each in claims]


def done(claimed: ClaimedWebhook) -> WebhookResult:
    """That the endpoint has taken it."""
    return WebhookResult(claimed=claimed, is_delivered=True)


def failed(claimed: ClaimedWebhook, retry_seconds: float | None = 60, **fields: Any) -> WebhookResult:
    """That it has not."""
    return WebhookResult(claimed=claimed, error="no", retry_seconds=retry_seconds, **fields)


async def endpoint_of(storage: Storage, endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """As it is in the database."""
    found = await storage.webhook_endpoints.get(endpoint.id)
    assert found is not None
    return found


class WebhookQueueTests(StorageTests):
    """What is to be sent to endpoints of webhooks."""

    async def test_an_endpoint_gets_the_events_that_it_wants(self, storages: Sequence[Storage]) -> None:
        """Of its owner's batches alone, whoever writes them, from when it was made; none of them twice."""
        storage, writer = storages[0], storages[-1]
        batch, other = await stored_batch(storage), await stored_batch(storage, owner="user:7")
        await happened(writer, batch)
        endpoint = await stored_endpoint(storage)
        await happened(writer, other)
        await happened(writer, batch, "batch.created", FAILED, "batch_success")
        assert await claim(storage) == []
        [event] = await happened(writer, batch, DONE)
        [claimed] = await claim(storage)
        assert claimed.item.event == event
        delivery = claimed.item.delivery
        assert (delivery.sink, delivery.event_id, delivery.subject) == (endpoint.id, event.id, batch.id)
        assert (delivery.owner, delivery.seq, delivery.attempts) == (batch.owner, event.seq, 0)
        assert await storage.webhook_queue.settle([done(claimed)]) == 1
        assert await claim(storage) == []
        assert await storage.webhook_queue.backlog() == []

    async def test_what_is_of_no_batch_is_for_no_endpoint(self, storage: Storage) -> None:
        """Whatever it is called."""
        file = await stored_file(storage)
        await stored_endpoint(storage, owner=file.owner)
        event = Event(id="evt_1", subject=file.id, type=DONE, owner=file.owner, created_at=file.created_at)
        await storage.change_file(file.id, file_writing(events=(event,)))
        assert await claim(storage) == []

    async def test_all_endpoints_of_an_owner_get_it(self, storage: Storage) -> None:
        """Also beside sinks; those that are disabled do not, nor do they afterwards."""
        await storage.outbox.register([RegisteredSink(name="log", is_ordered=True)])
        first = await stored_endpoint(storage)
        second = await stored_endpoint(storage, event_types=(DONE, FAILED))
        off = await stored_endpoint(storage, disabled_at=first.created_at, disabled_reason="it answered 410")
        batch = await stored_batch(storage)
        await happened(storage, batch, FAILED, DONE)
        assert sorted(ids_of(await claim(storage))) == sorted([first.id, second.id])
        backlog = await storage.webhook_queue.backlog()
        assert {each.endpoint_id: each.pending for each in backlog} == {first.id: 1, second.id: 2}
        await storage.webhook_endpoints.change(
            off.id, lambda each: replace(each, disabled_at=None, disabled_reason=None)
        )
        assert await claim(storage) == []

    async def test_an_endpoint_is_given_to_one_worker(self, storages: Sequence[Storage]) -> None:
        """With one event at a time, until it is given back or the lease has run out."""
        storage = storages[0]
        await stored_endpoint(storage)
        batch = await stored_batch(storage)
        for _ in range(3):
            await happened(storage, batch)
        got = [await claim(each) for each in (*storages, *storages)]
        [[first]] = [each for each in got if each]
        assert (first.endpoint.claimed_by, first.endpoint.epoch) == ("worker", 1)
        assert first.endpoint.claimed_until is not None
        await storage.webhook_queue.settle([done(first)])
        [second] = await claim(storages[-1], lease_seconds=0.0)
        assert second.endpoint.epoch == 2
        [third] = await claim(storage)
        assert third.item.event == second.item.event
        assert await storage.webhook_queue.settle([done(second)]) == 0
        [backlog] = await storage.webhook_queue.backlog()
        assert backlog.pending == 2
        assert await storage.webhook_queue.settle([done(second), done(third)]) == 1

    async def test_many_claims_at_once_give_nothing_out_twice(self, storages: Sequence[Storage]) -> None:
        """Each event is sent once, whoever asks."""
        for number in range(6):
            await stored_endpoint(storages[0], owner=f"user:{number % 3}")
        batches = [await stored_batch(storages[0], owner=f"user:{number}") for number in range(3)]
        for batch in batches:
            await happened(storages[0], batch, DONE, DONE)
        under_way, sent = Counter[str](), Counter[tuple[str, str]]()

        async def work(storage: Storage) -> None:
            while await storage.webhook_queue.backlog():
                claims = await claim(storage, limit=2)
                for each in claims:
                    under_way[each.endpoint.id] += 1
                    assert under_way[each.endpoint.id] == 1
                    sent[each.endpoint.id, each.item.event.id] += 1
                await anyio.lowlevel.checkpoint()
                under_way.subtract(ids_of(claims))
                await storage.webhook_queue.settle([done(each) for each in claims])

        async with anyio.create_task_group() as group:
            for storage in storages:
                group.start_soon(work, storage)
        assert len(sent) == 12
        assert set(sent.values()) == {1}

    async def test_owners_have_turns(self, storage: Storage) -> None:
        """However many endpoints one has, and those that are busy count."""
        many = [await stored_endpoint(storage) for _ in range(5)]
        batch, other = await stored_batch(storage), await stored_batch(storage, owner="user:7")
        await happened(storage, batch)
        one = await stored_endpoint(storage, owner="user:7")
        await happened(storage, other)
        assert one.id in ids_of(first := await claim(storage, limit=2))
        assert len(first) == 2
        assert len(await claim(storage, per_owner=3, busy={"team:search": 1, "user:9": 5})) == 2
        assert await claim(storage, per_owner=3, busy={"team:search": 3}) == []
        [last, *_] = left = await claim(storage)
        assert last.endpoint.id in {each.id for each in many}
        assert len(left) == 2

    async def test_without_its_key_an_endpoint_is_not_given_out(self, storage: Storage) -> None:
        """What is for it waits."""
        endpoint = await stored_endpoint(storage, key_fingerprint="ab")
        await happened(storage, await stored_batch(storage))
        assert await claim(storage) == []
        assert await claim(storage, fingerprints=()) == []
        assert ids_of(await claim(storage, fingerprints=(KEY, "ab"))) == [endpoint.id]

    async def test_what_waits_for_a_disabled_endpoint_is_told_apart(self, storage: Storage) -> None:
        """It is sent if the endpoint is put to use again before it is too old."""
        endpoint = await stored_endpoint(storage)
        await happened(storage, await stored_batch(storage))
        [before] = await storage.webhook_queue.backlog()
        await storage.webhook_endpoints.change(
            endpoint.id, lambda each: replace(each, disabled_at=each.created_at, disabled_reason="so")
        )
        [after] = await storage.webhook_queue.backlog()
        assert (before.is_disabled, after.is_disabled) == (False, True)
        assert before.pending == after.pending == 1

    async def test_what_failed_is_due_later_or_dead(self, storage: Storage) -> None:
        """The longest due is given out first; what failed says why, and the endpoint counts it."""
        endpoint, batch = await stored_endpoint(storage), await stored_batch(storage)
        events = [(await happened(storage, batch))[0] for _ in range(3)]
        for number, wait in enumerate((60.0, 0.0, None)):
            [claimed] = await claim(storage)
            assert claimed.item.event == events[number]
            assert claimed.endpoint.failures == number
            await storage.webhook_queue.settle([failed(claimed, wait)])
        [again] = await claim(storage)
        assert again.item.event == events[1]
        assert (again.item.delivery.attempts, again.item.delivery.error) == (1, "no")
        [dead] = await storage.outbox.dead(limit=9)
        assert (dead.event, dead.delivery.sink) == (events[2], endpoint.id)
        assert dead.delivery.state is DeliveryState.DEAD
        [backlog] = await storage.webhook_queue.backlog()
        assert (backlog.endpoint_id, backlog.owner) == (endpoint.id, endpoint.owner)
        assert (backlog.pending, backlog.dead) == (2, 1)
        assert backlog.oldest_at is not None
        before = await endpoint_of(storage, endpoint)
        assert before.failures == 3
        assert before.tried_at is not None
        await storage.webhook_queue.settle([done(again)])
        assert (await endpoint_of(storage, endpoint)).failures == 0
        assert await storage.outbox.replay(sink=endpoint.id, limit=9) == 1
        [replayed] = await claim(storage)
        assert replayed.item.event == events[2]
        assert replayed.item.delivery.attempts == 0

    async def test_an_endpoint_may_be_left_alone_for_a_while(self, storage: Storage) -> None:
        """Whatever is due for it; nothing is counted where nothing was sent."""
        endpoint, batch = await stored_endpoint(storage), await stored_batch(storage)
        await happened(storage, batch, DONE, DONE)
        [claimed] = await claim(storage)
        await storage.webhook_queue.settle([WebhookResult(claimed=claimed)])
        [claimed] = await claim(storage)
        assert claimed.item.delivery.attempts == 0
        await storage.webhook_queue.settle([failed(claimed, 0, pause_seconds=60)])
        assert await claim(storage) == []
        found = await endpoint_of(storage, endpoint)
        assert found.next_attempt_at is not None
        assert found.next_attempt_at > await storage.now() + timedelta(seconds=30)
        assert (found.failures, found.claimed_by, found.claimed_until) == (1, None, None)

    async def test_a_result_may_disable_the_endpoint(self, storage: Storage) -> None:
        """Unless its owner has named another URL meanwhile: that has not failed."""
        endpoint, batch = await stored_endpoint(storage), await stored_batch(storage)
        await happened(storage, batch, DONE, DONE)
        [claimed] = await claim(storage)
        moved = "https://example.com/moved"
        await storage.webhook_endpoints.change(endpoint.id, lambda each: replace(each, url=moved))
        gone = failed(claimed, 0, pause_seconds=60, disabled_reason="it answered 410")
        await storage.webhook_queue.settle([gone])
        found = await endpoint_of(storage, endpoint)
        assert (found.disabled_at, found.failures, found.next_attempt_at) == (None, 0, None)
        [claimed] = await claim(storage)
        await storage.webhook_queue.settle([failed(claimed, 0, disabled_reason="it answered 410")])
        found = await endpoint_of(storage, endpoint)
        assert found.disabled_at is not None
        assert found.disabled_reason == "it answered 410"
        assert await claim(storage) == []

    async def test_what_nobody_sends_is_dead_one_day(self, storage: Storage) -> None:
        """In steps; what is for an endpoint that takes things is left."""
        batch = await stored_batch(storage)
        now = await storage.now()
        stale = {"created_at": now - timedelta(days=9)}
        disabled = await stored_endpoint(storage)
        failing = await stored_endpoint(storage, failures=10, tried_at=now)
        idle = await stored_endpoint(storage, **stale)
        await stored_endpoint(storage, failures=9)
        await stored_endpoint(storage, tried_at=now, **stale)
        for _ in range(2):
            await happened(storage, batch)
        await storage.webhook_endpoints.change(disabled.id, lambda each: replace(each, disabled_at=now))
        queue = storage.webhook_queue
        assert await queue.expire(60, failing=10, idle_seconds=3600, limit=9) == 0
        steps = [await queue.expire(0, failing=10, idle_seconds=3600, limit=4) for _ in range(3)]
        assert steps == [4, 2, 0]
        dead = await storage.outbox.dead(limit=99)
        assert Counter(each.delivery.sink for each in dead) == {disabled.id: 2, failing.id: 2, idle.id: 2}
        assert all(each.delivery.error for each in dead)

    async def test_what_is_for_a_deleted_endpoint_is_removed(self, storage: Storage) -> None:
        """In steps, and never given out; what is for others stays, be it dead."""
        gone, kept = await stored_endpoint(storage), await stored_endpoint(storage)
        batch = await stored_batch(storage)
        await happened(storage, batch, DONE, DONE, DONE)
        dead = next(each for each in await claim(storage) if each.endpoint.id == kept.id)
        await storage.webhook_queue.settle([failed(dead, None)])
        await storage.webhook_endpoints.delete(gone.id)
        long_ago = (await storage.now()) - timedelta(days=1)
        assert ids_of(await claim(storage)) == [kept.id]
        removed = [await storage.outbox.remove_unseen(long_ago, limit=2) for _ in range(3)]
        assert removed == [2, 1, 0]
        [backlog] = await storage.webhook_queue.backlog()
        assert (backlog.endpoint_id, backlog.pending, backlog.dead) == (kept.id, 2, 1)

    async def test_the_queue_needs_an_open_storage(self, new_storage: NewStorage) -> None:
        """Every method says so."""
        storage = new_storage()
        for call in (
            claim(storage),
            storage.webhook_queue.settle([]),
            storage.webhook_queue.expire(1, failing=1, idle_seconds=1, limit=1),
            storage.webhook_queue.backlog(),
        ):
            with pytest.raises(StorageUnavailable):
                await call
