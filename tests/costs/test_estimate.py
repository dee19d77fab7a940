"""What a batch is estimated to cost: from what its file is known to hold, exactly, and rounded up."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from litebatch_asgi.costs import Rates, TokenKind, cost_of, estimate, highest_cost_of, quote
from litebatch_asgi.models import File, LongRequests, Settings
from litebatch_asgi.testing import a_file

LONG = 1_000
SETTINGS = Settings(estimated_output_tokens=700)
MILLION = Decimal("1e-6")


def an_input(**fields: object) -> File:
    sample = {"lines": 10, "tokens": 4_000, "output_tokens": 2_500, "unlimited_answers": 0}
    return a_file(**(sample | fields))


def rates(
    inputs: str = "1", outputs: str = "4", *, source: str = "config", above: str | None = None
) -> Rates:
    """Dollars for a million tokens; `above` that of longer inputs."""
    steps: tuple[tuple[int, Decimal], ...] = ((0, Decimal(inputs) * MILLION),)
    if above is not None:
        steps += ((LONG, Decimal(above) * MILLION),)
    return Rates(
        source=source,
        steps={TokenKind.INPUT: steps, TokenKind.OUTPUT: ((0, Decimal(outputs) * MILLION),)},
    )


@pytest.mark.parametrize(
    ("fields", "output", "highest"),
    [
        ({}, 2_500, 2_500),
        ({"unlimited_answers": 3}, 2_500 + 3 * 700, None),
        ({"output_tokens": 0, "unlimited_answers": 10}, 7_000, None),
        ({"output_tokens": 0}, 0, 0),
        ({"output_tokens": None, "unlimited_answers": None}, 7_000, None),
        ({"output_tokens": None, "unlimited_answers": None, "endpoint": "/v1/embeddings"}, 0, 0),
    ],
)
def test_answers_count_by_their_limits_and_else_by_the_setting(
    fields: dict[str, object], output: int, highest: int | None
) -> None:
    found = estimate(an_input(**fields), SETTINGS)
    assert (found.requests, found.input_tokens) == (10, 4_000)
    assert (found.output_tokens, found.highest_output_tokens) == (output, highest)


@given(
    lines=st.integers(1, 50_000),
    tokens=st.integers(0, 10**9),
    limited=st.integers(0, 10**12),
    unlimited=st.integers(0, 10**6),
    prices=st.lists(st.decimals(0, 1000, places=4), min_size=3, max_size=3),
)
def test_costs_are_exact_and_rounded_up(
    lines: int, tokens: int, limited: int, unlimited: int, prices: list[Decimal]
) -> None:
    found = estimate(
        an_input(lines=lines, tokens=tokens, output_tokens=limited, unlimited_answers=unlimited), SETTINGS
    )
    at = rates(str(prices[0]), str(prices[1]), above=str(prices[2]))
    price = prices[2] if Fraction(tokens, lines) > LONG else prices[0]

    def nano(output: int) -> int:
        return math.ceil((tokens * Fraction(price) + output * Fraction(prices[1])) * 1000)

    cost, highest = cost_of(found, at), highest_cost_of(found, at)
    assert cost == Decimal(nano(limited + unlimited * 700)).scaleb(-9)
    assert cost is not None
    assert cost.as_tuple().exponent == -9
    assert highest == (None if unlimited else Decimal(nano(limited)).scaleb(-9))


def test_each_request_is_priced_by_its_own_length() -> None:
    """One long request among many short ones: neither does the average hide it, nor do all cost as much."""
    long = LongRequests(above=LONG, requests=1, tokens=3_000, output_tokens=500, unlimited_answers=0)
    found = estimate(an_input(long_requests=(long,)), SETTINGS)
    at = rates("1", "4", above="2")
    assert (
        cost_of(found, at)
        == highest_cost_of(found, at)
        == Decimal("0.001") + Decimal("0.006") + Decimal("0.01")
    )
    answers = replace(long, output_tokens=0, unlimited_answers=2)
    found = estimate(an_input(long_requests=(answers,), unlimited_answers=2), SETTINGS)
    assert (found.output_tokens, found.highest_output_tokens) == (2_500 + 2 * 700, None)
    assert cost_of(found, at) == Decimal("0.007") + 4 * MILLION * (2_500 + 2 * 700)


def test_the_long_requests_of_a_file_are_known_to_be_none() -> None:
    """Then all of it costs what the average does."""
    assert estimate(an_input(long_requests=()), SETTINGS) == estimate(an_input(long_requests=None), SETTINGS)


def test_a_fraction_of_a_nano_dollar_counts_as_a_whole_one() -> None:
    found = estimate(an_input(tokens=1, output_tokens=0), SETTINGS)
    assert cost_of(found, rates("0.0001")) == Decimal("1e-9")


def test_what_has_no_price_has_no_cost() -> None:
    found = estimate(an_input(), SETTINGS)
    assert cost_of(found, None) is None
    assert highest_cost_of(found, None) is None
    no_output = Rates(source="config", steps={TokenKind.INPUT: ((0, MILLION),)})
    assert cost_of(found, no_output) is None
    assert cost_of(estimate(an_input(output_tokens=0), SETTINGS), no_output) == Decimal("0.004")


def test_a_quote_is_that_of_the_dearest_deployment() -> None:
    found = estimate(an_input(), SETTINGS)
    cheap, dear = rates("1", "1", source="cheap"), rates("2", "2", source="dear")
    told = quote(found, [cheap, dear, cheap])
    assert (told.cost, told.highest_cost, told.price_source) == (
        Decimal("0.013"),
        Decimal("0.013"),
        "dear",
    )
    open_ended = quote(estimate(an_input(unlimited_answers=1), SETTINGS), [cheap, dear])
    assert (open_ended.cost, open_ended.highest_cost) == (Decimal("0.0144"), None)


@pytest.mark.parametrize("every", [[], [None], [rates(), None]])
def test_a_quote_is_unknown_where_one_of_the_prices_is(every: list[Rates | None]) -> None:
    told = quote(estimate(an_input(), SETTINGS), every)
    assert (told.cost, told.highest_cost, told.price_source) == (None, None, "unknown")
