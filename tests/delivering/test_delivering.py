"""What happens to batches is delivered: at least once, in order, whatever one of the sinks does."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi import CallableSink, Event, LiteBatch
from litebatch_asgi.app import open_storage
from litebatch_asgi.delivering import woken
from litebatch_asgi.errors import Undeliverable
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import file_writing, stored_file
from tests.clones import write_to
from tests.database import Database
from tests.delivering.recording import Recorder, until_told
from tests.harness import PATIENCE_SECONDS, QUICK, InProcess, running_gateway

RETRYING = replace(QUICK, delivery_retry_seconds=(0.02,))
LAST = "batch.completed"


async def completed(gateway: InProcess) -> str:
    """The id of a batch that has completed."""
    file = await gateway.upload()
    batch = await gateway.create(file.id)
    assert (await gateway.ended(batch.id)).status == "completed"
    return batch.id


async def test_a_callable_gets_what_happens_in_order(tmp_path: Path, database: Database) -> None:
    got: list[Event] = []

    async def on_event(event: Event) -> None:
        got.append(event)

    async with running_gateway(tmp_path, database=database, sinks=[on_event]) as gateway:
        batches = [await completed(gateway) for _ in range(3)]
        await until_told(gateway.storage)
        for batch_id in batches:
            story = await gateway.storage.outbox.events(batch_id, limit=100)
            assert [event for event in got if event.subject == batch_id] == story
            assert [event.seq for event in story] == list(range(1, len(story) + 1))
            assert story[0].type == "batch.created"
            assert LAST in {event.type for event in story}


async def test_it_gets_them_at_once(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this process writes wakes the one who delivers it: it would look for it too late by itself."""
    monkeypatch.setattr(woken, "LONGEST_PAUSE", 10 * PATIENCE_SECONDS)
    recorder = Recorder()
    async with running_gateway(tmp_path, database=database, sinks=[recorder]) as gateway:
        batch_id = await completed(gateway)
        await recorder.until(lambda: LAST in recorder.types(batch_id))


async def test_a_sink_that_fails_at_random_gets_all_in_order(tmp_path: Path, database: Database) -> None:
    chances = itertools.cycle([True, False, True, True, False])

    async def fail(event: Event) -> None:
        if next(chances):
            raise RuntimeError("not now")

    recorder = Recorder(first=fail)
    async with running_gateway(tmp_path, database=database, settings=RETRYING, sinks=[recorder]) as gateway:
        batches = [await completed(gateway) for _ in range(3)]
        await until_told(gateway.storage)
        for batch_id in batches:
            numbers = recorder.numbers(batch_id)
            assert numbers == list(range(1, len(numbers) + 1))
            assert LAST in recorder.types(batch_id)
        assert await gateway.storage.outbox.dead(limit=1) == []


async def test_sinks_that_hang_or_fail_delay_no_other(tmp_path: Path, database: Database) -> None:
    async def hang(event: Event) -> None:
        await anyio.sleep_forever()

    async def fail(event: Event) -> None:
        raise RuntimeError("never")

    recorder = Recorder()
    sinks = [CallableSink(hang, name="hangs"), CallableSink(fail, name="fails"), recorder]
    async with running_gateway(tmp_path, database=database, sinks=sinks) as gateway:
        batch_id = await completed(gateway)
        await recorder.until(lambda: LAST in recorder.types(batch_id))
        backlog = {each.sink.name: each.pending for each in await gateway.storage.outbox.backlog()}
        assert backlog["hangs"] > 0
        assert backlog["fails"] > 0
    storage = open_storage(database.url)
    await storage.open()
    hangs = next(each.sink for each in await storage.outbox.backlog() if each.sink.name == "hangs")
    claimed = await storage.outbox.claim("next", hangs, limit=100, lease_seconds=60)
    assert batch_id in {item.event.subject for item in claimed}  # given back, as if nothing was tried
    assert all(item.delivery.attempts == 0 for item in claimed)
    await storage.close()


async def test_an_attempt_that_takes_too_long_fails(tmp_path: Path, database: Database) -> None:
    hangs = iter([True])

    async def hang_once(event: Event) -> None:
        if next(hangs, False):
            await anyio.sleep_forever()

    recorder = Recorder(first=hang_once)
    settings = replace(RETRYING, lease_seconds=0.5)
    async with running_gateway(tmp_path, database=database, settings=settings, sinks=[recorder]) as gateway:
        file = await gateway.upload()
        batch = await gateway.create(file.id)
        await recorder.until(lambda: 1 in recorder.numbers(batch.id))


async def test_what_cancels_itself_has_failed(tmp_path: Path, database: Database) -> None:
    cancels = iter([True])

    async def cancel_once(event: Event) -> None:
        if next(cancels, False):
            raise asyncio.CancelledError

    recorder = Recorder(first=cancel_once)
    async with running_gateway(tmp_path, database=database, settings=RETRYING, sinks=[recorder]) as gateway:
        batch_id = await completed(gateway)
        await until_told(gateway.storage)
        numbers = recorder.numbers(batch_id)
        assert numbers == list(range(1, len(numbers) + 1))


