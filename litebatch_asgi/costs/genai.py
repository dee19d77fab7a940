"""Prices of the package `genai-prices`, whose tables are read: it has them for batches of some models.

Where it has none, the providers' own words give the discount. Sources: the pricing pages of OpenAI, Azure,
Google, Anthropic, Mistral, Groq and xAI, as of November 2026.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from litebatch_asgi.costs.rates import Rates, Steps, TokenKind
from litebatch_asgi.models import Lane

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, PriceVariant, Provider, TieredPrices

PROVIDERS = {
    "openai": "openai",
    "azure": "azure",
    "vertex_ai": "google",
    "gemini": "google",
    "anthropic": "anthropic",
    "mistral": "mistral",
    "groq": "groq",
    "xai": "x-ai",
}
"""by the name of our provider; others have prices that nobody but their operator knows"""

_KINDS = {
    "input_mtok": TokenKind.INPUT,
    "cache_read_mtok": TokenKind.CACHED,
    "cache_write_mtok": TokenKind.CACHE_WRITE,
    "input_audio_mtok": TokenKind.AUDIO_INPUT,
    "input_image_mtok": TokenKind.IMAGE_INPUT,
    "output_mtok": TokenKind.OUTPUT,
    "output_reasoning_mtok": TokenKind.REASONING,
    "output_audio_mtok": TokenKind.AUDIO_OUTPUT,
    "output_image_mtok": TokenKind.IMAGE_OUTPUT,
}


class Discount(NamedTuple):
    """What share of its price is paid in a batch."""

    tokens: Decimal
    cached: Decimal
    """for tokens that are read from a cache"""


_HALF = Decimal("0.5")
_WHOLE = Decimal(1)
_DISCOUNTS = {
    "openai": Discount(_HALF, cached=_WHOLE),
    "azure": Discount(_HALF, cached=_WHOLE),
    "google": Discount(_HALF, cached=_WHOLE),  # the two discounts do not stack
    "anthropic": Discount(_HALF, cached=_HALF),  # here they do
    "mistral": Discount(_HALF, cached=_WHOLE),
    "groq": Discount(_HALF, cached=_WHOLE),
    "x-ai": Discount(Decimal("0.8"), cached=Decimal("0.8")),
}


def genai_rates(provider: str, model: str, now: datetime, lane: Lane = Lane.NATIVE) -> Rates | None:
    """The prices of a provider's model in a batch that ends now, or of requests outside of batches.

    None if the package does not know the model or its discount, or is not installed.
    """
    if provider not in PROVIDERS:
        return None
    if provider == "vertex_ai":
        model = model.rpartition("/")[2]  # of a resource such as publishers/google/models/gemini-2.5-flash
    try:
        from genai_prices import __version__
        from genai_prices.data_snapshot import get_snapshot
    except ImportError:
        return None
    providers = get_snapshot().providers
    seller = next((each for each in providers if each.id == PROVIDERS[provider]), None)
    found = seller.find_model(model, all_providers=providers) if seller is not None else None
    if seller is None or found is None:
        return None
    source = f"genai-prices {__version__}"
    if lane is Lane.LIVE:
        return Rates(source=f"{source} plain", steps=standard_steps(found, now))
    return batch_rates(seller, found, now, source)


def batch_rates(seller: Provider, model: ModelInfo, now: datetime, source: str) -> Rates | None:
    """What a provider takes for a model in a batch, price by price; None if that is not known.

    Variants for batches count for the provider whose model it is, an empty one as well: it means no discount.
    """
    steps = standard_steps(model, now)
    variants = [each for each in model.price_variants or () if each.when == {"processing": "batch"}]
    in_batch: dict[TokenKind, Steps] = {}
    for variant in _in_force(variants, now):
        in_batch = _steps(variant.prices) | in_batch
    if variants and any(each is model for each in seller.models):
        return Rates(source=f"{source} batch", steps={**steps, **in_batch})
    discount = _DISCOUNTS.get(seller.id)
    if discount is None:
        return None
    reduced = {kind: _times(each, discount, kind) for kind, each in steps.items()}
    if TokenKind.CACHED in in_batch:  # whoever sells a model, its cached tokens cost what its maker takes
        reduced[TokenKind.CACHED] = in_batch[TokenKind.CACHED]
    word = "halved" if discount.tokens == _HALF else f"at {discount.tokens}"
    return Rates(source=f"{source} {word}", steps=reduced)


def standard_steps(model: ModelInfo, now: datetime) -> Mapping[TokenKind, Steps]:
    """What a model costs outside of batches."""
    return _steps(model.get_prices(now))


def _in_force(variants: Sequence[PriceVariant], now: datetime) -> Iterable[PriceVariant]:
    """The variants that count now, the first one first; before the start of all of them the earliest one."""
    active = [each for each in variants if each.constraint is None or each.constraint.active(now)]
    return active or sorted(variants, key=_start)[:1]


def _start(variant: PriceVariant) -> date:
    start: date = getattr(variant.constraint, "start_date", datetime.max.replace(tzinfo=UTC).date())
    return start


def _steps(prices: ModelPrice) -> dict[TokenKind, Steps]:
    found: dict[TokenKind, Steps] = {}
    for key, kind in _KINDS.items():
        price: Decimal | TieredPrices | None = getattr(prices, key)
        if isinstance(price, Decimal):
            found[kind] = ((0, _per_token(price)),)
        elif price is not None:
            tiers = ((tier.start, _per_token(tier.price)) for tier in price.tiers)
            found[kind] = ((0, _per_token(price.base)), *tiers)
    return found


def _per_token(per_million: Decimal) -> Decimal:
    return per_million.scaleb(-6)


def _times(steps: Steps, discount: Discount, kind: TokenKind) -> Steps:
    share = discount.cached if kind is TokenKind.CACHED else discount.tokens
    return tuple((above, price * share) for above, price in steps)
