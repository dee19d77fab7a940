"""How figures are shown, each beside its bar, and kept for whoever runs several benchmarks.

With `LITEBATCH_FIGURES=FILE` in the environment each is also added to that file, as a line of JSON.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Literal

import msgspec

FIGURES = "LITEBATCH_FIGURES"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, as it was shown."""

    name: str
    """of the benchmark"""
    what: str
    told: str
    """the figure in words, where it has no bar with all that was shown"""
    figure: float | None = None
    unit: str = ""
    relation: Literal["at most", "at least", "beside"] | None = None
    """to the bar; `beside`: how many times as good as what was measured beside it"""
    bar: float | None = None
    held: bool | None = None

    @property
    def ratio(self) -> float | None:
        """How many times as good as the bar, or as what was measured beside it; None: it has neither."""
        if self.figure is None or self.relation is None:
            return None
        if self.bar is None:
            return self.figure
        if self.relation == "at least":
            return self.figure / self.bar
        return self.bar / self.figure if self.figure > 0 else math.inf


def show(what: str, figure: str) -> None:
    """A figure without a bar."""
    _line(what, figure)
    _keep(Figure(name=_benchmark(), what=what, told=figure))


def beside(what: str, ratios: Sequence[float]) -> None:
    """How many times as good as what is measured beside it, in rounds: above 1 it is better."""
    told = f"{spread(ratios)} times"
    _line(what, told)
    middle = median(ratios)
    _keep(Figure(name=_benchmark(), what=what, told=told, figure=middle, unit="times", relation="beside"))


def at_most(what: str, figure: float, bar: float, unit: str) -> None:
    """A figure that holds up to its bar."""
    _beside_bar(what, figure, "at most", bar, unit, held=figure <= bar)


def at_least(what: str, figure: float, bar: float, unit: str) -> None:
    """A figure that holds from its bar on."""
    _beside_bar(what, figure, "at least", bar, unit, held=figure >= bar)


def spread(figures: Sequence[float], digits: int = 2) -> str:
    """Median, lowest and highest."""
    low, middle, high = (f"{figure:.{digits}f}" for figure in (min(figures), median(figures), max(figures)))
    return f"{middle} ({low} to {high})"


class Medians:
    """Lines of medians and p99s in milliseconds, and which median is the highest."""

    def __init__(self) -> None:
        self.worst = 0.0
        print(f"  {'':<54} {'median':>9} {'p99':>9}  ms")

    def add(self, what: str, took: Sequence[float], beside: str = "", *, has_bar: bool = True) -> None:
        """Show what took so many milliseconds; without a bar it does not count for the highest."""
        middle, p99 = median(took), quantiles(took, n=100)[98]
        self.worst = max(self.worst, middle if has_bar else 0.0)
        print(f"  {what:<54} {middle:>9.2f} {p99:>9.2f}  {beside}", flush=True)
        told = f"{middle:.2f} ms, p99 {p99:.2f}{f', {beside}' if beside else ''}"
        _keep(Figure(name=_benchmark(), what=what, told=told, figure=middle, unit="ms"))


@contextmanager
def medians(slowest: str, bar: float) -> Generator[Medians]:
    """Collects medians; the highest of them is shown beside the bar, in milliseconds."""
    found = Medians()
    yield found
    at_most(slowest, found.worst, bar, "ms")


def _beside_bar(
    what: str, figure: float, relation: Literal["at most", "at least"], bar: float, unit: str, *, held: bool
) -> None:
    told = f"{figure:.2f} {unit}"
    _line(what, f"{told}, bar: {relation} {bar:g}: {'held' if held else 'MISSED'}")
    _keep(
        Figure(
            name=_benchmark(),
            what=what,
            told=told,
            figure=figure,
            unit=unit,
            relation=relation,
            bar=bar,
            held=held,
        )
    )


def _line(what: str, figure: str) -> None:
    print(f"  {what:<54} {figure}", flush=True)


def _benchmark() -> str:
    return Path(sys.argv[0]).stem.removeprefix("bench_")


def _keep(figure: Figure) -> None:
    path = os.environ.get(FIGURES)
    if path:
        with Path(path).open("ab") as file:
            file.write(msgspec.json.encode(figure) + b"\n")