async def test_what_can_never_be_taken_is_dead_at_once(tmp_path: Path, database: Database) -> None:
    """It holds up nothing, and is there to be replayed."""
    refused = Counter[str]()

    async def refuse(event: Event) -> None:
        if event.type == "batch.created" and not refused[event.id]:
            refused[event.id] += 1
            raise Undeliverable("no such thing")

    recorder = Recorder(first=refuse)
    async with running_gateway(tmp_path, database=database, sinks=[recorder]) as gateway:
        batch_id = await completed(gateway)
        await until_told(gateway.storage)
        assert "batch.created" not in recorder.types(batch_id)
        [dead] = await gateway.storage.outbox.dead(limit=9)
        assert dead.delivery.error == "Undeliverable: no such thing"
        assert await gateway.storage.outbox.replay(limit=9) == 1
        await recorder.until(lambda: "batch.created" in recorder.types(batch_id))


async def test_what_is_tried_for_too_long_is_dead(tmp_path: Path, database: Database) -> None:
    async def fail(event: Event) -> None:
        raise RuntimeError("never")

    settings = replace(RETRYING, delivery_give_up_seconds=0.05)
    async with running_gateway(
        tmp_path, database=database, settings=settings, sinks=[CallableSink(fail, name="fails")]
    ) as gateway:
        file = await gateway.upload()
        await gateway.create(file.id)

        async def is_dead() -> bool:
            return bool(await gateway.storage.outbox.dead(limit=1))

        await gateway.eventually(is_dead)
        [item] = await gateway.storage.outbox.dead(limit=1)
        assert item.delivery.error == "RuntimeError: never"


async def test_a_replica_writes_deliveries_for_sinks_that_it_does_not_know(
    tmp_path: Path, database: Database
) -> None:
    """As in a rolling start: the older process has no sink, the newer one gets what the older one does."""
    recorder = Recorder()
    async with running_gateway(tmp_path, database=database) as older:
        before = await completed(older)
        async with _newer(older, recorder).lifespan():
            batch_id = await completed(older)
            await recorder.until(lambda: LAST in recorder.types(batch_id))
            numbers = recorder.numbers(batch_id)
            assert numbers == list(range(1, len(numbers) + 1))
            assert recorder.types(before) == []
        later = await completed(older)
        assert recorder.types(later) == []
        async with _newer(older, recorder).lifespan():
            await recorder.until(lambda: LAST in recorder.types(later))


async def test_a_sink_that_is_not_configured_any_more_leaves_nothing_behind(
    tmp_path: Path, database: Database
) -> None:
    """Once its retention is over; the file whose events it was to get stays."""

    async def fail(event: Event) -> None:
        raise RuntimeError("never")

    async def left() -> int:
        [(count,)] = await database.rows("SELECT count(*) FROM event_deliveries WHERE sink = 'removed'")
        return int(count)

    kept, removed = Recorder(), CallableSink(fail, name="removed")
    async with running_gateway(tmp_path, database=database, sinks=[kept, removed]) as gateway:
        file = await gateway.upload()
        await kept.until(lambda: bool(kept.numbers(file.id)))
    assert await left() > 0
    days = timedelta(days=QUICK.keep_ended_days) // timedelta(microseconds=1)
    aged = f"UPDATE sinks SET last_seen_at = last_seen_at - {days} WHERE name = 'removed'"
    await write_to(database, aged)
    async with running_gateway(tmp_path, database=database, sinks=[kept]) as gateway:

        async def is_forgotten() -> bool:
            return await left() == 0

        await gateway.eventually(is_forgotten)
        assert [each.sink.name for each in await gateway.storage.outbox.backlog()] == ["recorder"]
        assert await gateway.storage.outbox.events(file.id, limit=1)


async def test_a_sink_that_a_process_has_is_not_forgotten(tmp_path: Path, database: Database) -> None:
    """However short the retention is: it is seen now and then only."""
    at_once = replace(QUICK, keep_ended_days=1e-9)
    recorder = Recorder()
    async with running_gateway(tmp_path, database=database, settings=at_once, sinks=[recorder]) as gateway:
        file = await gateway.upload()
        await recorder.until(lambda: bool(recorder.numbers(file.id)))


def _newer(older: InProcess, recorder: Recorder) -> LiteBatch:
    return LiteBatch(
        deployments=list(older.litebatch.catalog.deployments.values()),
        storage=older.database.url,
        settings=older.litebatch.settings,
        sinks=[recorder],
    )


@pytest.mark.parametrize("is_ordered", [True, False])
async def test_a_thousand_events_are_delivered_in_no_time(
    tmp_path: Path, database: Database, is_ordered: bool
) -> None:
    """Of many batches, whatever the order in which a sink wants them."""
    got = Counter[str]()

    async def count(event: Event) -> None:
        got[event.id] += 1

    sink = CallableSink(count, name="counts", is_ordered=is_ordered)
    storage = open_storage(database.url)
    async with running_gateway(tmp_path, database=database, storage=storage, sinks=[sink]):
        subjects = [f"file-{number}" for number in range(100)]
        await _happen(storage, subjects, each=10)
        with anyio.fail_after(PATIENCE_SECONDS):
            await until_told(storage)
    assert len(got) == 1000
    assert set(got.values()) == {1}


async def _happen(storage: Storage, subjects: list[str], *, each: int) -> None:
    file = await stored_file(storage)
    events = tuple(
        Event(id=f"evt_{subject}_{number}", subject=subject, type="file.copied", created_at=file.created_at)
        for subject in subjects
        for number in range(each)
    )
    await storage.change_file(file.id, file_writing(events=events))
