"""Webhooks: owners are told of the ends of their batches, whatever receivers and processes do."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi import LiteBatch
from litebatch_asgi.delivering import deliveries, retries
from litebatch_asgi.delivering.retries import FAILURES
from litebatch_asgi.models import Settings
from litebatch_asgi.simulator.faults import Fault
from litebatch_asgi.testing import MemoryStorage
from tests.database import Database
from tests.delivering.recording import Recorder
from tests.harness import QUICK, InProcess, by_key, running_gateway
from tests.webhooks.taking import Taker, completed, endpoint, taker

KEY = "first-webhook-key-0123456789abcdef"
HOOKS = replace(
    QUICK, webhook_keys=(KEY,), webhooks_to_private_addresses=True, delivery_retry_seconds=(0.02,)
)


@pytest.fixture
async def receiver() -> AsyncGenerator[Taker]:
    async with taker() as running:
        yield running


@asynccontextmanager
async def hooked(
    folder: Path, database: Database | None, *, settings: Settings = HOOKS, **options: Any
) -> AsyncGenerator[InProcess]:
    """A gateway that sends webhooks."""
    async with running_gateway(folder, database=database, settings=settings, **options) as gateway:
        yield gateway


async def until_sent(gateway: InProcess) -> None:
    """Wait until nothing is left to send, be it dead or not."""

    async def nothing_is_left() -> bool:
        return not await gateway.storage.webhook_queue.backlog()

    await gateway.eventually(nothing_is_left)


async def ended_in_four_ways(gateway: InProcess) -> list[tuple[str, str]]:
    """Types of events, and the batches that they are about."""
    faults = {
        "completed": None,
        "failed": Fault(call="validate_batch", code="invalid_json_line", message="This is not parseable."),
        "expired": Fault(call="run_batch", ending="expired"),
        "cancelled": Fault(call="run_batch", stall=True),
    }
    ends: list[tuple[str, str]] = []
    file = await gateway.upload()
    for how, fault in faults.items():
        if fault is not None:
            gateway.simulator.add_fault(fault)
        batch = await gateway.create(file.id)
        if how == "cancelled":
            await gateway.reached(batch.id, "in_progress")
            await gateway.client().batches.cancel(batch.id)
        assert (await gateway.ended(batch.id)).status == how
        ends.append((f"batch.{how}", batch.id))
    return ends


async def test_the_ends_of_batches_are_told_as_openai_tells_them(
    tmp_path: Path, database: Database, receiver: Taker
) -> None:
    """Each once to each endpoint that wants it, signed for it, and nothing but an id in it."""
    async with hooked(tmp_path, database) as gateway:
        every = await endpoint(gateway, receiver.url("every"))
        await endpoint(gateway, receiver.url("some"), types=["batch.failed", "batch.expired"])
        ends = await ended_in_four_ways(gateway)
        await until_sent(gateway)
        stories = [await gateway.storage.outbox.events(batch_id, limit=99) for _, batch_id in ends]
    taken = receiver.of("every")
    events = [each.unwrapped(every.signing_secret) for each in taken]
    told = [(event.type, getattr(event.data, "id", None)) for event in events if event is not None]
    assert sorted(told) == sorted(ends)
    known = {event.id: event for story in stories for event in story}
    for each, event in zip(taken, events, strict=True):
        assert event is not None
        assert event.to_dict() == {
            "id": each.headers["webhook-id"],
            "object": "event",
            "created_at": int(known[event.id].created_at.timestamp()),
            "type": event.type,
            "data": {"id": known[event.id].subject},
        }
    assert len(receiver.of("some")) == 2


async def test_what_is_not_taken_is_sent_again(tmp_path: Path, database: Database, receiver: Taker) -> None:
    """With the id of the event, and the time of the attempt; a receiver may say when."""
    receiver.statuses["hook"] = [500, 302, 429]
    receiver.headers = {"retry-after": "1"}
    async with hooked(tmp_path, database) as gateway:
        made = await endpoint(gateway, receiver.url("hook"))
        await completed(gateway)
        await until_sent(gateway)
        found = await gateway.storage.webhook_endpoints.get(made.id)
        assert found is not None
        assert found.failures == 0
    taken = receiver.of("hook")
    assert len(taken) == 4
    assert len({each.headers["webhook-id"] for each in taken}) == 1
    times = [int(each.headers["webhook-timestamp"]) for each in taken]
    assert times[3] >= times[0] + 2  # after three pauses of a second
    assert all(each.unwrapped(made.signing_secret) is not None for each in taken)


async def test_410_means_no_more(tmp_path: Path, database: Database, receiver: Taker) -> None:
    """Until the owner names the URL again: then what was left is sent, what happened meanwhile is not."""
    receiver.statuses["hook"] = [410]
    async with hooked(tmp_path, database) as gateway:
        made = await endpoint(gateway, receiver.url("hook"))
        hooks = gateway.client().webhooks
        await completed(gateway)

        async def is_disabled() -> bool:
            return bool(details(await hooks.retrieve(made.id))["status"] == "disabled")

        await gateway.eventually(is_disabled)
        assert details(await hooks.retrieve(made.id))["reason"] == "it answered 410, which means no more"
        await completed(gateway)
        await hooks.update(made.id, url=receiver.url("hook"))
        await until_sent(gateway)
    first, second = receiver.of("hook")
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def details(made: Any) -> dict[str, Any]:
    """What LiteBatch tells of an endpoint beside OpenAI's fields."""
    found: dict[str, Any] = made.to_dict()["litebatch"]
    return found


