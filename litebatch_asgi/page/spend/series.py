"""Sums put in order for the eye: the dearest first, the rest together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TypeAlias

import msgspec

from litebatch_asgi.models import Spend, SpendField
from litebatch_asgi.page.parts import visible

MOST_SERIES = 7
"""that have a colour of their own"""
REST = "others"
Names: TypeAlias = Mapping[str, str]
"""What is called otherwise than it is filtered by, such as keys with an alias, and how."""
_NAMELESS = {SpendField.KEY: "no key known", SpendField.TEAM: "of no team"}


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """What something has cost on each day."""

    name: str
    costs: Mapping[date, Decimal]
    """days without any are left out"""
    unpriced_requests: int = 0
    """what the costs leave out"""

    @property
    def total(self) -> Decimal:
        """Of all days."""
        return sum(self.costs.values(), Decimal(0))

    @property
    def known_total(self) -> Decimal | None:
        """The same; None: nothing of it has a price."""
        return None if self.unpriced_requests and not self.total else self.total


def by_cost(rows: Iterable[Spend], field: SpendField) -> list[Spend]:
    """The dearest first; of the same cost by name."""
    return sorted(rows, key=lambda row: (-row.cost, value_of(row, field)))


def series_of(rows: Iterable[Spend], field: SpendField, names: Names) -> list[Series]:
    """A series of each that is in sums by day and a field, the dearest first."""
    costs: dict[str, dict[date, Decimal]] = {}
    unpriced: Counter[str] = Counter()
    for row in rows:
        value = value_of(row, field)
        costs.setdefault(value, {})[_day_of(row)] = row.cost
        unpriced[value] += row.unpriced_requests
    found = [
        Series(name=name_of(value, field, names), costs=days, unpriced_requests=unpriced[value])
        for value, days in costs.items()
    ]
    return sorted(found, key=lambda each: (-each.total, each.name))


def rest_of(days: Sequence[Spend], series: Sequence[Series], others: int) -> Series:
    """What sums by day leave when some series are taken away: that of so many others."""
    costs = {_day_of(row): row.cost for row in days}
    for each in series:
        for day, cost in each.costs.items():
            costs[day] = costs.get(day, Decimal(0)) - cost
    unpriced = sum(row.unpriced_requests for row in days) - sum(each.unpriced_requests for each in series)
    return Series(
        name=f"{others:,} {REST}",
        costs={day: cost for day, cost in costs.items() if cost},
        unpriced_requests=max(unpriced, 0),
    )


def _day_of(row: Spend) -> date:
    assert row.day is not None  # it was asked for
    return row.day


def value_of(row: Spend, field: SpendField) -> str:
    """What a row is of, as it is filtered by; '': nothing is known."""
    value: str | None = getattr(row, field.value)
    return value or ""


def name_of(value: str, field: SpendField, names: Names) -> str:
    """The same, as it is shown."""
    return visible(names.get(value) or value or _NAMELESS.get(field, "unknown"))
