"""Prices of tokens by kind, and what a usage costs at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from enum import StrEnum
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from litebatch_asgi.models import ChargedUsage, UsageBucket

UNKNOWN = "unknown"
"""the source of no price"""

NANO_DOLLAR = Decimal("1e-9")
MOST_DOLLARS = 1_000_000
"""more than a job can cost at any provider: a mistyped price, whose sums a database might have no room for"""
EXACT = Context(prec=100, rounding=ROUND_HALF_EVEN)


class TokenKind(StrEnum):
    """What may have a price of its own."""

    INPUT = "input"
    CACHED = "cached"
    CACHE_WRITE = "cache_write"
    AUDIO_INPUT = "audio_input"
    IMAGE_INPUT = "image_input"
    OUTPUT = "output"
    REASONING = "reasoning"
    AUDIO_OUTPUT = "audio_output"
    IMAGE_OUTPUT = "image_output"

    @property
    def fallback(self) -> TokenKind:
        """What is paid for it where it has no price."""
        return TokenKind.OUTPUT if self in _OF_OUTPUT else TokenKind.INPUT


_OF_OUTPUT = frozenset(
    {TokenKind.OUTPUT, TokenKind.REASONING, TokenKind.AUDIO_OUTPUT, TokenKind.IMAGE_OUTPUT}
)

Steps: TypeAlias = tuple[tuple[int, Decimal], ...]
"""US dollars for a token, by the length that an input must be above; ascending, the first is 0.

The length of a request's input decides the price of all its tokens.
"""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """The prices of one model at one provider, for what a batch uses."""

    source: str
    """who says so, such as `config`, `file:prices.json` or `genai-prices 0.2.3 batch`"""
    steps: Mapping[TokenKind, Steps]

    @property
    def thresholds(self) -> frozenset[int]:
        """The lengths at which prices change."""
        return frozenset(above for steps in self.steps.values() for above, _ in steps if above)

    def price(self, kind: TokenKind, bucket: UsageBucket) -> Decimal | None:
        """The price of one token in a bucket; None if there is none, or not one for the whole bucket."""
        steps = self._steps(kind)
        if not steps or _cuts(steps, bucket):
            return None
        return next(price for above, price in reversed(steps) if above <= bucket.above)

    def cuts(self, bucket: UsageBucket) -> bool:
        """Whether a price changes within the bucket: it was counted for prices with other thresholds."""
        return any(tokens and _cuts(self._steps(kind), bucket) for kind, tokens in _tokens(bucket))

    def _steps(self, kind: TokenKind) -> Steps:
        return self.steps.get(kind) or self.steps.get(kind.fallback) or ()

    def cost(self, bucket: UsageBucket) -> Decimal | None:
        """What the tokens of a bucket cost, not rounded; None if some of them have no price."""
        cost = Decimal(0)
        for kind, tokens in _tokens(bucket):
            price = self.price(kind, bucket) if tokens else Decimal(0)
            if price is None:
                return None
            cost += price * tokens
        return cost


def priced(usage: ChargedUsage, rates: Rates | None) -> tuple[ChargedUsage, Decimal | None]:
    """The usage, with what is unpriced of it, and its cost in US dollars.

    The cost is rounded once, half to even, to 1e-9 dollars. It is None if no request could be priced, and 0
    where there was none. If all of it costs more than `MOST_DOLLARS`, it counts as having no price.
    """
    cost, requests = Decimal(0), 0
    with localcontext(EXACT):
        for bucket in usage.buckets if rates is not None else ():
            assert rates is not None
            of_bucket = rates.cost(bucket)
            if of_bucket is not None:
                cost += of_bucket
                requests += bucket.requests
        if cost > MOST_DOLLARS:
            cost, requests = Decimal(0), 0
        rounded = cost.quantize(NANO_DOLLAR)
    known = rounded if requests or not usage.requests else None
    return replace(usage, unpriced_requests=usage.requests - requests), known


def _cuts(steps: Steps, bucket: UsageBucket) -> bool:
    until = bucket.until
    return any(above > bucket.above and (until is None or above < until) for above, _ in steps)


def _tokens(bucket: UsageBucket) -> Iterator[tuple[TokenKind, int]]:
    yield TokenKind.INPUT, bucket.plain_input_tokens
    yield TokenKind.CACHED, bucket.cached_tokens
    yield TokenKind.CACHE_WRITE, bucket.cache_write_tokens
    yield TokenKind.AUDIO_INPUT, bucket.audio_input_tokens
    yield TokenKind.IMAGE_INPUT, bucket.image_input_tokens
    yield TokenKind.OUTPUT, bucket.plain_output_tokens - bucket.reasoning_tokens
    yield TokenKind.REASONING, bucket.reasoning_tokens
    yield TokenKind.AUDIO_OUTPUT, bucket.audio_output_tokens
    yield TokenKind.IMAGE_OUTPUT, bucket.image_output_tokens
