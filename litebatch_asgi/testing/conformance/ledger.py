"""What was charged, summed up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import combinations, product
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import (
    Batch,
    BatchChange,
    BatchStatus,
    Charge,
    ChargedUsage,
    FileState,
    Held,
    Job,
    JobState,
    Reservation,
    Spend,
    SpendField,
    SpendQuery,
)
from litebatch_asgi.models.ids import CHARGE_PREFIX, new_id
from litebatch_asgi.models.sums import regrouped
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import StorageTests, state_of, stored_batch, stored_file, writing
from litebatch_asgi.testing.samples import a_batch, a_charge, a_file, a_job

ALL = 10_000
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = NOON.date()
NANO = Decimal("0.000000001")
MILLIONS = Decimal(9_000_000)
EACH_FIELD = tuple(SpendField)
SCOPES = ("key:1", "team:a", "user:é")


def used(requests: int = 1, *, unpriced: int = 0, tokens: int = 10) -> ChargedUsage:
    """Requests of ten tokens in, of which two were cached, and five out, unless told otherwise."""
    return ChargedUsage(
        input_tokens=tokens * requests,
        cached_tokens=tokens // 5 * requests,
        output_tokens=tokens // 2 * requests,
        total_tokens=(tokens + tokens // 2) * requests,
        requests=requests,
        unpriced_requests=unpriced,
    )


def a_cost(job: Job, batch: Batch, cost: Decimal | int | None, **fields: Any) -> Charge:
    """What a job of a batch cost at noon, one request of it."""
    given: dict[str, Any] = {
        "usage": used(unpriced=int(cost is None)),
        "cost": None if cost is None else Decimal(cost),
        "created_at": NOON,
        "scopes": batch.scopes,
    }
    return a_charge(job, batch, **(given | fields))


def a_correction(of: Charge, difference: Decimal | int | None, **fields: Any) -> Charge:
    """What a charge was off by."""
    given: dict[str, Any] = {
        "id": new_id(CHARGE_PREFIX),
        "corrects": of.id,
        "cost": None if difference is None else Decimal(difference),
        "usage": ChargedUsage(unpriced_requests=-of.usage.unpriced_requests),
    }
    return replace(of, **(given | fields))


async def charge(storage: Storage, *charges: Charge, **fields: Any) -> Batch:
    """Write charges of one batch."""
    state = await storage.change_batch(charges[0].batch_id, writing(charges=charges, **fields))
    return state.batch


async def charged(
    storage: Storage, *costs: Decimal | int | None, of: dict[str, Any] | None = None, **fields: Any
) -> tuple[Batch, tuple[Charge, ...]]:
    """A batch, and what a job of it each cost."""
    batch = a_batch(a_file(), **(of or {}))
    jobs = [a_job(batch, shard=shard) for shard in range(len(costs))]
    await stored_batch(storage, *jobs, batch=batch)
    charges = tuple(a_cost(job, batch, cost, **fields) for job, cost in zip(jobs, costs, strict=True))
    return await charge(storage, *charges), charges


async def spend(storage: Storage, *group_by: SpendField, **filters: Any) -> list[Spend]:
    """What the ledger says."""
    asked: dict[str, Any] = {"limit": ALL, **filters}
    return await storage.ledger.spend(SpendQuery(group_by=group_by, **asked))


async def all_sums(storage: Storage, *scopes: str) -> tuple[list[Spend], dict[str, Decimal]]:
    """Every sum that there is."""
    return await spend(storage, *EACH_FIELD), await storage.ledger.spent(dict.fromkeys(scopes))


def costs_by(charges: Iterable[Charge], names: Collection[str]) -> dict[tuple[Any, ...], Decimal]:
    """What charges come to, added up as fractions: apart from how the code does it."""
    sums: dict[tuple[Any, ...], Decimal] = {}
    for each in charges:
        values = {
            "day": each.created_at.date(),
            "owner": each.owner,
            "key": each.created_by or "",
            "team": each.owner[5:] if each.owner.startswith("team:") else "",
            "model": each.model,
            "deployment": each.deployment_id,
        }
        place = tuple(values[name] for name in names)
        sums[place] = sums.get(place, Decimal(0)) + (each.cost or 0)
    return sums


def various_charges(batch: Batch, jobs: Sequence[Job]) -> list[Charge]:
    """A charge of each job, of some days, owners, keys, models and deployments, and corrections of some."""
    charges: list[Charge] = []
    for number, job in enumerate(jobs):
        first = a_cost(
            job,
            batch,
            (None, NANO, MILLIONS, MILLIONS - NANO, 7 * NANO)[number % 5],
            owner=("team:a", "team:b", "user:c", "TEAM:a")[number % 4],
            created_by=("key", None, "kéy")[number % 3],
            model=("small", "Small", "ßig", "\U0001f600")[number * 3 // 2 % 4],
            deployment_id=("east", "west")[number // 3 % 2],
            created_at=NOON + timedelta(hours=9 * (number % 7)),
            scopes=SCOPES[number % 3 : number % 5],
        )
        charges.append(first)
        if number % 3 == 0:
            later = first.created_at + timedelta(days=number % 2)
            charges.append(a_correction(first, -3 * NANO, created_at=later))
    return charges


def _as_it_is(change: BatchChange, _: FileState) -> BatchChange:
    return change


class LedgerTests(StorageTests):
    """What was charged, summed up."""

    async def test_where_nothing_was_charged_there_is_no_sum(self, storage: Storage) -> None:
        """Scopes have spent and hold nothing."""
        assert await spend(storage, SpendField.DAY) == []
        assert await spend(storage) == []
        assert await storage.ledger.spent({"team:a": None}) == {"team:a": Decimal(0)}
        assert await storage.ledger.spent({}) == {}
        assert await storage.ledger.held(["team:a"]) == {"team:a": Held()}
        assert await storage.ledger.charged(NOON, limit=5) == []
        assert await storage.ledger.correct([]) == 0

    async def test_a_charge_is_counted_with_all_that_it_says(self, storage: Storage) -> None:
        """Of charges alike there is one sum."""
        await charged(storage, 1, Decimal("0.25"), usage=used(3))
        one = Spend(
            day=DAY,
            owner="team:search",
            key="key-1",
            team="search",
            model="gpt-4o-batch",
            deployment="east",
            cost=Decimal("1.25"),
            input_tokens=60,
            cached_tokens=12,
            output_tokens=30,
            requests=6,
            unpriced_requests=0,
            batches=2,
        )
        assert await spend(storage, *EACH_FIELD) == [one]
        nobody = dict.fromkeys(EACH_FIELD)
        assert await spend(storage) == [replace(one, **nobody)]

    async def test_what_is_made_without_key_or_team_has_none(self, storage: Storage) -> None:
        """Told as an empty text. A team is what an owner's name begins with, to the letter."""
        await charged(storage, 1, owner="TEAM:a", created_by=None)
        [only] = await spend(storage, SpendField.KEY, SpendField.TEAM)
        assert (only.key, only.team) == ("", "")

    async def test_a_charge_counts_on_the_utc_day_that_it_was_written_on(self, storage: Storage) -> None:
        """To the microsecond."""
        midnight = datetime(2026, 3, 1, tzinfo=UTC)
        for moment in (midnight - timedelta(microseconds=1), midnight, midnight + timedelta(hours=23)):
            await charged(storage, 1, created_at=moment)
        days = await spend(storage, SpendField.DAY)
        assert {each.day: each.cost for each in days} == {date(2026, 2, 28): 1, DAY: 2}

    async def test_what_has_no_price_counts_as_unpriced(self, storage: Storage) -> None:
        """And costs 0 in the sums, never in the batch."""
        batch, _ = await charged(storage, 2, None, of={"scopes": ("team:a",)})
        [only] = await spend(storage)
        assert only.cost == 2
        assert (only.requests, only.unpriced_requests, only.batches) == (2, 1, 2)
        assert await storage.ledger.spent({"team:a": None}) == {"team:a": Decimal(2)}
        assert (batch.cost, batch.unpriced_requests) == (None, 1)

    async def test_sums_are_those_of_the_charges_to_the_nanodollar(self, storage: Storage) -> None:
        """From 0.000000001 to 9,000,000 dollars, however they are grouped."""
        batch = a_batch(a_file())
        jobs = [a_job(batch, shard=shard) for shard in range(60)]
        await stored_batch(storage, *jobs, batch=batch)
        charges = various_charges(batch, jobs)
        for start in range(0, len(charges), 20):
            await charge(storage, *charges[start : start + 20])
        for names in ((), ("day",), ("model", "day"), ("owner", "team"), ("key",), EACH_FIELD):
            fields = tuple(map(SpendField, names))
            found = await spend(storage, *fields)
            costs = {tuple(getattr(each, name) for name in names): each.cost for each in found}
            assert costs == costs_by(charges, names)
            assert list(costs) == sorted(costs)
        of_scopes = {
            scope: sum((each.cost or Decimal(0) for each in charges if scope in each.scopes), Decimal(0))
            for scope in SCOPES
        }
        assert await storage.ledger.spent(dict.fromkeys(SCOPES)) == of_scopes

    async def test_spend_is_that_of_the_same_charges_however_it_is_asked_for(self, storage: Storage) -> None:
        """By each field, and by each day and field; for each field or two that it is narrowed down by."""
        batch = a_batch(a_file())
        jobs = [a_job(batch, shard=shard) for shard in range(24)]
        await stored_batch(storage, *jobs, batch=batch)
        charges = various_charges(batch, jobs)
        await charge(storage, *(each for each in charges if each.corrects is None))
        await storage.ledger.correct([each for each in charges if each.corrects is not None])
        each = await spend(storage, *EACH_FIELD)
        _, *fields = EACH_FIELD
        groups = [(), *((field,) for field in EACH_FIELD), *((SpendField.DAY, field) for field in fields)]
        narrowed = [(), *combinations(fields, 1), *combinations(fields, 2)]
        for names, group_by in product(narrowed, groups):
            only = {name.value: getattr(each[3], name) for name in names}
            rows = [row for row in each if all(getattr(row, name) == only[name] for name in only)]
            assert await spend(storage, *group_by, **only) == regrouped(rows, group_by)

    async def test_spend_is_what_a_query_asks_for(self, storage: Storage) -> None:
        """An owner's, a key's, a team's, a model's, a deployment's, of days that both count."""
        await charged(storage, 1)
        others: dict[str, dict[str, Any]] = {
            "owner": {"owner": "user:other"},
            "key": {"created_by": "other"},
            "team": {"owner": "team:other"},
            "model": {"model": "other"},
            "deployment": {"deployment_id": "other"},
        }
        values = dict.fromkeys(others, "other") | {"owner": "user:other"}
        for number, (name, fields) in enumerate(others.items()):
            await charged(storage, Decimal(2) ** (number + 1), **fields)
            [found] = await spend(storage, **{name: values[name]})
            assert found.cost == 2 ** (number + 1)
            assert await spend(storage, **{name: "nobody"}) == []
        for day, cost in ((1, 100), (2, 200), (3, 400)):
            await charged(storage, cost, created_at=NOON + timedelta(days=day))
        first, last = DAY + timedelta(days=1), DAY + timedelta(days=2)
        assert [each.cost for each in await spend(storage, start=first, end=last)] == [300]
        assert [each.cost for each in await spend(storage, start=first)] == [700]
        assert [each.cost for each in await spend(storage, end=DAY, owner="user:other")] == [2]

    async def test_spend_comes_in_order_of_its_fields_and_no_more_than_asked_for(
        self, storage: Storage
    ) -> None:
        """The first field that is named comes first; one named twice counts once."""
        for model, day in (("b", 0), ("a", 1), ("a", 0), ("b", 1)):
            await charged(storage, 1, model=model, created_at=NOON + timedelta(days=day))
        by_model = await spend(storage, SpendField.MODEL, SpendField.DAY, SpendField.MODEL)
        later = DAY + timedelta(days=1)
        found = [(each.model, each.day) for each in by_model]
        assert found == [("a", DAY), ("a", later), ("b", DAY), ("b", later)]
        by_day = await spend(storage, SpendField.DAY, SpendField.MODEL, limit=3)
        assert [(each.day, each.model) for each in by_day] == [(DAY, "a"), (DAY, "b"), (later, "a")]

    async def test_scopes_have_spent_what_was_put_on_them_since_a_day(self, storage: Storage) -> None:
        """Which counts. Each scope is asked for since a day of its own, or ever."""
        for days in (0, 1, 2):
            await charged(
                storage, 1 + days, created_at=NOON + timedelta(days=days), scopes=("team:a", "key:1")
            )
        await charged(storage, 10, scopes=())
        later = DAY + timedelta(days=1)
        since = {"team:a": later, "key:1": None, "user:7": None, "team:A": date(1970, 1, 1)}
        assert await storage.ledger.spent(since) == {"team:a": 5, "key:1": 6, "user:7": 0, "team:A": 0}
        assert await storage.ledger.spent({"team:a": later + timedelta(days=2)}) == {"team:a": 0}

    async def test_open_batches_hold_what_they_have_reserved(self, storage: Storage) -> None:
        """Of each scope apart, until they end."""
        file = await stored_file(storage)
        batches = [a_batch(file) for _ in range(2)]
        for batch, scopes in zip(batches, (("team:a", "key:1"), ("team:a",)), strict=True):
            reserved = tuple(
                Reservation(scope=scope, requests=2, tokens=30, cost=1 + NANO, at=NOON, limits=())
                for scope in scopes
            )
            change = BatchChange(batch=batch, reservations=reserved)
            await storage.create_batch(file.id, partial(_as_it_is, change))
        scopes = ("team:a", "key:1", "user:7")
        one = Held(batches=1, requests=2, tokens=30, cost=1 + NANO)
        both = Held(batches=2, requests=4, tokens=60, cost=2 + 2 * NANO)
        assert await storage.ledger.held(scopes) == {"team:a": both, "key:1": one, "user:7": Held()}
        ended = replace(batches[0], status=BatchStatus.FAILED)
        await storage.change_batch(ended.id, writing(batch=ended))
        assert await storage.ledger.held(scopes) == {"team:a": one, "key:1": Held(), "user:7": Held()}

    async def test_a_batch_costs_what_its_charges_come_to(self, storage: Storage) -> None:
        """However many jobs are settled one after the other, and whatever a decision says."""
        batch = a_batch(a_file())
        jobs = [a_job(batch, shard=shard) for shard in range(3)]
        await stored_batch(storage, *jobs, batch=batch)
        moved = replace(batch, status=BatchStatus.IN_PROGRESS, cost=Decimal(77))
        assert (await storage.change_batch(batch.id, writing(batch=moved))).batch.cost is None
        for job, sum_ in zip(jobs, ("0.000000001", "0.000000002", "0.000000003"), strict=True):
            written = await charge(storage, a_cost(job, batch, NANO), batch=replace(batch, cost=Decimal(77)))
            assert written.cost == Decimal(sum_)
            assert (await state_of(storage, batch)).batch == written
        await storage.change_batches([batch.id], writing(batch=moved))
        assert (await state_of(storage, batch)).batch == replace(moved, cost=Decimal("0.000000003"))

    async def test_a_batch_has_no_cost_while_a_part_of_it_has_no_price(self, storage: Storage) -> None:
        """Whichever is charged first. What costs nothing has a price."""
        for costs in ((None, 1), (1, None), (None,)):
            batch, _ = await charged(storage, *costs)
            assert batch.cost is None
        batch, _ = await charged(storage, 0)
        assert batch.cost == 0

    async def test_a_refused_charge_leaves_the_sums_as_they_are(self, storage: Storage) -> None:
        """And those that stand beside it in the same change do as well."""
        batch, [first] = await charged(storage, 1, of={"scopes": ("team:a",)})
        before = await all_sums(storage, "team:a")
        another = a_cost(a_job(batch, shard=5), batch, 5)
        again = a_cost(a_job(batch, id=first.job_id), batch, 3)
        for refused in ((again,), (another, again), (another, first), (another, another)):
            with pytest.raises(StateConflict):
                await charge(storage, *refused)
            assert await all_sums(storage, "team:a") == before
            assert (await state_of(storage, batch)).batch == batch

    async def test_a_change_that_conflicts_charges_nothing(self, storage: Storage) -> None:
        """Where its job was claimed since, for one: it is settled once, and charged once."""
        batch = a_batch(a_file(), scopes=("team:a",))
        job = a_job(batch, epoch=2, state=JobState.ENDED)
        await stored_batch(storage, job, batch=batch)
        settled = replace(job, state=JobState.SETTLED, epoch=1)
        first = a_cost(job, batch, 1)
        lost = writing(jobs=(settled,), charges=(first,))
        for change in (storage.change_batch(batch.id, lost), storage.change_batches([batch.id], lost)):
            with pytest.raises(StateConflict):
                await change
            assert await all_sums(storage, "team:a") == ([], {"team:a": Decimal(0)})
        written = await charge(storage, first, jobs=(replace(settled, epoch=2),))
        assert written.cost == 1
        with pytest.raises(StateConflict):
            await charge(storage, a_cost(job, batch, 1), jobs=(replace(settled, epoch=2),))
        assert (await all_sums(storage, "team:a"))[1] == {"team:a": 1}

    async def test_charges_of_many_batches_at_once_are_all_counted(self, storage: Storage) -> None:
        """Those that are changed together."""
        batches = [await stored_batch(storage, scopes=("team:a",)) for _ in range(3)]
        await storage.change_batches(
            [batch.id for batch in batches],
            lambda state: BatchChange(batch=state.batch, charges=(a_cost(state.jobs[0], state.batch, NANO),)),
        )
        assert (await all_sums(storage, "team:a"))[1] == {"team:a": 3 * NANO}
        assert [(await state_of(storage, batch)).batch.cost for batch in batches] == [NANO] * 3
