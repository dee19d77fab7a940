"""US dollars as whole numbers of 1e-9: those add up exactly, in any database and in any decimal context."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal

_EXACT = Context(prec=100, rounding=ROUND_HALF_EVEN)


MOST_OF_A_TOKEN = 1_000
"""US dollars: a higher price is mistyped, and sums of it might not be written down"""


def is_price(dollars: Decimal) -> bool:
    """Whether that may be what a token costs."""
    return dollars.is_finite() and 0 <= dollars <= MOST_OF_A_TOKEN


def to_nanodollars(dollars: Decimal) -> int:
    """Dollars in 1e-9 dollars; what is finer is rounded, half to even."""
    return int(_EXACT.to_integral_value(_EXACT.scaleb(dollars, 9)))


def from_nanodollars(nanodollars: int) -> Decimal:
    """Dollars, with nine places."""
    return _EXACT.scaleb(Decimal(nanodollars), -9)


def total(dollars: Iterable[Decimal | None]) -> Decimal:
    """The sum of dollars, with nine places; None counts 0."""
    return from_nanodollars(sum(to_nanodollars(each) for each in dollars if each is not None))
