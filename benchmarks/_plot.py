"""A run of the suite as a plot: how many times as good each figure is as its bar, or as what is beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import leather  # type: ignore[import-untyped]

from benchmarks._report import Figure

_HELD, _MISSED, _BESIDE = "bar held", "bar missed", "no bar"
COLOURS = {_HELD: "#2f7d4f", _MISSED: "#b3322b", _BESIDE: "#3567a8"}
_MOST_BESIDE_BAR = 16.0
"""times: a figure near nothing is any number of times as good as its bar"""
_MOST = 1024.0
_ROW, _MARGINS, _BARS = 26, 170, 420
_LETTER = 8

_theme: Any = leather.theme
_theme.title_font_family = _theme.legend_font_family = _theme.tick_font_family = "monospace"
_theme.axis_title_font_family = "monospace"
_theme.title_color = _theme.label_color = _theme.legend_color = _theme.axis_title_color = "#333"
_theme.tick_font_size = 13  # a letter is as wide as leather takes it for
_theme.margin = 0.03


def draw(figures: Sequence[Figure], path: Path, title: str) -> bool:
    """Write it as SVG, better to the right of 1; whether there was anything to draw."""
    rows = [(*row, _kind(figure)) for figure in figures if (row := _row(figure)) is not None]
    if not rows:
        return False
    labels = [label for _, label, _ in reversed(rows)]  # the first one at the top
    low = min(-1, math.floor(min(exponent for exponent, _, _ in rows)))
    high = max(1, math.ceil(max(exponent for exponent, _, _ in rows)))
    chart = leather.Chart(title)
    for kind, colour in COLOURS.items():
        of_kind = [row for row in rows if row[2] == kind]
        if of_kind:
            chart.add_series(leather.Series(of_kind, name=kind), leather.Bars(colour))
    chart.set_x_scale(leather.Linear(low, high))
    chart.set_y_scale(leather.Ordinal(labels))
    step = 1 + (high - low) // 9
    ticks = [exponent for exponent in range(low, high + 1) if exponent % step == 0]
    chart.add_x_axis(ticks, _power, "times as good (logarithmic)")
    chart.to_svg(str(path), _BARS + _LETTER * max(map(len, labels)), _MARGINS + _ROW * len(rows))
    return True


def _power(exponent: float, *_: object) -> str:
    """A tick, as it is written."""
    return f"{2.0**exponent:g}"


def _row(figure: Figure) -> tuple[float, str] | None:
    """The ratio as a power of two, and the label."""
    ratio = figure.ratio
    if ratio is None:
        return None
    most = _MOST if figure.bar is None else _MOST_BESIDE_BAR
    clipped = min(max(ratio, 1 / most), most)
    bar = f", {figure.relation} {figure.bar:g}" if figure.bar is not None else ""
    value = f"{figure.figure:.3g} {figure.unit}{bar}"
    return math.log2(clipped), f"{figure.name}: {figure.what}: {value}"


def _kind(figure: Figure) -> str:
    if figure.held is None:
        return _BESIDE
    return _HELD if figure.held else _MISSED
