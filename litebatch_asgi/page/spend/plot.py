"""A plot of money by day: stacked bars, drawn as SVG. The table under it says the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

import htpy as h
from htpy import Element, Node

from litebatch_asgi.page.parts import amount
from litebatch_asgi.page.spend.axes import day_labels, money_labels, money_ticks
from litebatch_asgi.page.spend.series import Series

_WIDTH = Decimal(100)
"""of a day, in units of the picture; its height is that of the highest tick"""
_GAP = Decimal(16)
_HEIGHT = Decimal(1000)
_DAY = h.rect(".day", x="%s", width=f"{_WIDTH}", height=f"{_HEIGHT}")[h.title["%s"]].__html__()
"""of the whole height; filling it in, which escapes, takes a fifth of making its elements"""


def plot(series: Sequence[Series], start: date, end: date, *, of: str) -> Node:
    """Stacked bars from `start` to `end`; None where no day has cost anything. `of`: what they show."""
    days = [start + timedelta(days=number) for number in range((end - start).days + 1)]
    highest = max(_drawn(series, day) for day in days)
    if highest <= 0:
        return None
    ticks = money_ticks(highest)
    scale = _HEIGHT / ticks[-1]
    told = f"{start} to {end}, {amount(_sum(series))} in all, at most {amount(highest)} a day."
    return h.figure(".plot")[
        _money_axis(ticks),
        h.svg(
            ".bars",
            role="img",
            aria_labelledby="plot-title plot-desc",
            viewBox=f"0 0 {len(days) * _WIDTH} {_HEIGHT}",
            preserveAspectRatio="none",
        )[
            h.title("#plot-title")[of],
            h.desc("#plot-desc")[told, " The tables below say the same."],
            (_line(tick, scale) for tick in ticks),
            _bars(days, series, scale),
            [_touched(at, day, series) for at, day in enumerate(days)],
        ],
        _day_axis(days),
        _legend(series),
    ]


def _line(tick: Decimal, scale: Decimal) -> Element:
    y = _short(_HEIGHT - tick * scale)
    return h.line(".grid", x1="0", x2="100%", y1=y, y2=y)


def _bars(days: Sequence[date], series: Sequence[Series], scale: Decimal) -> list[Element]:
    """The bars of each series: each bar stands on that of the series before."""
    tops = [_HEIGHT] * len(days)
    width = _short(_WIDTH - _GAP)
    paths: list[Element] = []
    for number, each in enumerate(series):
        drawn: list[str] = []
        for at, day in enumerate(days):
            height = _cost(each, day) * scale
            if height > 0:
                tops[at] -= height
                x, top, tall = _short(at * _WIDTH + _GAP / 2), _short(tops[at]), _short(height)
                drawn.append(f"M{x} {top}h{width}v{tall}h-{width}z")
        paths.append(h.path(class_=f"series-{number}", d="".join(drawn)))
    return paths


def _touched(at: int, day: date, series: Sequence[Series]) -> Node:
    """What is told of a day where the pointer rests."""
    told = [f"{each.name}: {amount(each.costs[day])}" for each in series if day in each.costs]
    if not told:
        return None
    return _DAY % (_short(at * _WIDTH), "\n".join((f"{day}: {amount(_sum(series, day))}", *told)))


def _money_axis(ticks: Sequence[Decimal]) -> Element:
    heights = [f"{_short(100 - 100 * tick / ticks[-1])}%" for tick in ticks]
    return h.svg(".money-axis", aria_hidden="true", focusable="false")[
        (
            h.text(x="100%", y=height, dy=".32em", text_anchor="end")[label]
            for height, label in zip(heights, money_labels(ticks), strict=True)
        )
    ]


def _day_axis(days: Sequence[date]) -> Element:
    return h.svg(".day-axis", aria_hidden="true", focusable="false")[
        (
            h.text(
                class_="second" if number % 2 else None,
                x=f"{_short(100 * (at + Decimal('0.5')) / len(days))}%",
                y="1em",
                text_anchor="middle",
            )[label]
            for number, (at, label) in enumerate(day_labels(days))
        )
    ]


def _legend(series: Sequence[Series]) -> Element:
    return h.figcaption(".legend")[
        h.ul[
            (
                h.li[
                    h.svg(viewBox="0 0 1 1", aria_hidden="true", focusable="false")[
                        h.rect(class_=f"series-{number}", width="1", height="1")
                    ],
                    f"{each.name}, {amount(each.known_total)}",
                ]
                for number, each in enumerate(series)
            )
        ]
    ]


def _cost(series: Series, day: date) -> Decimal:
    """What is drawn: a day on which corrections have taken more back than was charged is left out."""
    return max(series.costs.get(day, Decimal(0)), Decimal(0))


def _drawn(series: Sequence[Series], day: date) -> Decimal:
    return sum((_cost(each, day) for each in series), Decimal(0))


def _sum(series: Sequence[Series], day: date | None = None) -> Decimal:
    if day is not None:
        return sum((each.costs.get(day, Decimal(0)) for each in series), Decimal(0))
    return sum((each.total for each in series), Decimal(0))


def _short(value: Decimal) -> str:
    """A coordinate: no longer than the eye needs."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
