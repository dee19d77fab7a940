"""How figures are shown: each beside its bar."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


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


def _show(what: str, figure: float, relation: str, bar: float, unit: str, *, held: bool) -> None:
    verdict = "held" if held else "MISSED"
    show(what, f"{figure:.2f} {unit}, bar: {relation} {bar:g}: {verdict}")
