"""Corrections of what was charged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import BatchStatus, ChargedUsage, JobState, SpendField
from litebatch_asgi.storage import BatchQuery, Storage
from litebatch_asgi.testing.conformance.base import StorageTests, state_of, stored_batch, writing
from litebatch_asgi.testing.conformance.ledger import (
    ALL,
    NANO,
    NOON,
    SCOPES,
    a_correction,
    a_cost,
    all_sums,
    charge,
    charged,
    spend,
)
from litebatch_asgi.testing.samples import a_job


class CorrectionTests(StorageTests):
    """Corrections of what was charged."""

    async def test_a_correction_changes_all_sums(self, storage: Storage) -> None:
        """On the day that it is written on, for the scopes that it names, and in the batch's cost."""
        batch, [first, second] = await charged(storage, None, 2, of={"scopes": ("team:a",)})
        tomorrow = NOON + timedelta(days=1)
        corrections = [
            a_correction(first, Decimal("0.5"), created_at=tomorrow),
            a_correction(second, Decimal("-1.25"), created_at=tomorrow),
        ]
        assert await storage.ledger.correct(corrections) == 2
        today, later = await spend(storage, SpendField.DAY)
        assert (today.cost, later.cost) == (Decimal(2), Decimal("-0.75"))
        assert (today.requests, today.unpriced_requests, today.batches) == (2, 1, 2)
        assert (later.requests, later.unpriced_requests, later.batches) == (0, -1, 0)
        day = tomorrow.date()
        assert await storage.ledger.spent({"team:a": None}) == {"team:a": Decimal("1.25")}
        assert await storage.ledger.spent({"team:a": day}) == {"team:a": Decimal("-0.75")}
        corrected = replace(batch, cost=Decimal("1.25"), unpriced_requests=0)
        assert (await state_of(storage, batch)).batch == corrected

    async def test_sums_are_seen_no_later_than_the_cost_of_a_batch(self, storages: Sequence[Storage]) -> None:
        """At every moment, by whoever looks."""
        writer, reader = storages[0], storages[-1]
        batches = [await stored_batch(writer, scopes=("team:a",)) for _ in range(20)]
        query = BatchQuery(owner=batches[0].owner, limit=100)
        is_over = False

        async def settle() -> None:
            nonlocal is_over
            for batch in batches:
                await charge(writer, a_cost(a_job(batch), batch, 1))
            is_over = True

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(settle)
            while not is_over:
                told = sum(batch.cost or 0 for batch in await reader.list_batches(query))
                assert (await reader.ledger.spent({"team:a": None}))["team:a"] >= told
                await anyio.lowlevel.checkpoint()

    async def test_a_batch_has_no_cost_until_all_of_it_has_been_priced(self, storage: Storage) -> None:
        """By corrections, one after the other."""
        batch, [first, second] = await charged(storage, None, None)
        await storage.ledger.correct([a_correction(first, 1)])
        assert (await state_of(storage, batch)).batch.cost is None
        await storage.ledger.correct([a_correction(second, 0)])
        assert (await state_of(storage, batch)).batch.cost == 1

    async def test_a_charge_is_corrected_once(self, storage: Storage) -> None:
        """A second correction is passed over, with those beside it written."""
        batch, [first, second] = await charged(storage, 1, 2)
        correction = a_correction(first, 5)
        assert await storage.ledger.correct([correction]) == 1
        others = [a_correction(first, 7), correction, a_correction(second, 20)]
        assert await storage.ledger.correct(others) == 1
        assert await storage.ledger.correct(others) == 0
        [only] = await spend(storage)
        assert only.cost == 28
        assert only.batches == 2
        assert (await state_of(storage, batch)).batch.cost == 28

    async def test_of_two_corrections_in_one_call_one_is_written(self, storage: Storage) -> None:
        """Whichever it is."""
        batch, [first] = await charged(storage, 1)
        assert await storage.ledger.correct([a_correction(first, 5), a_correction(first, 5)]) == 1
        assert (await state_of(storage, batch)).batch.cost == 6

    async def test_what_was_not_charged_is_not_corrected(self, storage: Storage) -> None:
        """And nothing beside it is."""
        _, [first, second] = await charged(storage, 1, 2)
        before = await all_sums(storage)
        known, unknown = a_correction(first, 5), a_correction(second, 5, corrects="chg_lb-unknown")
        for wrong in (unknown, a_correction(second, 5, corrects=None), a_correction(known, 1)):
            with pytest.raises(StateConflict):
                await storage.ledger.correct([known, wrong])
        assert await all_sums(storage) == before

    async def test_what_outlives_its_batch_is_corrected(self, storage: Storage) -> None:
        """The sums know it, and its pages say that the batch is gone."""
        ended = {"status": BatchStatus.COMPLETED, "completed_at": NOON, "created_at": NOON}
        batch, [first] = await charged(storage, 1, of=ended)
        state = await state_of(storage, batch)
        jobs = tuple(replace(job, state=JobState.SETTLED, next_check_at=None) for job in state.jobs)
        await storage.change_batch(batch.id, writing(jobs=jobs))
        pruned = await storage.pruning.ended_batches(datetime.now(UTC), after=None, limit=9)
        assert pruned.removed == 1
        assert await storage.get_batch(batch.id) is None
        assert await storage.ledger.correct([a_correction(first, 2)]) == 1
        [only] = await spend(storage)
        assert only.cost == 3
        [found] = await storage.ledger.charged(NOON, limit=5)
        assert (found.virtual_model, found.endpoint) == (None, None)
        assert found.cost == 3

    async def test_two_who_correct_the_same_write_each_correction_once(
        self, storages: Sequence[Storage]
    ) -> None:
        """In whatever order they go, while batches with the same scopes and sums are settled."""
        storage = storages[0]
        made = [await charged(storage, 1, 2, of={"scopes": SCOPES}) for _ in range(6)]
        new = [await stored_batch(storage, scopes=SCOPES) for _ in range(6)]
        jobs = [(await state_of(storage, batch)).jobs[0] for batch in new]
        charges = [each for _, of_batch in made for each in of_batch]
        written = 0

        async def correct(number: int) -> None:
            nonlocal written
            turned = charges[number:] + charges[:number]
            for start in range(0, len(turned), 4):
                corrections = [a_correction(each, NANO) for each in turned[start : start + 4]]
                count = await storages[number % len(storages)].ledger.correct(corrections)
                written += count

        async def settle(number: int) -> None:
            turned = SCOPES[number % 3 :] + SCOPES[: number % 3]
            cost = a_cost(jobs[number], new[number], 10, scopes=turned)
            await charge(storages[number % len(storages)], cost)

        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(correct, number)
            for number in range(len(new)):
                tasks.start_soon(settle, number)
        assert written == len(charges)
        total = 6 * (1 + 2) + len(charges) * NANO + 6 * 10
        assert [each.cost for each in await spend(storage)] == [total]
        assert await storage.ledger.spent(dict.fromkeys(SCOPES)) == dict.fromkeys(SCOPES, total)
        costs = {(await state_of(storage, batch)).batch.cost for batch, _ in made}
        assert costs == {3 + 2 * NANO}

    async def test_what_jobs_were_first_charged_for_comes_in_pages(self, storage: Storage) -> None:
        """In order of the ids, since a moment, with all corrections and what is known of the batch."""
        batch, charges = await charged(storage, 1, None, 3, 4)
        before, _ = await charged(storage, 9, created_at=NOON - timedelta(microseconds=1))
        second = a_correction(charges[0], 2)
        third = a_correction(second, Decimal("-0.5"))
        priced = a_correction(charges[1], 8)
        for corrections in ([second], [third, priced]):
            assert await storage.ledger.correct(corrections) == len(corrections)
        firsts = sorted(charges, key=lambda each: (each.created_at, each.id))
        pages = [await storage.ledger.charged(NOON, limit=3)]
        assert [each.charge for each in pages[0]] == firsts[:3]
        pages.append(await storage.ledger.charged(NOON, after=firsts[2], limit=3))
        found = {each.charge.id: each for page in pages for each in page}
        assert [each.charge for each in pages[1]] == firsts[3:]
        assert found[charges[0].id].last == third
        assert found[charges[0].id].cost == Decimal("2.5")
        assert found[charges[1].id].last == priced
        assert found[charges[1].id].cost == 8
        assert found[charges[1].id].unpriced_requests == 0
        assert found[charges[2].id].last == charges[2]
        assert {each.virtual_model for each in found.values()} == {batch.model}
        assert {each.endpoint for each in found.values()} == {batch.endpoint}
        earlier = await storage.ledger.charged(NOON - timedelta(days=1), limit=ALL)
        assert {each.charge.batch_id for each in earlier} == {batch.id, before.id}

    async def test_what_is_unpriced_stays_unknown_in_pages(self, storage: Storage) -> None:
        """Until a correction knows better; the requests that are unpriced are the sum."""
        _, [first] = await charged(storage, None)
        [found] = await storage.ledger.charged(NOON, limit=5)
        assert (found.cost, found.unpriced_requests, found.last) == (None, 1, first)
        again = a_correction(first, None, usage=ChargedUsage())
        await storage.ledger.correct([again])
        [found] = await storage.ledger.charged(NOON, limit=5)
        assert (found.cost, found.unpriced_requests, found.last) == (None, 1, again)

    async def test_pages_are_of_a_model(self, storage: Storage) -> None:
        """Of one that answered, or of a batch's."""
        batch = await stored_batch(storage)
        job = (await state_of(storage, batch)).jobs[0]
        answered = [a_cost(job, batch, 1, model=model) for model in ("small", "large")]
        await charge(storage, *answered)
        await charged(storage, 1, of={"model": "other"}, model="another")
        small = await storage.ledger.charged(NOON, model="small", limit=5)
        assert [each.charge for each in small] == answered[:1]
        of_batch = await storage.ledger.charged(NOON, model=batch.model, limit=5)
        assert {each.charge.model for each in of_batch} == {"small", "large"}
        assert await storage.ledger.charged(NOON, model="Small", limit=5) == []
