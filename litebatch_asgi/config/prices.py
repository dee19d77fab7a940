"""Prices of a deployment: there are names for each kind of token, above each length, in batches or not."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from litebatch_asgi.config.reading import Reading
from litebatch_asgi.config.vocabulary import Params
from litebatch_asgi.costs import is_price_name


def without_prices(
    reading: Reading, written: Mapping[Any, Any], path: str
) -> tuple[dict[Any, Any], dict[str, Decimal]]:
    """The settings at `path` that are no prices, and the prices that have no field of their own.

    What is wrong with a price goes to `reading`.
    """
    rest: dict[Any, Any] = {}
    prices: dict[str, Decimal] = {}
    for name, value in written.items():
        if name in Params.__struct_fields__ or not is_price_name(str(name)):
            rest[name] = value
            continue
        given = reading.resolved(value, f"{path}.{name}")
        if given is None:
            continue
        try:
            prices[name] = msgspec.convert(given, Decimal, strict=False)
        except msgspec.ValidationError as error:
            reading.fault(f"{path}.{name}", str(error))
    return rest, prices
