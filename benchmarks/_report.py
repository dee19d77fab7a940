"""How figures are shown: each beside its bar."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from statistics import median, quantiles


def show(what: str, figure: str) -> None:
    """A figure without a bar."""
    print(f"  {what:<54} {figure}", flush=True)


def at_most(what: str, figure: float, bar: float, unit: str) -> None:
    """A figure that holds up to its bar."""
    _show(what, figure, "at most", bar, unit, held=figure <= bar)


def at_least(what: str, figure: float, bar: float, unit: str) -> None:
    """A figure that holds from its bar on."""
    _show(what, figure, "at least", bar, unit, held=figure >= bar)


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
        self.worst = max(self.worst, median(took) if has_bar else 0.0)
        print(f"  {what:<54} {median(took):>9.2f} {quantiles(took, n=100)[98]:>9.2f}  {beside}", flush=True)


@contextmanager
def medians(slowest: str, bar: float) -> Generator[Medians]:
    """Collects medians; the highest of them is shown beside the bar, in milliseconds."""
    found = Medians()
    yield found
    at_most(slowest, found.worst, bar, "ms")


def _show(what: str, figure: float, relation: str, bar: float, unit: str, *, held: bool) -> None:
    verdict = "held" if held else "MISSED"
    show(what, f"{figure:.2f} {unit}, bar: {relation} {bar:g}: {verdict}")
