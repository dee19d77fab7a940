"""US dollars as texts: JSON's numbers are read as binary fractions, which money is not."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, TypeAlias

from msgspec import Meta

from litebatch_asgi.errors import dollars

Money: TypeAlias = Annotated[
    str,
    Meta(
        description="US dollars, exact, and therefore a text: JSON's numbers are read as binary fractions.",
        extra_json_schema={"format": "decimal"},
    ),
]

_NANO_DOLLARS = 9


def money(amount: Decimal) -> str:
    """What something has cost, with nine places, or with more if there are more: such columns line up."""
    places = -int(amount.as_tuple().exponent)
    return f"{amount:f}" if places > _NANO_DOLLARS else f"{amount:.9f}"


def cost_text(amount: Decimal | None) -> str | None:
    """What something may cost, and limits, as `dollars` writes them; None: unknown."""
    return None if amount is None else dollars(amount)
