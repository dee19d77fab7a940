"""Numbers of dollars, as requests write them."""

from __future__ import annotations

import re
from decimal import Context, Decimal
from typing import Annotated, TypeAlias

from msgspec import Meta

from litebatch_asgi.errors import InvalidRequest

MOST_DOLLARS = 1_000_000_000
MOST_DECIMALS = 30
"""of a number of dollars that is written out; PostgreSQL has no room for as many as JSON"""
DOLLARS = re.compile(
    rf"[0-9]{{1,9}}(?:\.[0-9]{{1,{MOST_DECIMALS}}})?|{MOST_DOLLARS}(?:\.0{{1,{MOST_DECIMALS}}})?"
)

Dollars: TypeAlias = (
    Annotated[float, Meta(extra_json_schema={"minimum": 0, "maximum": MOST_DOLLARS})]
    | Annotated[str, Meta(extra_json_schema={"pattern": f"^(?:{DOLLARS.pattern})$"})]
)

_SMALLEST = Decimal(1).scaleb(-MOST_DECIMALS)
_EXACT = Context(prec=2 * MOST_DECIMALS)


def amount_of(given: float | str, param: str) -> Decimal:
    """A number of dollars, exact where it is a text. Raises `InvalidRequest` for what is none.

    A JSON number is what a double holds of it, and has no more decimals than a text may have.
    """
    if isinstance(given, str):
        if DOLLARS.fullmatch(given) is None:
            raise _no_amount(param)
        return Decimal(given)
    if not 0 <= given <= MOST_DOLLARS:
        raise _no_amount(param)
    amount = Decimal(repr(abs(given)))  # abs: not minus zero
    return amount if _decimals(amount) <= MOST_DECIMALS else amount.quantize(_SMALLEST, context=_EXACT)


def check_amount(amount: object, param: str) -> None:
    """Raises `InvalidRequest` for what is no `Decimal` that a text may have stood for."""
    if not isinstance(amount, Decimal) or not amount.is_finite() or not 0 <= amount <= MOST_DOLLARS:
        raise _no_amount(param)


def _decimals(amount: Decimal) -> int:
    exponent = amount.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _no_amount(param: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid '{param}': a number of dollars from 0 to {MOST_DOLLARS}, or a text of its digits, "
        f"with at most {MOST_DECIMALS} decimals.",
        param=param,
        code="invalid_value",
    )
