"""Prices under LiteLLM's names: of a deployment, or of a file like `model_prices_and_context_window.json`.

`X_batches` is the price in a batch; where there is none, half of `X` is paid, as LiteLLM does. What runs
request by request is no batch to its provider, and costs `X`; where there is none, `X_batches`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Self, cast

import msgspec

from litebatch_asgi.costs.rates import Rates, Steps, TokenKind
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Lane
from litebatch_asgi.models.money import is_price

_KINDS = {
    "input_cost_per_token": TokenKind.INPUT,
    "cache_read_input_token_cost": TokenKind.CACHED,
    "cache_creation_input_token_cost": TokenKind.CACHE_WRITE,
    "input_cost_per_audio_token": TokenKind.AUDIO_INPUT,
    "input_cost_per_image_token": TokenKind.IMAGE_INPUT,
    "output_cost_per_token": TokenKind.OUTPUT,
    "output_cost_per_reasoning_token": TokenKind.REASONING,
    "output_cost_per_audio_token": TokenKind.AUDIO_OUTPUT,
    "output_cost_per_image_token": TokenKind.IMAGE_OUTPUT,
}
_NAME = re.compile(
    rf"(?P<base>{'|'.join(_KINDS)})(?:_above_(?P<above>[1-9]\d{{0,5}})k_tokens)?(?P<batches>_batches)?"
)
_TIERED = "tiered_pricing"
"""prices in a form of its own, which are not read"""
_HALF = Decimal("0.5")
_PROVIDER = "litellm_provider"
_SAME_PROVIDER = {"text-completion-openai": "openai", "azure_text": "azure"}
_VERTEX = "vertex_ai"
"""LiteLLM adds whose models they are, as in `vertex_ai-language-models`"""
_ALSO = {"vertex_ai": "gemini"}
"""whose prices count where a provider has none of its own: Google takes the same at both of its doors"""


def is_price_name(name: str) -> bool:
    """Whether LiteLLM calls a price so that counts in batches."""
    return _NAME.fullmatch(name) is not None


def litellm_rates(entry: Mapping[str, object], source: str, lane: Lane = Lane.NATIVE) -> Rates | None:
    """The prices that an entry gives in a lane; None if it has none for tokens."""
    plain: dict[TokenKind, dict[int, Decimal]] = {}
    batch: dict[TokenKind, dict[int, Decimal]] = {}
    for name, value in entry.items():
        found, price = _NAME.fullmatch(name), _price(value)
        if found is not None and price is not None:
            prices = batch if found["batches"] else plain
            prices.setdefault(_KINDS[found["base"]], {})[1000 * int(found["above"] or 0)] = price
    steps = {
        kind: _steps(plain.get(kind, {}), batch.get(kind, {}), lane) for kind in plain.keys() | batch.keys()
    }
    known = {kind: each for kind, each in steps.items() if each[0][0] == 0}
    if _TIERED in entry or not known.keys() & {TokenKind.INPUT, TokenKind.OUTPUT}:
        return None
    return Rates(source=source, steps=known)


def _steps(plain: Mapping[int, Decimal], batch: Mapping[int, Decimal], lane: Lane) -> Steps:
    if lane is Lane.LIVE:
        return tuple(sorted((plain or batch).items()))
    lengths = sorted(plain.keys() | batch.keys())
    return tuple((above, batch[above] if above in batch else plain[above] * _HALF) for above in lengths)


def _price(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    price = Decimal(value)
    return price if is_price(price) else None


class PriceFile(msgspec.Struct, frozen=True, kw_only=True):
    """The prices of a file, by LiteLLM's name for the model, each with the provider that it is of."""

    rates: Mapping[str, tuple[str | None, Rates]]
    live: Mapping[str, tuple[str | None, Rates]] = {}
    """the same for what runs request by request"""

    @classmethod
    def parse(cls, content: bytes, name: str) -> Self:
        """What the file called `name` holds; entries without prices of tokens are left out.

        Raises `ConfigError` if it is no JSON object.
        """
        try:
            read = json.loads(content, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"prices: {name} is not JSON: {error}") from None
        if not isinstance(read, dict):
            raise ConfigError(f"prices: {name} is no JSON object of models by name")
        by_lane: dict[Lane, dict[str, tuple[str | None, Rates]]] = {lane: {} for lane in Lane}
        for model, entry in cast("dict[str, Any]", read).items():
            if isinstance(entry, dict):
                members = cast("dict[str, Any]", entry)
                provider = members.get(_PROVIDER)
                for lane, rates in by_lane.items():
                    found = litellm_rates(members, f"file:{name}", lane)
                    if found is not None:
                        rates[model] = (provider if isinstance(provider, str) else None, found)
        return cls(rates=by_lane[Lane.NATIVE], live=by_lane[Lane.LIVE])

    def find(self, provider: str, model: str, lane: Lane = Lane.NATIVE) -> Rates | None:
        """The prices of a provider's model; None if the file has none."""
        known = self.live if lane is Lane.LIVE else self.rates
        _, rates = known.get(f"{provider}/{model}", (None, None))
        if rates is None:
            of, rates = known.get(model, (None, None))
            if of is not None and _whose(of) != provider:
                rates = None
        if rates is None and provider in _ALSO:
            return self.find(_ALSO[provider], model, lane)
        return rates


def _whose(provider: str) -> str:
    """Our name of a provider that LiteLLM names."""
    return _VERTEX if provider.startswith(f"{_VERTEX}-") else _SAME_PROVIDER.get(provider, provider)
