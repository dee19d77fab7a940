"""What a batch is estimated to cost before it runs.

No tokenizer is asked, and nothing is assumed to come from a cache. Tokens of the input are those that were
estimated at upload; an answer counts as long as its request allows, and as `estimated_output_tokens` where
that sets no limit.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Protocol, Self

import msgspec

from litebatch_asgi.costs.rates import EXACT, NANO_DOLLAR, UNKNOWN, Rates
from litebatch_asgi.models import File, Settings, UsageBucket

ENDPOINTS_WITHOUT_OUTPUT = frozenset({"/v1/embeddings", "/v1/moderations"})
"""Their answers have no tokens that are paid."""


class BatchInput(Protocol):
    """What is known of a batch input, as of a `File` or a `CheckedFile`."""

    @property
    def lines(self) -> int:
        """Requests."""
        ...

    @property
    def tokens(self) -> int:
        """Of the requests."""
        ...

    @property
    def output_tokens(self) -> int | None:
        """Of the answers that are limited, at most; None: not known."""
        ...

    @property
    def unlimited_answers(self) -> int | None:
        """Answers that are not limited; None: not known."""
        ...


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch is estimated to consume."""

    requests: int
    input_tokens: int
    output_tokens: int
    highest_output_tokens: int | None
    """what the answers cannot be longer than; None: a request sets no limit"""

    @classmethod
    def of(cls, found: BatchInput, endpoint: str | None, settings: Settings) -> Self:
        """What requests to an endpoint are estimated to consume."""
        limited, unlimited = found.output_tokens, found.unlimited_answers
        if endpoint in ENDPOINTS_WITHOUT_OUTPUT:
            limited = unlimited = 0
        elif limited is None or unlimited is None:
            limited, unlimited = 0, found.lines
        return cls(
            requests=found.lines,
            input_tokens=found.tokens,
            output_tokens=limited + unlimited * settings.estimated_output_tokens,
            highest_output_tokens=None if unlimited else limited,
        )


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch is estimated to cost, in US dollars."""

    cost: Decimal | None
    """None: unknown"""
    highest_cost: Decimal | None
    """with answers as long as their requests allow; None: unknown, or a request sets no limit"""
    price_source: str
    """who says so, see `Rates.source`; `unknown` without a price"""


def estimate(file: File, settings: Settings) -> Estimate:
    """What a batch on an input file is estimated to consume.

    Of a file that was uploaded before limits were looked at, no request counts as setting one.
    """
    return Estimate.of(file, file.endpoint, settings)


def quote(found: Estimate, every: Collection[Rates | None]) -> Quote:
    """What that costs at the dearest of these prices, one of which will be paid.

    Unknown if one of them is, which is None here, or if there are none.
    """
    costs = [(cost_of(found, rates), rates) for rates in every]
    known = [(cost, rates.source) for cost, rates in costs if cost is not None and rates is not None]
    if not known or len(known) < len(costs):
        return Quote(cost=None, highest_cost=None, price_source=UNKNOWN)
    highest = [each for each in (highest_cost_of(found, rates) for rates in every) if each is not None]
    cost, source = max(known)
    return Quote(
        cost=cost,
        highest_cost=max(highest) if len(highest) == len(known) else None,
        price_source=source,
    )


def cost_of(found: Estimate, rates: Rates | None) -> Decimal | None:
    """What an estimate costs in US dollars, rounded up to 1e-9; None where that is unknown."""
    return _cost(found, found.output_tokens, rates)


def highest_cost_of(found: Estimate, rates: Rates | None) -> Decimal | None:
    """The same with answers as long as they may be; None if a request sets no limit."""
    longest = found.highest_output_tokens
    return None if longest is None else _cost(found, longest, rates)


def _cost(found: Estimate, output_tokens: int, rates: Rates | None) -> Decimal | None:
    if rates is None:
        return None
    average = -(-found.input_tokens // max(found.requests, 1))
    bucket = UsageBucket(
        above=max((length for length in rates.thresholds if length < average), default=0),
        until=min((length for length in rates.thresholds if length >= average), default=None),
        requests=found.requests,
        plain_input_tokens=found.input_tokens,
        plain_output_tokens=output_tokens,
    )
    with localcontext(EXACT):
        cost = rates.cost(bucket)
        return None if cost is None else cost.quantize(NANO_DOLLAR, ROUND_CEILING)