async def test_after_a_rotation_both_secrets_sign(
    tmp_path: Path, database: Database, receiver: Taker
) -> None:
    """Where that was asked for; otherwise the new one alone does."""
    async with hooked(tmp_path, database) as gateway:
        hooks = gateway.client().webhooks
        made = await endpoint(gateway, receiver.url("hook"))
        kept = await hooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
        await completed(gateway)
        await until_sent(gateway)
        last = await hooks.rotate_secret(made.id)
        await completed(gateway)
        await until_sent(gateway)
    secrets = [each.signing_secret for each in (made, kept, last)]
    genuine = [[each.unwrapped(secret) is not None for secret in secrets] for each in receiver.of("hook")]
    assert genuine == [[True, True, False], [False, False, True]]


async def test_what_is_dead_is_replayed(tmp_path: Path, database: Database, receiver: Taker) -> None:
    receiver.statuses["hook"] = [503] * 2
    settings = replace(HOOKS, delivery_give_up_seconds=0.001)
    async with hooked(tmp_path, database, settings=settings) as gateway:
        made = await endpoint(gateway, receiver.url("hook"))
        await completed(gateway)
        outbox = gateway.storage.outbox

        async def is_dead() -> bool:
            return bool(await outbox.dead(sink=made.id, limit=1))

        for _ in range(2):
            await gateway.eventually(is_dead)
            [dead] = await outbox.dead(limit=9)
            assert dead.delivery.error == "it answered 503"
            assert await outbox.replay(sink=made.id, limit=9) == 1
        await until_sent(gateway)
    assert len(receiver.of("hook")) == 3


async def test_nobody_else_is_told(tmp_path: Path, database: Database, receiver: Taker) -> None:
    """Neither another owner, nor an admin, who is an owner like any other here."""
    async with hooked(tmp_path, database) as gateway:
        for owner in ("bob", "admin", "alice"):
            await endpoint(gateway, receiver.url(owner), key=owner)
        await completed(gateway, key="alice")
        await until_sent(gateway)
        await completed(gateway, key="admin")
        await until_sent(gateway)
    assert [each.name for each in receiver.taken] == ["alice", "admin"]


