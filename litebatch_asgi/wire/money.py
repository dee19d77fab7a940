"""US dollars as texts: JSON's numbers are read as binary fractions, which money is not."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, TypeAlias

from msgspec import Meta

Money: TypeAlias = Annotated[
    str,
    Meta(
        description="US dollars, exact, and therefore a text: JSON's numbers are read as binary fractions.",
        extra_json_schema={"format": "decimal"},
    ),
]

_NANO_DOLLARS = 9


def money(dollars: Decimal) -> str:
    """US dollars with nine places, or with more if there are more."""
    places = -int(dollars.as_tuple().exponent)
    return f"{dollars:f}" if places > _NANO_DOLLARS else f"{dollars:.9f}"
