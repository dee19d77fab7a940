"""The tables of what was spent."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cache

import htpy as h
from htpy import Node
from markupsafe import Markup

from litebatch_asgi.models import Spend, SpendPage
from litebatch_asgi.page.parts import Column, amount, bar, counted, table
from litebatch_asgi.page.spend.asked import FIELDS, PATH, Asked, fields_for
from litebatch_asgi.page.spend.series import Names, Series, by_cost, name_of, value_of
from litebatch_asgi.page.visit import Visit

MOST_ROWS = 100
_SHARE, _NUMBER = h.div(".share"), h.span(".number")
_SUMS = ("Cost", "Batches", "Requests", "Input tokens", "Output tokens")


def by_field(visit: Visit, asked: Asked, page: SpendPage, names: Names) -> Node:
    """What each has cost, the dearest first."""
    called = FIELDS[asked.by]
    found = by_cost(page.items, asked.by)
    rows = [_row(visit, asked, row, page.total.cost, names) for row in found[:MOST_ROWS]]
    columns: list[Column | str] = [called, "Share", *(Column(name, is_number=True) for name in _SUMS)]
    more = len(found) - MOST_ROWS
    is_cut = more > 0 or page.has_more
    left = "more" if page.has_more else f"{counted(more, 'more is', 'more are')}"
    return [
        h.h2[f"By {called.lower()}"],
        table(f"Spend by {called.lower()}, the dearest first", columns, rows),
        h.p(".dim")[f"The first {MOST_ROWS}; {left} in the CSV file."] if is_cut else None,
    ]


def _row(visit: Visit, asked: Asked, row: Spend, total: Decimal, names: Names) -> list[Node]:
    return [
        _name(visit, asked, row, names),
        share(row.cost, total),
        _cost(row),
        f"{row.batches:,}",
        f"{row.requests:,}",
        f"{row.input_tokens:,}",
        f"{row.output_tokens:,}",
    ]


def _cost(row: Spend) -> Node:
    """What is known of it; what has no price is no zero."""
    if not row.unpriced_requests:
        return amount(row.cost)
    if not row.cost:
        return amount(None)
    left_out = counted(row.unpriced_requests, "request", "requests")
    return [amount(row.cost), h.small[f" and {left_out} without a price"]]


def _name(visit: Visit, asked: Asked, row: Spend, names: Names) -> Node:
    """Leads to what it is made of, where there is something else to put it together by."""
    value = value_of(row, asked.by)
    name = name_of(value, asked.by, names)
    used = {asked.by.value, *asked.only}
    others = [each for each in fields_for(visit.principal) if each.value not in used]
    if not value or not others:
        return name
    narrowed = asked.address(**{asked.by.value: value, "by": others[0].value})
    return h.a(".name", href=visit.url(PATH, narrowed))[name]


def share(part: Decimal, total: Decimal) -> Node:
    """A bar of how much of the whole it is, in whole percents."""
    percent = min(max(100 * part / total, Decimal(0)), Decimal(100)) if total > 0 else Decimal(0)
    return _share(round(percent))


@cache
def _share(percent: int) -> Markup:
    """Each is drawn once: a bar takes as long as the rest of its row."""
    return _SHARE[bar(("series-0", percent)), _NUMBER[f"{percent} %"]].__html__()


def by_day(series: Sequence[Series]) -> Node:
    """What the plot shows, in numbers."""
    days = sorted({day for each in series for day in each.costs})
    names = [*(each.name for each in series), "Total"]
    columns: list[Column | str] = ["Day", *(Column(name, is_number=True) for name in names)]
    rows = [
        [
            day.isoformat(),
            *(amount(each.costs[day]) if day in each.costs else "" for each in series),
            amount(sum((each.costs.get(day, Decimal(0)) for each in series), Decimal(0))),
        ]
        for day in days
    ]
    return h.details(".more")[
        h.summary["By day, in numbers"], table("Spend by day, in US dollars", columns, rows)
    ]
