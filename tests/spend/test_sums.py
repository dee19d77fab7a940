"""Sums are those of the charges, to the nano-dollar, whatever is charged and corrected in whatever order."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from litebatch_asgi.app import open_storage
from litebatch_asgi.models import Charge, ChargedUsage, Spend, SpendField, SpendQuery
from litebatch_asgi.models.money import from_nanodollars, to_nanodollars, total
from litebatch_asgi.models.sums import cost_of, put_on_budgets, regrouped, summed
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing import a_batch, a_charge, a_file, a_job
from litebatch_asgi.testing.conformance.base import state_of, stored_batch, writing
from litebatch_asgi.testing.conformance.ledger import a_correction
from tests.database import BACKENDS, database_on

NUMBERS = itertools.count()
START = datetime(2026, 3, 1, tzinfo=UTC)
EACH_FIELD = tuple(SpendField)
SUMS = ("input_tokens", "cached_tokens", "output_tokens", "requests", "unpriced_requests")

nanodollars = st.integers(-9_000_000 * 10**9, 9_000_000 * 10**9)
costs = st.none() | nanodollars.map(from_nanodollars)
usages = st.builds(
    ChargedUsage,
    **{name: st.integers(0, 2**40) for name in (*SUMS, "reasoning_tokens", "total_tokens")},
)
charged: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "cost": costs,
        "usage": usages,
        "owner": st.sampled_from(["team:a", "team:", "user:a", "TEAM:a"]),
        "created_by": st.sampled_from([None, "a", "A"]),
        "model": st.sampled_from(["a", "A", "é", "\U0001f600", ""]),
        "deployment_id": st.sampled_from(["east", "west"]),
        "created_at": st.integers(0, 3 * 86_400 * 10**6).map(lambda us: START + timedelta(microseconds=us)),
        "scopes": st.sets(st.sampled_from(["team:a", "key:a"])).map(tuple),
    }
)
ways = st.tuples(st.sets(st.sampled_from(EACH_FIELD)), st.sets(st.sampled_from(EACH_FIELD[1:]), max_size=2))
"""by what spend is put together, and by what it is narrowed down"""
changes = st.lists(st.tuples(charged, st.none() | nanodollars), min_size=1, max_size=6)


def fractions(charges: Iterable[Charge]) -> Fraction:
    return sum((Fraction(each.cost) for each in charges if each.cost is not None), Fraction(0))


@given(nanodollars)
def test_nanodollars_come_back_as_they_were(number: int) -> None:
    assert to_nanodollars(from_nanodollars(number)) == number
    assert Fraction(from_nanodollars(number)) == Fraction(number, 10**9)


@given(st.lists(costs))
def test_a_host_may_reckon_with_as_few_digits_as_it_likes(costs: list[Decimal | None]) -> None:
    """What the context of a thread says does not count."""
    with localcontext() as context:
        context.prec = 3
        found = total(costs)
    assert Fraction(found) == sum((Fraction(cost) for cost in costs if cost is not None), Fraction(0))


@pytest.mark.parametrize(("dollars", "number"), [("5e-10", 0), ("15e-10", 2), ("25e-10", 2), ("-5e-10", 0)])
def test_what_is_finer_is_rounded_half_to_even(dollars: str, number: int) -> None:
    assert to_nanodollars(Decimal(dollars)) == number


@given(st.lists(charged), st.lists(st.sampled_from(EACH_FIELD), unique=True))
def test_sums_add_up_however_they_are_grouped(drawn: list[dict[str, Any]], fields: list[SpendField]) -> None:
    batch = a_batch(a_file())
    charges = [a_charge(a_job(batch), batch, **fields) for fields in drawn]
    rows = summed(charges, fields)
    assert Fraction(total(row.cost for row in rows)) == fractions(charges)
    for name in SUMS:
        assert sum(getattr(row, name) for row in rows) == sum(getattr(each.usage, name) for each in charges)
    assert sum(row.batches for row in rows) == len(charges)
    put = put_on_budgets(charges)
    assert list(put) == sorted(put)
    expected = sum((fractions([each]) * len(each.scopes) for each in charges), Fraction(0))
    assert sum(map(Fraction, put.values())) == expected


@pytest.fixture(params=BACKENDS)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Storage]:
    """One for all examples; each has an owner of its own."""
    async with database_on(request.param, tmp_path) as database:
        storage = open_storage(database.url)
        await storage.open()
        yield storage
        await storage.close()


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=changes, asked=st.lists(ways, max_size=20))
async def test_stores_sum_up_to_the_nanodollar(
    storage: Storage,
    drawn: list[tuple[dict[str, Any], int | None]],
    asked: list[tuple[set[SpendField], set[SpendField]]],
) -> None:
    """And say the same whatever they are asked for."""
    batch = a_batch(a_file())
    jobs = [a_job(batch, shard=shard) for shard in range(len(drawn))]
    await stored_batch(storage, *jobs, batch=batch)
    mark = f"-{next(NUMBERS)}"
    written: list[Charge] = []
    for job, (fields, difference) in zip(jobs, drawn, strict=True):
        scopes = tuple(scope + mark for scope in fields["scopes"])
        owner = fields["owner"] + mark
        first = a_charge(job, batch, **(fields | {"owner": owner, "scopes": scopes}))
        await storage.change_batch(batch.id, writing(charges=(first,)))
        written.append(first)
        if difference is not None:
            correction = a_correction(first, from_nanodollars(difference))
            assert await storage.ledger.correct([correction]) == 1
            written.append(correction)
    found = await _spend_of(storage, {each.owner for each in written})
    assert found == summed(written, EACH_FIELD)
    since = {scope: None for each in written for scope in each.scopes}
    spent = await storage.ledger.spent(since)
    for scope in since:
        assert Fraction(spent[scope]) == fractions(each for each in written if scope in each.scopes)
    assert (await state_of(storage, batch)).batch.cost == cost_of(written)
    each = await storage.ledger.spend(SpendQuery(group_by=EACH_FIELD, limit=10_000))
    for group_by, narrowed in asked:
        only: dict[str, Any] = {field.value: getattr(each[-1], field) for field in narrowed}
        query = SpendQuery(group_by=tuple(group_by), limit=10_000, **only)
        rows = [row for row in each if all(getattr(row, name) == only[name] for name in only)]
        assert await storage.ledger.spend(query) == regrouped(rows, query.group_by)


async def _spend_of(storage: Storage, owners: Iterable[str]) -> Sequence[Spend]:
    queries = [SpendQuery(group_by=EACH_FIELD, owner=owner, limit=10_000) for owner in owners]
    rows = [row for query in queries for row in await storage.ledger.spend(query)]
    return sorted(rows, key=lambda row: tuple(getattr(row, field) for field in EACH_FIELD))
