"""Amounts, sums and times as people read them. Pure."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

_UNITS = ((86_400, "d"), (3600, "h"), (60, "m"))
_THOUSANDS_FROM = 10_000
_CENT = Decimal("0.01")
_SIZES = ((1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB"))


def counted(count: int, word: str) -> str:
    """Such as `1 request`, `1,200 requests`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def dollars_shown(cost: str | None) -> str:
    """Dollars, rounded up: to a cent, below a dollar to four places, below a cent to two digits."""
    if cost is None:
        return "unknown"
    amount = Decimal(cost)
    place = Decimal("0.01") if amount >= 1 or not amount else Decimal("0.0001")
    if 0 < amount < _CENT:
        place = Decimal(1).scaleb(amount.adjusted() - 1)
    return f"${amount.quantize(place, ROUND_CEILING):,f}"


def age_of(seconds: float) -> str:
    """Such as `40s`, `12m`, `3d`."""
    for unit, name in _UNITS:
        if seconds >= unit:
            return f"{int(seconds // unit)}{name}"
    return f"{max(0, int(seconds))}s"


def span_of(seconds: float) -> str:
    """Such as `40s`, `1m 30s`, `3d 2h`: an age with its next smaller unit."""
    whole = max(0, int(seconds))
    for (unit, name), (smaller, its_name) in zip(_UNITS, (*_UNITS[1:], (1, "s")), strict=True):
        if whole >= unit:
            rest = whole % unit // smaller
            return f"{whole // unit}{name} {rest}{its_name}" if rest else f"{whole // unit}{name}"
    return f"{whole}s"


def amount_of(count: int) -> str:
    """Such as `9999`, `31k`."""
    return str(count) if count < _THOUSANDS_FROM else f"{count // 1000}k"


def size_of(count: float) -> str:
    """Bytes, such as `12 bytes`, `3.1 MB`."""
    for unit, name in _SIZES:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count:.0f} bytes"
