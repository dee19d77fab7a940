"""Costs are exact sums, rounded once."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.costs import Rates, TokenKind, priced
from litebatch_asgi.models import ChargedUsage, UsageBucket

CLASSES = {
    TokenKind.INPUT: "plain_input_tokens",
    TokenKind.CACHED: "cached_tokens",
    TokenKind.CACHE_WRITE: "cache_write_tokens",
    TokenKind.AUDIO_INPUT: "audio_input_tokens",
    TokenKind.IMAGE_INPUT: "image_input_tokens",
    TokenKind.OUTPUT: "plain_output_tokens",
    TokenKind.AUDIO_OUTPUT: "audio_output_tokens",
    TokenKind.IMAGE_OUTPUT: "image_output_tokens",
}
OUTPUTS = (TokenKind.OUTPUT, TokenKind.AUDIO_OUTPUT, TokenKind.IMAGE_OUTPUT)
LONG = 200_000

prices = st.decimals(min_value=0, max_value="0.001", places=12)
steps = st.tuples(prices, prices).map(lambda drawn: ((0, drawn[0]), (LONG, drawn[1]))) | prices.map(
    lambda price: ((0, price),)
)
tables = st.fixed_dictionaries(
    {TokenKind.INPUT: steps, TokenKind.OUTPUT: steps},
    optional={kind: steps for kind in TokenKind if kind not in (TokenKind.INPUT, TokenKind.OUTPUT)},
).map(lambda drawn: Rates(source="drawn", steps=drawn))
tokens = st.integers(0, 2**26)


@st.composite
def buckets(draw: st.DrawFn, above: int, until: int | None) -> UsageBucket:
    counts = {name: draw(tokens) for name in CLASSES.values()}
    reasoning = draw(st.integers(0, counts["plain_output_tokens"]))
    return UsageBucket(
        above=above, until=until, requests=draw(st.integers(1, 9)), reasoning_tokens=reasoning, **counts
    )


usages = st.lists(st.sampled_from([(0, LONG), (LONG, None)]), unique=True, max_size=2).flatmap(
    lambda ranges: st.tuples(*(buckets(*each) for each in ranges))
)


def slowly(rates: Rates, found: tuple[UsageBucket, ...]) -> Fraction:
    """In US dollars, by the plain rules."""
    dollars = Fraction(0)
    for bucket in found:
        counts = {kind: getattr(bucket, name) for kind, name in CLASSES.items()}
        counts[TokenKind.OUTPUT] -= bucket.reasoning_tokens
        counts[TokenKind.REASONING] = bucket.reasoning_tokens
        for kind, count in counts.items():
            instead = TokenKind.OUTPUT if kind in (*OUTPUTS, TokenKind.REASONING) else TokenKind.INPUT
            told = dict(rates.steps.get(kind, rates.steps[instead]))
            dollars += count * Fraction(told[LONG] if bucket.above and LONG in told else told[0])
    return dollars


def half_even(dollars: Fraction) -> int:
    """In integer nano-dollars."""
    return round(dollars * 10**9)


@given(rates=tables, found=usages)
def test_a_cost_is_the_exact_sum_rounded_once(rates: Rates, found: tuple[UsageBucket, ...]) -> None:
    requests = sum(bucket.requests for bucket in found)
    usage, cost = priced(ChargedUsage(requests=requests, buckets=found), rates)
    assert cost is not None
    assert cost.as_tuple().exponent == -9
    assert int(cost.scaleb(9)) == half_even(slowly(rates, found))
    assert usage.unpriced_requests == 0


@given(costs=st.lists(st.tuples(tables, usages), max_size=5))
def test_costs_add_up_as_integers(costs: list[tuple[Rates, tuple[UsageBucket, ...]]]) -> None:
    found = [priced(ChargedUsage(buckets=each), rates)[1] for rates, each in costs]
    assert None not in found
    nano = [half_even(slowly(rates, each)) for rates, each in costs]
    assert sum(cost for cost in found if cost is not None) == Decimal(sum(nano)).scaleb(-9)


def flat(price: str) -> Rates:
    return Rates(source="flat", steps={TokenKind.INPUT: ((0, Decimal(price)),)})


@pytest.mark.parametrize(("price", "cost"), [("5e-10", "0"), ("15e-10", "2e-9"), ("25e-10", "2e-9")])
def test_half_a_nano_dollar_goes_to_the_even_one(price: str, cost: str) -> None:
    usage = ChargedUsage(requests=1, buckets=(UsageBucket(requests=1, plain_input_tokens=1),))
    assert priced(usage, flat(price))[1] == Decimal(cost)


def test_what_cannot_be_priced_is_counted_and_the_rest_is_paid() -> None:
    bucket = UsageBucket(until=LONG, requests=3, plain_input_tokens=10)
    spoken = UsageBucket(above=LONG, requests=2, plain_output_tokens=1)
    usage, cost = priced(ChargedUsage(requests=9, buckets=(bucket, spoken)), flat("0.5"))
    assert usage.unpriced_requests == 6
    assert cost == 5


def test_a_price_that_can_only_be_mistyped_is_none() -> None:
    """Sums of it might not fit into a database, and then the batch could not be settled."""
    rates = Rates(source="mistyped", steps={TokenKind.INPUT: ((0, Decimal(10_000)),)})
    usage = ChargedUsage(requests=2, buckets=(UsageBucket(requests=2, plain_input_tokens=1000),))
    found, cost = priced(usage, rates)
    assert (found.unpriced_requests, cost) == (2, None)


def test_a_bucket_that_a_threshold_cuts_has_no_price() -> None:
    """It was counted before the price had this threshold."""
    rates = Rates(source="cut", steps={TokenKind.INPUT: ((0, Decimal(1)), (150, Decimal(2)))})
    usage = ChargedUsage(
        requests=3,
        buckets=(
            UsageBucket(until=100, requests=1, plain_input_tokens=1),
            UsageBucket(above=100, until=200, requests=1, plain_input_tokens=1),
            UsageBucket(above=200, requests=1, plain_input_tokens=1),
        ),
    )
    assert priced(usage, rates) == (
        ChargedUsage(requests=3, unpriced_requests=1, buckets=usage.buckets),
        Decimal(3),
    )


def test_nothing_costs_nothing_and_the_unknown_is_not_nothing() -> None:
    assert priced(ChargedUsage(), None)[1] == 0
    assert priced(ChargedUsage(requests=2), flat("1")) == (
        ChargedUsage(requests=2, unpriced_requests=2),
        None,
    )
    assert priced(ChargedUsage(requests=1, buckets=(UsageBucket(requests=1),)), None)[1] is None
