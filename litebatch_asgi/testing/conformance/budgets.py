"""What was charged to a scope and what its open batches are estimated at, together against its budget."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import AboveBudget, BudgetExceeded, BudgetFigures, LimitExceeded
from litebatch_asgi.models import (
    Batch,
    BatchChange,
    BatchState,
    BatchStatus,
    File,
    Limits,
    Reservation,
    SpendQuery,
)
from litebatch_asgi.models.reservations import SoftBudgetPassed
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import StorageTests, stored_file
from litebatch_asgi.testing.samples import a_batch, a_charge, a_job

NANO = Decimal("1e-9")
TODAY = datetime(2026, 11, 12, 9, 30, tzinfo=UTC)
"""a Thursday"""


def budget(dollars: int | str | Decimal, scope: str = "team:a", **fields: Any) -> Limits:
    """Limits of a scope with a budget."""
    return Limits(scope=scope, max_budget=Decimal(dollars), **fields)


async def reserve(
    storage: Storage,
    *every: Limits,
    cost: str | Decimal | None,
    at: datetime = TODAY,
    passed: list[SoftBudgetPassed] | None = None,
    file: File | None = None,
) -> Batch:
    """A batch that is estimated at so many dollars and made now; limits of one scope stand together."""
    scopes = dict.fromkeys(limits.scope for limits in every)
    batch = a_batch(file or await stored_file(storage), scopes=tuple(scopes))
    reserved = [
        Reservation(
            scope=scope,
            requests=1,
            tokens=1,
            cost=None if cost is None else Decimal(cost),
            at=at,
            limits=tuple(limits for limits in every if limits.scope == scope),
            on_soft_budget=None if passed is None else passed.append,
        )
        for scope in scopes
    ]
    change = BatchChange(batch=batch, new_jobs=(a_job(batch),), reservations=tuple(reserved))
    await storage.create_batch(batch.input_file_id, lambda _: change)
    return batch


async def settle(
    storage: Storage,
    batch: Batch,
    *costs: str | None,
    at: datetime = TODAY,
    ends: bool = True,
    assumed: str | None = None,
) -> None:
    """Charge a batch so many dollars, a model each, and end it unless told otherwise."""

    def decide(state: BatchState) -> BatchChange:
        [job] = state.jobs
        charges = [
            a_charge(
                job,
                batch,
                model=f"model-{number}",
                cost=None if cost is None else Decimal(cost),
                scopes=batch.scopes,
                assumed_cost=None if assumed is None else Decimal(assumed),
                created_at=at,
            )
            for number, cost in enumerate(costs)
        ]
        status = BatchStatus.COMPLETED if ends else BatchStatus.IN_PROGRESS
        return BatchChange(batch=replace(state.batch, status=status), charges=tuple(charges))

    await storage.change_batch(batch.id, decide)


async def spend(storage: Storage, dollars: str, *scopes: str, at: datetime = TODAY) -> None:
    """Charge scopes so much, by a batch of their own that has ended."""
    batch = await reserve(storage, *(Limits(scope=scope) for scope in scopes), cost=None, at=at)
    await settle(storage, batch, dollars, at=at)


def used(error: BudgetExceeded) -> list[Decimal]:
    """What was spent, and what is reserved."""
    return [error.budget.spent, error.budget.reserved]


class BudgetTests(StorageTests):
    """Spent in the period, reserved by open batches, and the estimate together must fit."""

    async def test_open_batches_count_with_their_estimates(self, storage: Storage) -> None:
        """To the last 1e-9 dollar."""
        await reserve(storage, budget(10), cost="6.5")
        with pytest.raises(BudgetExceeded) as refusal:
            await reserve(storage, budget(10), cost=Decimal("3.5") + NANO)
        assert refusal.value.budget == BudgetFigures(
            limit=Decimal(10), reserved=Decimal("6.5"), estimate=Decimal("3.500000001")
        )
        await reserve(storage, budget(10), cost="3.5")
        with pytest.raises(BudgetExceeded):
            await reserve(storage, budget(10), cost=NANO)
        await reserve(storage, budget(10), cost="0")

    async def test_what_was_charged_takes_the_place_of_the_estimate(self, storage: Storage) -> None:
        """Of all models that have answered; what has no price counts 0."""
        batch = await reserve(storage, budget(10), cost="9")
        await settle(storage, batch, "1.5", "0.5", None)
        with pytest.raises(BudgetExceeded) as refusal:
            await reserve(storage, budget(10), cost="8.000000001")
        assert used(refusal.value) == [2, 0]
        await reserve(storage, budget(10), cost="8")

    async def test_a_batch_that_is_charged_while_it_is_open_counts_with_both(self, storage: Storage) -> None:
        """Its reservation stays until it ends."""
        batch = await reserve(storage, budget(10), cost="4")
        await settle(storage, batch, "3", ends=False)
        with pytest.raises(BudgetExceeded) as refusal:
            await reserve(storage, budget(10), cost="3.1")
        assert used(refusal.value) == [3, 4]

    async def test_more_than_all_of_it_can_never_fit(self, storage: Storage) -> None:
        """And is another refusal, whatever is used."""
        with pytest.raises(AboveBudget):
            await reserve(storage, budget(1), cost="1.000000001")
        await reserve(storage, budget(1), cost="1")
        with pytest.raises(AboveBudget):
            await reserve(storage, budget(1), cost="1.000000001")

    async def test_more_may_be_spent_than_there_was(self, storage: Storage) -> None:
        """An estimate may be wrong; then nothing fits any more."""
        batch = await reserve(storage, budget(1), cost="0.1")
        await settle(storage, batch, "5")
        with pytest.raises(BudgetExceeded, match="0 would fit now"):
            await reserve(storage, budget(1), cost="0.1")
        await reserve(storage, budget(6), cost="1")

    async def test_what_is_open_when_a_budget_is_set_counts(self, storage: Storage) -> None:
        """With what it was estimated at."""
        await reserve(storage, Limits(scope="team:a"), cost="6")
        with pytest.raises(BudgetExceeded):
            await reserve(storage, budget(10), cost="5")
        await reserve(storage, budget(10), cost="4")

    async def test_what_nobody_knew_the_cost_of_fits_beside_no_other(self, storage: Storage) -> None:
        """It was made before the budget was set, and may take all of it: others wait until it has ended."""
        batch = await reserve(storage, Limits(scope="team:a"), cost=None)
        await reserve(storage, Limits(scope="team:a", soft_budget=Decimal(1)), cost="0.1")
        assert (await storage.ledger.held(["team:a"]))["team:a"].unpriced_batches == 1
        with pytest.raises(BudgetExceeded, match=r"nobody knew .* 1 open") as refusal:
            await reserve(storage, budget(10), cost="0.1")
        assert (refusal.value.retry_after, refusal.value.retry) == (600, False)
        await reserve(storage, budget(10, "team:b"), cost="0.1")
        await settle(storage, batch, None)
        await reserve(storage, budget(10), cost="0.1")

    async def test_what_costs_nothing_is_known(self, storage: Storage) -> None:
        """It holds 0, and keeps nobody away."""
        await reserve(storage, Limits(scope="team:a"), cost="0")
        await reserve(storage, budget(10), cost="10")

    async def test_requests_without_a_price_count_what_they_were_estimated_at(self, storage: Storage) -> None:
        """On budgets alone: what was spent stays unknown. A correction that knows a price takes it back."""
        batch = await reserve(storage, budget(10), cost="4")
        await settle(storage, batch, None, assumed="4")
        [spent] = await storage.ledger.spend(SpendQuery(group_by=(), limit=9))
        assert spent.cost == 0
        with pytest.raises(BudgetExceeded) as refusal:
            await reserve(storage, budget(10), cost="6.1")
        assert used(refusal.value) == [4, 0]
        [charged] = await storage.ledger.charged(TODAY, limit=9)
        assert charged.cost is None
        assert charged.assumed_cost == 4
        correction = replace(
            charged.charge,
            id=f"{charged.charge.id}-2",
            corrects=charged.charge.id,
            cost=Decimal(1),
            assumed_cost=Decimal(-4),
        )
        assert await storage.ledger.correct([correction]) == 1
        assert await storage.ledger.spent({"team:a": None}) == {"team:a": 1}
        await reserve(storage, budget(10), cost="9")

    async def test_scopes_have_budgets_of_their_own(self, storage: Storage) -> None:
        """A batch must fit into all of its scopes, and holds nothing where it does not fit into one."""
        await spend(storage, "2", "key:1")
        with pytest.raises(BudgetExceeded, match="key:1"):
            await reserve(storage, budget(10, "a:first"), budget(10, "key:1"), cost="9")
        await reserve(storage, budget(10, "a:first"), budget(10, "key:2"), cost="9")

    @pytest.mark.parametrize(
        ("duration", "last", "first"),
        [
            ("1d", "2026-11-11", "2026-11-12"),
            ("7d", "2026-11-08", "2026-11-09"),
            ("30d", "2026-10-31", "2026-11-01"),
            ("1mo", "2026-10-31", "2026-11-01"),
            ("12mo", "2025-12-31", "2026-01-01"),
        ],
    )
    async def test_a_budget_begins_anew(self, storage: Storage, duration: str, last: str, first: str) -> None:
        """What was charged until the last moment before is forgotten, by the day of the charge in UTC."""
        before = datetime.combine(date.fromisoformat(last), datetime.max.time(), UTC)
        since = datetime.combine(date.fromisoformat(first), datetime.min.time(), UTC)
        limits = budget(10, budget_duration=duration)
        await spend(storage, "9", "team:a", at=before)
        await spend(storage, "4", "team:a", at=since)
        with pytest.raises(BudgetExceeded) as refusal:
            await reserve(storage, limits, cost="6.1")
        assert refusal.value.budget.spent == 4
        assert refusal.value.budget.reset_at == limits.reset_at(TODAY)
        await reserve(storage, limits, cost="6")
        with pytest.raises(AboveBudget):
            await reserve(storage, limits, cost="10.1", at=since)

    async def test_what_is_open_counts_across_periods(self, storage: Storage) -> None:
        """And what it is charged counts in the period in which it is settled."""
        limits = budget(10, budget_duration="1d")
        batch = await reserve(storage, limits, cost="7")
        tomorrow = TODAY + timedelta(days=1)
        with pytest.raises(BudgetExceeded):
            await reserve(storage, limits, cost="4", at=tomorrow)
        await settle(storage, batch, "6", at=tomorrow)
        with pytest.raises(BudgetExceeded) as refusal:
            await reserve(storage, limits, cost="5", at=tomorrow)
        assert used(refusal.value) == [6, 0]
        await reserve(storage, limits, cost="10", at=tomorrow + timedelta(days=1))

    async def test_a_scope_may_have_several_budgets(self, storage: Storage) -> None:
        """Each looks at its own period."""
        await spend(storage, "8", "team:a", at=TODAY - timedelta(days=30))
        await spend(storage, "9", "team:a", at=TODAY - timedelta(days=1))
        await spend(storage, "1", "team:a")
        for day, week, ever, spent in ((5, 99, 99, 1), (99, 14, 99, 10), (99, 99, 22, 18)):
            every = [budget(ever), budget(day, budget_duration="1d"), budget(week, budget_duration="7d")]
            for limits in (every, every[::-1]):
                with pytest.raises(BudgetExceeded) as refusal:
                    await reserve(storage, *limits, cost="4.1")
                assert refusal.value.budget.spent == spent
        every = [budget(22), budget(5, budget_duration="1d"), budget(14, budget_duration="7d")]
        await reserve(storage, *every, cost="4")

    async def test_corrections_count(self, storage: Storage) -> None:
        """On their own day; what is given back for earlier ones is no credit."""
        first = await reserve(storage, Limits(scope="team:a"), cost="3")
        yesterday = TODAY - timedelta(days=1)
        await settle(storage, first, "3", at=yesterday)
        charged = (await storage.ledger.charged(yesterday, limit=1))[0].charge
        correction = replace(
            charged, id=f"{charged.id}-2", corrects=charged.id, cost=Decimal(-1), created_at=TODAY
        )
        assert await storage.ledger.correct([correction]) == 1
        with pytest.raises(BudgetExceeded, match="is 10: 2 spent"):
            await reserve(storage, budget(10), cost="8.1")
        today = budget(10, budget_duration="1d")
        await reserve(storage, today, cost="5")
        with pytest.raises(BudgetExceeded, match="is 10: 0 spent"):
            await reserve(storage, today, cost="5.1")
        await reserve(storage, today, cost="5")

    async def test_other_limits_hold_beside_budgets(self, storage: Storage) -> None:
        """In whatever period the budget is."""
        limits = budget(10, budget_duration="7d", max_open_batches=1)
        await reserve(storage, limits, cost="1")
        with pytest.raises(LimitExceeded):
            await reserve(storage, limits, cost="1")

    async def test_a_soft_budget_is_told_and_not_kept(self, storage: Storage) -> None:
        """With the figures, of each of its periods."""
        passed: list[SoftBudgetPassed] = []
        limits = Limits(scope="team:a", soft_budget=Decimal(5), budget_duration="7d")
        await spend(storage, "2", "team:a")
        await reserve(storage, limits, cost="3", passed=passed)
        assert passed == []
        await reserve(storage, limits, cost="1.5", passed=passed)
        [told] = passed
        assert (told.limits, told.since) == (limits, date(2026, 11, 9))
        assert told.figures == BudgetFigures(
            limit=Decimal(5),
            spent=Decimal(2),
            reserved=Decimal(3),
            estimate=Decimal("1.5"),
            reset_at=datetime(2026, 11, 16, tzinfo=UTC),
        )

    async def test_no_estimate_is_too_large(self, storage: Storage) -> None:
        """However wrong the price is that it was made with."""
        absurd = Decimal(10) ** 15
        for _ in range(3):
            await reserve(storage, Limits(scope="team:a"), cost=absurd)
        with pytest.raises(BudgetExceeded):
            await reserve(storage, budget(10), cost="1")

    @pytest.mark.parametrize("settled", [False, True])
    async def test_the_last_dollar_is_given_out_once(
        self, storages: Sequence[Storage], settled: bool
    ) -> None:
        """However many want it at once, while others are being settled."""
        team = budget(10)
        before = await reserve(storages[0], team, cost="7.5")
        passed: list[Batch] = []

        async def one(number: int) -> None:
            with suppress(BudgetExceeded):
                passed.append(await reserve(storages[number % len(storages)], team, cost="1"))

        async with anyio.create_task_group() as tasks:
            if settled:
                tasks.start_soon(settle, storages[-1], before, "7.5")
            for number in range(9):
                tasks.start_soon(one, number)
        assert len(passed) == 2
