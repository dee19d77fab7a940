"""Where the lines and labels of a plot are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_CEILING, Decimal

_STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
_MOST_STEPS = 4
_MOST_LABELS = 7
_CENT = 2


def money_ticks(highest: Decimal) -> list[Decimal]:
    """Round numbers of dollars from 0 to the first one that is not below `highest`, which is above 0."""
    rough = highest / _MOST_STEPS
    scale = Decimal(1).scaleb(rough.adjusted())
    step = next(each * scale for each in _STEPS if each * scale >= rough)
    count = int((highest / step).to_integral_value(ROUND_CEILING))
    return [step * number for number in range(count + 1)]


def money_labels(ticks: Sequence[Decimal]) -> list[str]:
    """The ticks as they are written: all but 0 with as many places as one of them needs."""
    places = max(max(0, -int(tick.normalize().as_tuple().exponent)) for tick in ticks)
    places = max(places, _CENT) if places else 0
    return [f"${tick:,.{places}f}" if tick else "$0" for tick in ticks]


def day_labels(days: Sequence[date]) -> list[tuple[int, str]]:
    """Which of the days are named, and how."""
    step = -(-len(days) // _MOST_LABELS)
    return [(at, f"{days[at]:%b} {days[at].day}") for at in range(0, len(days), step)]