async def test_a_deleted_endpoint_gets_nothing_more(
    tmp_path: Path, database: Database, receiver: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves nothing behind."""
    monkeypatch.setattr(deliveries, "TEND_SECONDS", 0.05)
    receiver.statuses["hook"] = [503] * 1000
    settings = replace(HOOKS, delivery_retry_seconds=(0.5,))
    async with hooked(tmp_path, database, settings=settings) as gateway:
        made = await endpoint(gateway, receiver.url("hook"))
        await completed(gateway)
        await receiver.until(lambda: bool(receiver.taken))
        await gateway.client().webhooks.delete(made.id)

        async def nothing_is_left() -> bool:
            return await gateway.database.rows("SELECT count(*) FROM event_deliveries") == [(0,)]

        await gateway.eventually(nothing_is_left)
        before = len(receiver.taken)
        other = await endpoint(gateway, receiver.url("other"))
        await completed(gateway)
        await receiver.until(lambda: bool(receiver.of("other")))
        assert len(receiver.of("hook")) == before
        assert receiver.of("other")[0].unwrapped(other.signing_secret) is not None


async def test_one_webhook_is_under_way_to_an_endpoint(
    tmp_path: Path, database: Database, receiver: Taker
) -> None:
    """However many processes there are, and each is sent once."""
    receiver.slowly = 0.02
    async with hooked(tmp_path, database) as gateway, AsyncExitStack() as others:
        for _ in range(2):
            await others.enter_async_context(replica_of(gateway).lifespan())
        for name in ("one", "two"):
            await endpoint(gateway, receiver.url(name))
        file = await gateway.upload()
        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(created, gateway, file.id)
        await until_sent(gateway)
    assert receiver.most_under_way == {"one": 1, "two": 1}
    ids = Counter((each.name, each.headers["webhook-id"]) for each in receiver.taken)
    assert len(ids) == 12
    assert set(ids.values()) == {1}


async def created(gateway: InProcess, file_id: str) -> None:
    """Let a batch end."""
    batch = await gateway.create(file_id)
    await gateway.ended(batch.id)


def replica_of(gateway: InProcess, **settings: Any) -> LiteBatch:
    """Another process, as it were, on the same database."""
    return LiteBatch(
        deployments=list(gateway.litebatch.catalog.deployments.values()),
        storage=gateway.database.url,
        authenticator=by_key,
        settings=replace(gateway.litebatch.settings, **settings),
    )


async def test_receivers_that_hang_delay_no_other(
    tmp_path: Path, database: Database, receiver: Taker
) -> None:
    """No other endpoint, no other owner however many of one hang, no sink."""
    receiver.hangs = {f"hangs{number}" for number in range(6)}
    recorder = Recorder()
    settings = replace(HOOKS, lease_seconds=60)
    async with hooked(tmp_path, database, settings=settings, sinks=[recorder]) as gateway:
        for name in sorted(receiver.hangs):
            await endpoint(gateway, receiver.url(name), key="mallory")
        await endpoint(gateway, receiver.url("good"))
        await completed(gateway, key="mallory")
        await receiver.until(lambda: hanging_at(receiver) == 4)
        batch_id = await completed(gateway)
        await receiver.until(lambda: bool(receiver.of("good")))
        await recorder.until(lambda: "batch.completed" in recorder.types(batch_id))
        assert hanging_at(receiver) == 4


def hanging_at(receiver: Taker) -> int:
    """Attempts that are under way at endpoints that hang."""
    return sum(receiver.under_way[name] for name in receiver.hangs)


async def test_without_its_key_an_endpoint_waits(tmp_path: Path, database: Database, receiver: Taker) -> None:
    """Also where no key is left, and says so; then what has happened is sent."""
    async with hooked(tmp_path, database) as gateway:
        made = await endpoint(gateway, receiver.url("hook"))
    for keys in ((), ("other-webhook-key-0123456789abcdef",)):
        async with hooked(tmp_path, database, settings=replace(HOOKS, webhook_keys=keys)) as gateway:
            await completed(gateway)
            assert details(await gateway.client().webhooks.retrieve(made.id))["status"] == "paused"
            async with replica_of(gateway, webhook_keys=()).lifespan():
                await completed(gateway)
    assert receiver.taken == []
    async with hooked(tmp_path, database) as gateway:
        await until_sent(gateway)
    assert len(receiver.taken) == 4
    assert all(each.unwrapped(made.signing_secret) is not None for each in receiver.taken)


async def test_what_waits_for_a_key_for_too_long_is_dead(
    tmp_path: Path, database: Database, receiver: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "TEND_SECONDS", 0.05)
    monkeypatch.setattr(deliveries, "START_SECONDS", 0.1)
    async with hooked(tmp_path, database) as gateway:
        made = await endpoint(gateway, receiver.url("hook"))
    settings = replace(HOOKS, webhook_keys=(), delivery_give_up_seconds=0.2)
    async with hooked(tmp_path, database, settings=settings) as gateway:
        await completed(gateway)

        async def is_dead() -> bool:
            return bool(await gateway.storage.outbox.dead(sink=made.id, limit=1))

        await gateway.eventually(is_dead)


async def test_who_has_just_begun_gives_no_webhook_up(
    tmp_path: Path, database: Database, receiver: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However old it is: perhaps nobody was there, and who has its key begins a moment later."""
    monkeypatch.setattr(deliveries, "TEND_SECONDS", 0.02)
    async with hooked(tmp_path, database) as gateway:
        await endpoint(gateway, receiver.url("hook"))
    impatient, recorder = replace(HOOKS, delivery_give_up_seconds=0.01), Recorder()
    async with hooked(
        tmp_path, database, settings=replace(impatient, webhook_keys=()), sinks=[recorder]
    ) as gateway:
        await completed(gateway)
        seen: set[object] = set()

        async def has_tended_again() -> bool:
            [(at,)] = await database.rows("SELECT last_seen_at FROM sinks")
            seen.add(at)
            return len(seen) > 3

        await gateway.eventually(has_tended_again)
        [left] = await gateway.storage.webhook_queue.backlog()
        assert (left.pending, left.dead) == (1, 0)
    async with hooked(tmp_path, database, settings=impatient) as gateway:
        await receiver.until(lambda: bool(receiver.taken))


async def test_an_endpoint_that_takes_nothing_is_probed(
    tmp_path: Path, database: Database, receiver: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks: it is kept in the database. Its owner may have it tried at once."""
    monkeypatch.setattr(retries, "FIRST_PAUSE", 1000.0)
    receiver.statuses["hook"] = [503] * FAILURES
    async with hooked(tmp_path, database) as gateway:
        made = await endpoint(gateway, receiver.url("hook"))
        await completed(gateway)
        endpoints = gateway.storage.webhook_endpoints

        async def has_failed() -> bool:
            found = await endpoints.get(made.id)
            return found is not None and found.failures == FAILURES

        await gateway.eventually(has_failed)
        found = await endpoints.get(made.id)
        assert found is not None
        assert found.next_attempt_at is not None
        assert found.next_attempt_at > await gateway.storage.now() + timedelta(seconds=300)
        async with replica_of(gateway).lifespan():
            await completed(gateway)
            assert len(receiver.taken) == FAILURES
        await gateway.client().webhooks.update(made.id, url=receiver.url("hook"))
        await until_sent(gateway)
    assert len(receiver.taken) == FAILURES + 2


async def test_it_works_in_memory(tmp_path: Path, receiver: Taker) -> None:
    storage = MemoryStorage()
    receiver.statuses["hook"] = [500]
    async with hooked(tmp_path, None, storage=storage) as gateway:
        made = await endpoint(gateway, receiver.url("hook"))
        await completed(gateway)
        await until_sent(gateway)
    assert [each.unwrapped(made.signing_secret) is not None for each in receiver.taken] == [True, True]
