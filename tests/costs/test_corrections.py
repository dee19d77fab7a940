"""A charge and its correction come to what other prices make of the usage."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from litebatch_asgi.costs import CannotReprice, Rates, TokenKind, correction, priced, taken_back
from litebatch_asgi.models import Charge, ChargedModel, ChargedUsage, UsageBucket

from .test_rates import LONG, flat, tables, usages

THEN, NOW = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 26, tzinfo=UTC)


def charged(usage: ChargedUsage, rates: Rates | None) -> ChargedModel:
    """A charge as it is made when a job is settled."""
    counted, cost = priced(usage, rates)
    first = Charge(
        id="first",
        job_id="job",
        batch_id="batch",
        deployment_id="east",
        owner="team:search",
        created_by="key",
        model="m",
        usage=counted,
        cost=cost,
        price_source=None if rates is None else rates.source,
        scopes=("team:search",),
        created_at=THEN,
    )
    return ChargedModel(
        charge=first,
        last=first,
        cost=cost,
        unpriced_requests=counted.unpriced_requests,
        assumed_cost=Decimal(0),
        virtual_model="v",
        endpoint="/v1/chat/completions",
    )


def corrected(before: ChargedModel, added: Charge) -> ChargedModel:
    """What the ledger says when a correction has been written."""
    assert added.cost is not None
    return replace(
        before,
        last=added,
        cost=(before.cost or Decimal(0)) + added.cost,
        unpriced_requests=before.unpriced_requests + added.usage.unpriced_requests,
    )


def correct(before: ChargedModel, rates: Rates | None) -> Charge | CannotReprice | None:
    return correction(before, rates, id="second", now=NOW)


def of(*buckets: UsageBucket, malformed: int = 0) -> ChargedUsage:
    """The usage of requests in these buckets, and of some whose usage makes no sense."""
    requests = malformed + sum(bucket.requests for bucket in buckets)
    return ChargedUsage(requests=requests, total_tokens=100 * requests, buckets=buckets)


ONE = UsageBucket(until=LONG, requests=3, plain_input_tokens=10)


@given(old=st.none() | tables, new=tables, found=usages, malformed=st.integers(0, 2))
def test_a_charge_becomes_what_other_prices_make_of_it(
    old: Rates | None, new: Rates, found: tuple[UsageBucket, ...], malformed: int
) -> None:
    """Once: there is nothing to correct afterwards."""
    before = charged(of(*found, malformed=malformed), old)
    added = correct(before, new)
    assert not isinstance(added, CannotReprice)
    after = before if added is None else corrected(before, added)
    counted, cost = priced(before.charge.usage, new)
    assert (after.cost, after.unpriced_requests) == (cost, counted.unpriced_requests)
    assert correct(after, new) is None
    if added is not None:
        assert (added.corrects, added.created_at, added.scopes) == ("first", NOW, ("team:search",))
        assert added.usage.requests == added.usage.total_tokens == 0


def test_the_newest_correction_is_corrected() -> None:
    before = charged(of(ONE), flat("1"))
    first = correct(before, flat("2"))
    assert isinstance(first, Charge)
    second = correct(corrected(before, replace(first, id="third")), flat("0.5"))
    assert isinstance(second, Charge)
    assert (first.cost, second.cost) == (Decimal(10), Decimal(-15))
    assert second.corrects == "third"


@pytest.mark.parametrize(
    ("usage", "old", "new", "reason"),
    [
        (of(ONE), "1", None, CannotReprice.NO_PRICE),
        (of(ONE), None, None, CannotReprice.NO_PRICE),
        (ChargedUsage(total_tokens=30), "1", "2", CannotReprice.NOT_COUNTED),
        (of(replace(ONE, until=LONG + 1)), "1", "1>", CannotReprice.OTHER_THRESHOLDS),
        (of(replace(ONE, until=None)), None, "1>", CannotReprice.OTHER_THRESHOLDS),
        (of(ONE, replace(ONE, above=LONG, until=None, plain_output_tokens=1)), "1", "1", None),
        (of(replace(ONE, plain_output_tokens=1)), None, "1", CannotReprice.NO_PRICE),
    ],
)
def test_what_cannot_be_repriced_stays_with_a_word_why(
    usage: ChargedUsage, old: str | None, new: str | None, reason: CannotReprice | None
) -> None:
    assert correct(charged(usage, made(old)), made(new)) is reason


def made(price: str | None) -> Rates | None:
    """A price of input; with `>` it is another above `LONG`."""
    if price is None:
        return None
    steps = ((0, Decimal(1)), (LONG, Decimal(2)))
    return Rates(source="", steps={TokenKind.INPUT: steps}) if price.endswith(">") else flat(price)


def test_a_price_that_covers_less_corrects_nothing() -> None:
    """It would make a part of the cost unknown that is known."""
    both = Rates(source="", steps={kind: ((0, Decimal(1)),) for kind in (TokenKind.INPUT, TokenKind.OUTPUT)})
    spoken = replace(ONE, above=LONG, until=None, plain_output_tokens=1)
    assert correct(charged(of(ONE, spoken), both), flat("2")) is CannotReprice.LESS_PRICED


def test_a_charge_of_an_earlier_version_is_told_from_a_free_one() -> None:
    free = charged(ChargedUsage(), None)
    assert correct(free, flat("1")) is None
    assert correct(replace(free, cost=None), flat("1")) is CannotReprice.NOT_COUNTED


def test_what_was_assumed_is_given_back_for_requests_that_get_a_price() -> None:
    """Budgets counted 5 dollars for five requests; two of them are senseless still."""
    before = replace(charged(of(ONE, malformed=2), None), assumed_cost=Decimal(5))
    added = correct(before, flat("1"))
    assert isinstance(added, Charge)
    assert (added.cost, added.assumed_cost) == (Decimal(10), Decimal(-3))
    after = replace(corrected(before, added), assumed_cost=Decimal(2))
    again = correct(after, flat("2"))
    assert isinstance(again, Charge)
    assert again.assumed_cost == 0


def test_what_was_taken_back_stays_so() -> None:
    before = replace(charged(of(ONE, malformed=2), flat("1")), assumed_cost=Decimal(2))
    added = taken_back(before, id="second", now=NOW)
    assert added is not None
    assert (added.cost, added.assumed_cost) == (Decimal(-10), Decimal(-2))
    assert added.usage.unpriced_requests == 3
    after = replace(corrected(before, added), assumed_cost=Decimal(0))
    assert correct(after, flat("2")) is None
    assert taken_back(after, id="third", now=NOW) is None


def test_senseless_usage_is_no_matter_of_prices() -> None:
    assert correct(charged(of(malformed=4), flat("1")), flat("2")) is None
    assert correct(charged(of(malformed=4), None), None) is None
