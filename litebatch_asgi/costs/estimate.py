"""What a batch is estimated to cost before it runs.

No tokenizer is asked, and nothing is assumed to come from a cache. Tokens of the input are those that were
estimated at upload; an answer counts as long as its request allows, and as `estimated_output_tokens` where
that sets no limit. Where long inputs cost more a token, each request counts by its own length.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Protocol, Self

import msgspec

from litebatch_asgi.costs.rates import EXACT, NANO_DOLLAR, UNKNOWN, Rates
from litebatch_asgi.models import File, LongRequests, Settings, UsageBucket

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

    @property
    def guessed_tokens(self) -> int:
        """Those of `tokens` that are a guess."""
        ...

    @property
    def long_requests(self) -> tuple[LongRequests, ...] | None:
        """See `File.long_requests`."""
        ...


class EstimatedPart(msgspec.Struct, frozen=True, kw_only=True):
    """What requests of a like length are estimated to consume, in tokens."""

    requests: int
    input_tokens: int
    output_tokens: int
    highest_output_tokens: int
    """where requests set limits"""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch is estimated to consume."""

    requests: int
    input_tokens: int
    output_tokens: int
    highest_output_tokens: int | None
    """what the answers cannot be longer than; None: a request sets no limit"""
    guessed_tokens: int = 0
    """those of `input_tokens` that are a guess: for images, and for what the requests only name"""
    parts: tuple[EstimatedPart, ...]
    """all of it, put apart by lengths at which prices may change"""

    @classmethod
    def of(cls, found: BatchInput, endpoint: str | None, settings: Settings) -> Self:
        """What requests to an endpoint are estimated to consume."""
        limited, unlimited = found.output_tokens, found.unlimited_answers
        if limited is None or unlimited is None:
            limited, unlimited = 0, found.lines
        has_output = endpoint not in ENDPOINTS_WITHOUT_OUTPUT

        def part(requests: int, tokens: int, limited: int, unlimited: int) -> EstimatedPart:
            output = limited + unlimited * settings.estimated_output_tokens
            return EstimatedPart(
                requests=requests,
                input_tokens=max(tokens, 0),  # each request was rounded up
                output_tokens=output if has_output else 0,
                highest_output_tokens=limited if has_output else 0,
            )

        every = found.long_requests or ()
        rest = part(
            found.lines - sum(each.requests for each in every),
            found.tokens - sum(each.tokens for each in every),
            limited - sum(each.output_tokens for each in every),
            unlimited - sum(each.unlimited_answers for each in every),
        )
        long = [
            part(each.requests, each.tokens, each.output_tokens, each.unlimited_answers) for each in every
        ]
        parts = (rest, *long)
        return cls(
            requests=found.lines,
            input_tokens=found.tokens,
            output_tokens=sum(each.output_tokens for each in parts),
            highest_output_tokens=(
                None if unlimited and has_output else sum(each.highest_output_tokens for each in parts)
            ),
            guessed_tokens=found.guessed_tokens,
            parts=parts,
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
    return _cost([(each, each.output_tokens) for each in found.parts], rates)


def highest_cost_of(found: Estimate, rates: Rates | None) -> Decimal | None:
    """The same with answers as long as they may be; None if a request sets no limit."""
    if found.highest_output_tokens is None:
        return None
    return _cost([(each, each.highest_output_tokens) for each in found.parts], rates)


def _cost(parts: Iterable[tuple[EstimatedPart, int]], rates: Rates | None) -> Decimal | None:
    """What parts cost whose answers have so many tokens."""
    if rates is None:
        return None
    with localcontext(EXACT):
        cost = Decimal(0)
        for part, output_tokens in parts:
            of_part = rates.cost(_bucket(part, output_tokens, rates.thresholds))
            if of_part is None:
                return None
            cost += of_part
        return cost.quantize(NANO_DOLLAR, ROUND_CEILING)


def _bucket(part: EstimatedPart, output_tokens: int, thresholds: Collection[int]) -> UsageBucket:
    """The part at the price for its average length: its requests are of one price, unless prices are new."""
    average = -(-part.input_tokens // max(part.requests, 1))
    return UsageBucket(
        above=max((length for length in thresholds if length < average), default=0),
        until=min((length for length in thresholds if length >= average), default=None),
        requests=part.requests,
        plain_input_tokens=part.input_tokens,
        plain_output_tokens=output_tokens,
    )
