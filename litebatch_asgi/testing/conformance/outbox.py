"""Events, and what is still to be told to whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import (
    Batch,
    DeliveryState,
    Event,
    FailedAttempt,
    OutboxItem,
    RegisteredSink,
)
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import (
    StorageTests,
    file_writing,
    stored_batch,
    stored_file,
    writing,
)
from litebatch_asgi.testing.samples import an_event

LOG = RegisteredSink(name="log", is_ordered=True)
HOOK = RegisteredSink(name="hook", is_ordered=False)
FAR = datetime(2100, 1, 1, tzinfo=UTC)


async def happened(storage: Storage, batch: Batch, *types: str) -> list[Event]:
    """Events of a batch, written together, as they are in the database."""
    events = tuple(an_event(batch, type=type_) for type_ in types)
    await storage.change_batch(batch.id, writing(events=events))
    return (await storage.outbox.events(batch.id, limit=100))[-len(types) :]


async def claim(storage: Storage, sink: RegisteredSink = LOG, limit: int = 100) -> list[OutboxItem]:
    """Claim what is due for a minute."""
    return await storage.outbox.claim("worker", sink, limit=limit, lease_seconds=60)


def types_of(items: Sequence[OutboxItem]) -> list[str]:
    """What happened, in the order in which it is given out."""
    return [item.event.type for item in items]


def failed(item: OutboxItem, retry_seconds: float | None = 60) -> FailedAttempt:
    """That an attempt has failed."""
    return FailedAttempt(delivery=item.delivery, error="no", retry_seconds=retry_seconds)


class OutboxTests(StorageTests):
    """Events and their deliveries."""

    async def test_events_are_numbered_within_their_subject(self, storage: Storage) -> None:
        """In the order in which they are written, whatever their ids and times say."""
        first, second = await stored_batch(storage), await stored_batch(storage)
        late = an_event(first, type="late", id="evt_z", created_at=FAR)
        await storage.change_batch(
            first.id, writing(events=(late, an_event(first, type="early", id="evt_a")))
        )
        await happened(storage, second, "other")
        await happened(storage, first, "last")
        story = await storage.outbox.events(first.id, limit=9)
        assert [(event.seq, event.type) for event in story] == [(1, "late"), (2, "early"), (3, "last")]
        assert story[0] == late
        assert await storage.outbox.event("evt_a") == story[1]
        assert await storage.outbox.event("evt_unknown") is None
        assert [event.seq for event in await storage.outbox.events(second.id, limit=9)] == [1]

    async def test_a_story_is_read_in_pages(self, storage: Storage) -> None:
        """Forwards and backwards."""
        batch = await stored_batch(storage)
        await happened(storage, batch, *"abcde")

        async def page(after: int | None, *, descending: bool) -> str:
            events = await storage.outbox.events(batch.id, after=after, limit=2, descending=descending)
            return "".join(event.type for event in events)

        assert [await page(after, descending=False) for after in (None, 2, 4, 5)] == ["ab", "cd", "e", ""]
        assert [await page(after, descending=True) for after in (None, 4, 2, 1)] == ["ed", "cb", "a", ""]

    async def test_many_batches_are_numbered_each_for_itself(self, storage: Storage) -> None:
        """Where many are changed together."""
        batches = [await stored_batch(storage) for _ in range(3)]
        await storage.outbox.register([HOOK])
        for _ in range(2):
            await storage.change_batches(
                [batch.id for batch in batches],
                lambda state: writing(events=(an_event(state.batch), an_event(state.batch)))(state),
            )
        for batch in batches:
            story = await storage.outbox.events(batch.id, limit=9)
            assert [event.seq for event in story] == [1, 2, 3, 4]
        assert len(await claim(storage, HOOK)) == 12

    async def test_files_have_events_too(self, storage: Storage) -> None:
        """Which go when the file does, with what is still to be told of them."""
        await storage.outbox.register([LOG])
        file = await stored_file(storage)
        event = Event(id="evt_1", subject=file.id, type="file.copied", created_at=file.created_at)
        await storage.change_file(file.id, file_writing(events=(event,)))
        assert await storage.outbox.events(file.id, limit=9) == [replace(event, seq=1)]
        await storage.change_file(file.id, file_writing(remove=True))
        assert await storage.outbox.events(file.id, limit=9) == []
        assert await claim(storage) == []

    async def test_an_event_that_is_there_conflicts(self, storage: Storage) -> None:
        """And nothing is queued."""
        await storage.outbox.register([HOOK])
        batch = await stored_batch(storage)
        [event] = await happened(storage, batch, "first")
        with pytest.raises(StateConflict):
            await storage.change_batch(batch.id, writing(events=(an_event(batch), event)))
        assert len(await claim(storage, HOOK)) == 1

    async def test_a_sink_gets_what_happens_from_then_on(self, storages: Sequence[Storage]) -> None:
        """Whoever writes it; each sink gets all of it, and saying again that it is there changes nothing."""
        batch = await stored_batch(storages[0])
        await happened(storages[0], batch, "before")
        await storages[0].outbox.register([LOG, HOOK])
        [event] = await happened(storages[-1], batch, "after")
        await storages[0].outbox.register([LOG])
        for sink in (LOG, HOOK):
            [item] = await claim(storages[0], sink)
            assert item.event == event
            delivery = item.delivery
            assert (delivery.sink, delivery.event_id, delivery.seq) == (sink.name, event.id, 2)
            assert (delivery.subject, delivery.owner) == (batch.id, batch.owner)
            assert (delivery.claimed_by, delivery.epoch, delivery.attempts) == ("worker", 1, 0)

    async def test_an_ordered_sink_gets_one_of_a_subject_at_a_time(self, storage: Storage) -> None:
        """The lowest first; subjects do not wait for each other."""
        await storage.outbox.register([LOG, HOOK])
        first, second = await stored_batch(storage), await stored_batch(storage)
        await happened(storage, first, "1", "2", "3")
        await happened(storage, second, "1", "2")
        for expected in (["1", "1"], ["2", "2"], ["3"], []):
            items = await claim(storage)
            assert types_of(items) == expected
            assert await claim(storage) == []
            assert await storage.outbox.delivered(items) == len(expected)
        assert sorted(types_of(await claim(storage, HOOK))) == ["1", "1", "2", "2", "3"]

    async def test_the_longest_due_are_given_out_first(self, storage: Storage) -> None:
        """At most so many."""
        await storage.outbox.register([HOOK])
        batches = [await stored_batch(storage) for _ in range(4)]
        for number, batch in enumerate(batches):
            await happened(storage, batch, str(number))
        assert types_of(await claim(storage, HOOK, limit=3)) == ["0", "1", "2"]
        assert types_of(await claim(storage, HOOK, limit=3)) == ["3"]

    async def test_a_failed_one_is_due_later_and_holds_up_its_subject(self, storage: Storage) -> None:
        """Of an ordered sink; what happens meanwhile waits as well."""
        await storage.outbox.register([LOG, HOOK])
        batch, other = await stored_batch(storage), await stored_batch(storage)
        await happened(storage, batch, "1", "2")
        [item] = await claim(storage)
        assert await storage.outbox.failed(LOG, [failed(item)]) == 1
        await happened(storage, batch, "3")
        await happened(storage, other, "other")
        assert types_of(await claim(storage)) == ["other"]
        [first, *_] = await claim(storage, HOOK)
        await storage.outbox.failed(HOOK, [failed(first, 0)])
        [again] = await claim(storage, HOOK)
        assert (again.event, again.delivery.attempts, again.delivery.error) == (first.event, 1, "no")

    async def test_a_failed_one_is_tried_again_before_what_follows(self, storage: Storage) -> None:
        """Then all the others, one after another."""
        await storage.outbox.register([LOG])
        batch = await stored_batch(storage)
        await happened(storage, batch, "1", "2")
        [item] = await claim(storage)
        await storage.outbox.failed(LOG, [failed(item, 0)])
        await happened(storage, batch, "3")
        for expected in "123":
            items = await claim(storage)
            assert types_of(items) == [expected]
            await storage.outbox.delivered(items)

    async def test_a_dead_one_holds_up_nothing(self, storage: Storage) -> None:
        """It is kept, and tried again when somebody wants that."""
        await storage.outbox.register([LOG])
        batch = await stored_batch(storage)
        await happened(storage, batch, "1", "2")
        [item] = await claim(storage)
        await storage.outbox.failed(LOG, [failed(item, None)])
        [second] = await claim(storage)
        assert second.event.type == "2"
        await storage.outbox.delivered([second])
        [dead] = await storage.outbox.dead(limit=9)
        assert dead.event == item.event
        assert dead.delivery.state is DeliveryState.DEAD
        assert (dead.delivery.error, dead.delivery.attempts) == ("no", 1)
        assert (dead.delivery.next_check_at, dead.delivery.claimed_by) == (None, None)
        assert await storage.outbox.replay(limit=9) == 1
        assert await storage.outbox.dead(limit=9) == []
        [again] = await claim(storage)
        assert again.event == item.event
        assert (again.delivery.attempts, again.delivery.error) == (0, None)
        assert again.delivery.created_at >= dead.delivery.created_at

    async def test_dead_ones_are_listed_and_replayed_in_steps(self, storage: Storage) -> None:
        """Those of one sink, or some events alone."""
        await storage.outbox.register([LOG, HOOK])
        batches = [await stored_batch(storage) for _ in range(3)]
        events = [(await happened(storage, batch, "x"))[0] for batch in batches]
        for sink in (LOG, HOOK):
            await storage.outbox.failed(sink, [failed(item, None) for item in await claim(storage, sink)])
        places: list[tuple[str, str]] = []
        last: OutboxItem | None = None
        while page := await storage.outbox.dead(after=last, limit=4):
            places += [(item.delivery.event_id, item.delivery.sink) for item in page]
            last = page[-1]
        assert places == sorted((event.id, sink.name) for event in events for sink in (LOG, HOOK))
        assert len(await storage.outbox.dead(sink="log", limit=2)) == 2
        assert await storage.outbox.replay(sink="hook", limit=2) == 2
        assert await storage.outbox.replay(event_ids=[events[0].id, "evt_unknown"], sink="log", limit=9) == 1
        left = {item.delivery.sink for item in await storage.outbox.dead(limit=9)}
        assert left == {"log", "hook"}
        assert await storage.outbox.replay(event_ids=[], limit=9) == 0
        assert await storage.outbox.replay(limit=9) == 3

    async def test_what_a_sink_has_not_taken_is_listed(self, storage: Storage) -> None:
        """Of that one alone, the newest subject first, also where the last one seen was taken meanwhile."""
        await storage.outbox.register([LOG, HOOK])
        batches = [await stored_batch(storage) for _ in range(3)]
        events = [each for batch in batches for each in await happened(storage, batch, "1", "2")]
        places = sorted(((each.subject, each.seq) for each in events), reverse=True)
        items = await claim(storage, HOOK)
        await storage.outbox.failed(HOOK, [failed(items[0], None), failed(items[1], 60.0)])
        await storage.outbox.delivered(await claim(storage))
        found: list[OutboxItem] = []
        last: Event | None = None
        while page := await storage.outbox.untaken("hook", after=last, limit=4):
            found += page
            last = page[-1].event
            await storage.outbox.delivered([each for each in items if each.event == last])
        assert [(each.event.subject, each.event.seq) for each in found] == places
        states = {each.delivery.event_id: (each.delivery.state, each.delivery.error) for each in found}
        assert states[items[0].event.id] == (DeliveryState.DEAD, "no")
        assert states[items[1].event.id] == (DeliveryState.PENDING, "no")
        assert await storage.outbox.untaken("nobody", limit=9) == []

    async def test_what_was_claimed_by_others_is_not_written(self, storages: Sequence[Storage]) -> None:
        """Neither that it is delivered, nor that it failed, nor is it given back."""
        first, second = storages[0].outbox, storages[-1].outbox
        await first.register([LOG])
        await happened(storages[0], await stored_batch(storages[0]), "1")
        [late] = await first.claim("first", LOG, limit=1, lease_seconds=0)
        [item] = await second.claim("second", LOG, limit=1, lease_seconds=60)
        assert item.delivery.epoch == 2
        assert await first.delivered([late]) == 0
        assert await first.failed(LOG, [failed(late, None)]) == 0
        await first.give_back([late])
        assert await first.claim("first", LOG, limit=1, lease_seconds=60) == []
        assert await second.delivered([item]) == 1

    async def test_what_is_given_back_is_due_at_once(self, storage: Storage) -> None:
        """As if nothing had been tried."""
        await storage.outbox.register([LOG])
        await happened(storage, await stored_batch(storage), "1")
        items = await claim(storage)
        await storage.outbox.give_back(items)
        [again] = await claim(storage)
        assert (again.delivery.attempts, again.delivery.epoch) == (0, 2)

    async def test_several_at_once_claim_each_once(self, storages: Sequence[Storage]) -> None:
        """And in order within each subject, together all of them."""
        await storages[0].outbox.register([LOG])
        batches = [await stored_batch(storages[0]) for _ in range(8)]
        for batch in batches:
            await happened(storages[0], batch, *"12345")
        got: list[tuple[str, int]] = []

        async def work(storage: Storage) -> None:
            while any(each.pending for each in await storage.outbox.backlog()):
                items = await claim(storage, limit=3)
                got.extend((item.event.subject, item.event.seq) for item in items)
                await storage.outbox.delivered(items)

        async with anyio.create_task_group() as tasks:
            for storage in storages:
                tasks.start_soon(work, storage)
        for batch in batches:
            assert [seq for subject, seq in got if subject == batch.id] == [1, 2, 3, 4, 5]
        assert len(got) == 40

    async def test_a_backlog_is_told_by_sink(self, storage: Storage) -> None:
        """How many are pending, since when, and how many are dead."""
        await storage.outbox.register([LOG, HOOK])
        started = await storage.now()
        await happened(storage, await stored_batch(storage), "1", "2")
        for number, item in enumerate(await claim(storage, HOOK)):
            await storage.outbox.failed(HOOK, [failed(item, None if number else 60)])
        hook, log = await storage.outbox.backlog()
        assert (hook.sink, hook.pending, hook.dead) == (HOOK, 1, 1)
        assert (log.sink, log.pending, log.dead) == (LOG, 2, 0)
        assert log.oldest_at is not None
        assert started - timedelta(seconds=5) <= log.oldest_at <= await storage.now() + timedelta(seconds=5)
        await storage.outbox.delivered(await claim(storage))
        await storage.outbox.delivered(await claim(storage))
        _, log = await storage.outbox.backlog()
        assert (log.pending, log.oldest_at) == (0, None)

    async def test_a_sink_that_nobody_has_is_forgotten(self, storage: Storage) -> None:
        """With what was to be told to it, in steps; the events and all other sinks stay."""
        await storage.outbox.register([HOOK, LOG])
        batch = await stored_batch(storage)
        await happened(storage, batch, "1", "2", "3")
        assert await storage.outbox.remove_unseen((await storage.now()) - timedelta(days=1), limit=9) == 0
        [hook, _] = await storage.outbox.backlog()
        await anyio.sleep(0.002)
        await storage.outbox.register([LOG])
        before = hook.last_seen_at + timedelta(microseconds=1)
        assert [await storage.outbox.remove_unseen(before, limit=2) for _ in range(3)] == [2, 1, 0]
        assert [each.sink for each in await storage.outbox.backlog()] == [LOG]
        assert await claim(storage, HOOK) == []
        await happened(storage, batch, "4")
        assert await claim(storage, HOOK) == []
        assert types_of(await claim(storage)) == ["1"]
        assert len(await storage.outbox.events(batch.id, limit=9)) == 4
