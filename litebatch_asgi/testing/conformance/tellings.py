"""What is told to operators once: of budgets that are passed, and of what has no row of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.models import Batch, BatchChange, BatchState, BatchStatus, Event, Limits, RegisteredSink
from litebatch_asgi.models.ids import EVENT_PREFIX, new_id
from litebatch_asgi.models.tellings import Telling
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import NewStorage, StorageTests, stored_file
from litebatch_asgi.testing.conformance.budgets import TODAY, reserve, settle
from litebatch_asgi.testing.samples import a_charge, a_job

DAY = timedelta(days=1)
LOG = RegisteredSink(name="log", is_ordered=True)
SCOPE = "team:a"


def a_telling(
    name: str = "x", *, at: datetime = TODAY, subject: str = "deployment:east", **fields: Any
) -> Telling:
    """That something has happened to a deployment."""
    event = Event(id=new_id(EVENT_PREFIX), subject=subject, type=name, payload={"a": "b"}, created_at=at)
    return Telling(event=event, name=name, **fields)


def budgets(soft: int | None = None, most: int | None = None, duration: str | None = "30d") -> Limits:
    """Limits of the scope with these budgets."""
    dollars = {"soft_budget": soft, "max_budget": most}
    given: dict[str, Any] = {name: Decimal(each) for name, each in dollars.items() if each is not None}
    return Limits(scope=SCOPE, budget_duration=duration, **given)


async def spends(storage: Storage, *every: Limits, cost: str, at: datetime = TODAY) -> Batch:
    """A batch made under these limits that is charged so many dollars and ends."""
    batch = await reserve(storage, *every, cost="0", at=at)
    await settle(storage, batch, cost, at=at)
    return batch


async def told(storage: Storage, subject: str = SCOPE) -> list[tuple[str, str]]:
    """Types, and what of budgets was spent then, in order."""
    events = await storage.outbox.events(subject, limit=99)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert {(event.owner, event.batch_id) for event in events} <= {(None, None)}
    return [(event.type, event.payload.get("spent", "")) for event in events]


class TellingTests(StorageTests):
    """What is told once."""

    async def test_what_was_told_is_not_told_again(self, storage: Storage) -> None:
        """Of the same subject under the same name; it is delivered like all that happens."""
        await storage.outbox.register([LOG])
        first = a_telling()
        assert await storage.outbox.tell(first)
        assert not await storage.outbox.tell(a_telling(at=TODAY + 999 * DAY))
        assert await storage.outbox.tell(a_telling("y"))
        assert await storage.outbox.tell(a_telling(subject="deployment:west"))
        assert await told(storage, "deployment:east") == [("x", ""), ("y", "")]
        items = await storage.outbox.claim("worker", LOG, limit=9, lease_seconds=60)
        assert [item.event.id for item in items if item.event.subject == "deployment:east"] == [
            first.event.id
        ]

    async def test_what_is_over_is_told_again(self, storage: Storage) -> None:
        """From its end on."""
        assert await storage.outbox.tell(a_telling(until=TODAY + DAY))
        assert not await storage.outbox.tell(a_telling(at=TODAY + DAY / 2, until=TODAY + 9 * DAY))
        assert await storage.outbox.tell(a_telling(at=TODAY + DAY, until=TODAY + 2 * DAY))
        assert not await storage.outbox.tell(a_telling(at=TODAY + DAY))

    async def test_what_has_another_mark_is_told_again(self, storage: Storage) -> None:
        """One without a mark is as any other."""
        assert await storage.outbox.tell(a_telling(mark="monday"))
        assert not await storage.outbox.tell(a_telling(mark="monday"))
        assert await storage.outbox.tell(a_telling(mark="tuesday"))
        assert not await storage.outbox.tell(a_telling())

    async def test_of_several_who_tell_at_once_one_is_heard(self, storages: Sequence[Storage]) -> None:
        """And each number of the subject is drawn once."""
        written: list[str] = []

        async def tell(storage: Storage, name: str) -> None:
            if await storage.outbox.tell(a_telling(name)):
                written.append(name)

        async with anyio.create_task_group() as tasks:
            for name in "abcd":
                for storage in storages:
                    tasks.start_soon(tell, storage, name)
        assert sorted(written) == list("abcd")
        assert sorted(await told(storages[0], "deployment:east")) == [(name, "") for name in "abcd"]

    async def test_a_soft_budget_that_is_passed_is_told_once(self, storage: Storage) -> None:
        """In the transaction of the charge that passes it, and not for what is equal to it."""
        await storage.outbox.register([LOG])
        for cost in ("4", "1", "0.5", "3"):
            await spends(storage, budgets(soft=5), cost=cost)
        [event] = await storage.outbox.events(SCOPE, limit=9)
        message = event.payload.pop("message")
        assert SCOPE in message
        assert event.payload == {
            "scope": SCOPE,
            "whose": SCOPE,
            "limit": "5",
            "spent": "5.5",
            "reason": "spent",
            "budget_duration": "30d",
            "period_start": "2026-11-01",
            "reset_at": "2026-12-01T00:00:00+00:00",
        }
        assert (event.type, event.created_at) == ("budget.soft", TODAY)
        assert len(await storage.outbox.claim("worker", LOG, limit=9, lease_seconds=60)) == 1

    async def test_a_budget_that_is_reached_is_told_once(self, storage: Storage) -> None:
        """Also by exactly as much; each period anew."""
        for cost in ("4", "6", "1"):
            await spends(storage, budgets(soft=3, most=10), cost=cost)
        later = TODAY + 31 * DAY
        assert await told(storage) == [("budget.soft", "4"), ("budget.reached", "10")]
        await spends(storage, budgets(soft=3, most=10), cost="2", at=later)
        await spends(storage, budgets(soft=3, most=10), cost="9", at=later)
        assert (await told(storage))[2:] == [("budget.soft", "11"), ("budget.reached", "11")]

    async def test_a_budget_for_ever_is_told_once_for_ever(self, storage: Storage) -> None:
        """And one of another duration for itself."""
        both = (budgets(soft=3, duration=None), budgets(soft=5, duration="1d"))
        for days in range(3):
            await spends(storage, *both, cost="6", at=TODAY + days * DAY)
        assert await told(storage) == [
            *(("budget.soft", "6"), ("budget.soft", "6")),
            *(("budget.soft", "6"), ("budget.soft", "6")),
        ]
        durations = [
            event.payload["budget_duration"] for event in await storage.outbox.events(SCOPE, limit=9)
        ]
        assert sorted(map(str, durations)) == ["1d", "1d", "1d", "None"]

    async def test_what_charges_of_many_batches_come_to_counts(self, storage: Storage) -> None:
        """Where they are written together, whatever their batches."""
        file = await stored_file(storage)
        batches = [await reserve(storage, budgets(soft=5), cost="0", file=file) for _ in range(3)]

        def decide(state: BatchState) -> BatchChange:
            charge = a_charge(
                state.jobs[0], state.batch, cost=Decimal(2), scopes=state.batch.scopes, created_at=TODAY
            )
            return BatchChange(batch=state.batch, charges=(charge,))

        await storage.change_batches([batch.id for batch in batches], decide)
        assert await told(storage) == [("budget.soft", "6")]

    async def test_budgets_are_those_of_the_batch_that_was_made_last(self, storage: Storage) -> None:
        """Which is told at once where they are passed already; without one nothing is told."""
        file = await stored_file(storage)
        late = await reserve(storage, budgets(soft=1), cost="0", file=file)
        await spends(storage, budgets(soft=100), cost="6")
        await settle(storage, late, "2")
        assert await told(storage) == []
        await reserve(storage, Limits(scope=SCOPE), cost="0", file=file)
        await spends(storage, Limits(scope=SCOPE), cost="200")
        assert await told(storage) == []
        await reserve(storage, budgets(soft=208), cost="0", file=file)
        assert await told(storage) == []
        await reserve(storage, budgets(soft=207), cost="0", file=file)
        assert await told(storage) == [("budget.soft", "208")]

    async def test_a_correction_passes_a_budget_too(self, storage: Storage) -> None:
        """On its own day."""
        batch = await reserve(storage, budgets(soft=5), cost="0")
        charge = a_charge(a_job(batch), batch, cost=Decimal(5), scopes=(SCOPE,), created_at=TODAY)
        await storage.change_batch(batch.id, lambda state: BatchChange(batch=state.batch, charges=(charge,)))
        assert await told(storage) == []
        correction = a_charge(
            a_job(batch), batch, corrects=charge.id, cost=Decimal(1), scopes=(SCOPE,), created_at=TODAY + DAY
        )
        assert await storage.ledger.correct([correction]) == 1
        assert await told(storage) == [("budget.soft", "6")]

    async def test_of_budgets_that_many_pass_at_once_one_tells(self, storages: Sequence[Storage]) -> None:
        """Also on different days of a period."""
        file = await stored_file(storages[0])
        limits = budgets(soft=4, most=7)
        batches = [await reserve(storages[0], limits, cost="0", file=file) for _ in range(8)]
        async with anyio.create_task_group() as tasks:
            for number, batch in enumerate(batches):
                storage = storages[number % len(storages)]
                at = TODAY + (number % 3) * DAY
                tasks.start_soon(partial(settle, storage, batch, "1", at=at))
        assert await told(storages[0]) == [("budget.soft", "5"), ("budget.reached", "7")]

    async def test_what_operators_were_told_is_removed_when_it_is_old(self, storage: Storage) -> None:
        """In steps; whatever still counts, or is still to be delivered, stays."""
        await spends(storage, budgets(soft=5), cost="6")
        await spends(storage, budgets(soft=5, duration=None), cost="0")
        for name in "abc":
            await storage.outbox.tell(a_telling(name, until=TODAY + DAY))
        later = TODAY + 90 * DAY
        await storage.outbox.register([LOG])
        await storage.outbox.tell(a_telling("d", at=later))
        prune = partial(storage.pruning.operator_events, later, limit=3)
        assert [await prune() for _ in range(3)] == [3, 2, 0]
        assert await storage.pruning.operator_events(TODAY, limit=9) == 0
        await storage.pruning.operator_events(later + DAY, limit=9)
        assert [event.type for event in await storage.outbox.events("deployment:east", limit=9)] == ["d"]
        [item] = await storage.outbox.claim("worker", LOG, limit=9, lease_seconds=60)
        assert item.event.type == "d"
        assert await storage.outbox.tell(a_telling("a", at=later))
        batch = await reserve(storage, Limits(scope="team:b"), cost="0", at=later)
        await settle(storage, batch, "1", at=later)

    async def test_budgets_that_are_not_asked_for_any_more_are_removed(self, storage: Storage) -> None:
        """Unless an open batch may still be charged."""
        file = await stored_file(storage)
        batch = await reserve(storage, budgets(soft=5), cost="0", file=file)
        assert await storage.pruning.operator_events(TODAY + 90 * DAY, limit=9) == 0
        await settle(storage, batch, "6", ends=False)
        assert await told(storage) == [("budget.soft", "6")]
        await storage.change_batch(
            batch.id,
            lambda state: BatchChange(batch=_ended(state.batch)),
        )
        assert await storage.pruning.operator_events(TODAY + 90 * DAY, limit=9) == 1
        assert await storage.pruning.operator_events(TODAY + 90 * DAY, limit=9) == 0

    async def test_telling_wants_an_open_storage(self, new_storage: NewStorage) -> None:
        """Raises `StorageUnavailable` otherwise."""
        storage = new_storage()
        with pytest.raises(StorageUnavailable):
            await storage.outbox.tell(a_telling())
        with pytest.raises(StorageUnavailable):
            await storage.pruning.operator_events(TODAY, limit=1)


def _ended(batch: Batch) -> Batch:
    return replace(batch, status=BatchStatus.COMPLETED)
