"""Single values as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal

import htpy as h
from htpy import Element, Node

NOTHING = "-"
_CENT = Decimal("0.01")
_TONES = {
    "completed": "good",
    "processed": "good",
    "ready": "good",
    "failed": "bad",
    "error": "bad",
    "dead": "bad",
    "blocked": "bad",
    "expired": "warn",
    "cancelled": "warn",
    "cancelling": "warn",
    "waiting": "warn",
    "drained": "warn",
    "resting": "warn",
    "in_progress": "busy",
    "finalizing": "busy",
    "validating": "busy",
}
_BAR = h.svg(viewBox="0 0 100 1", preserveAspectRatio="none", aria_hidden="true", focusable="false")
_TRACK = h.rect(".track", width="100", height="1")
_BINARY = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def chip(status: str, text: str | None = None) -> Element:
    """A status, in a colour for what it means; the word is always there."""
    return h.span(f".chip.{_TONES.get(status, 'plain')}")[text or status.replace("_", " ")]


def progress(done: int, failed: int, total: int) -> Element:
    """A bar of how many of `total` lines have succeeded and failed."""
    share = 100 / total if total else 0.0
    told = f"{done:,} done, {failed:,} failed of {total:,}"
    return h.div(
        class_="progress",
        role="progressbar",
        aria_label="lines",
        aria_valuemin="0",
        aria_valuemax=str(max(total, 1)),
        aria_valuenow=str(min(done + failed, max(total, 1))),
        aria_valuetext=told,
        title=told,
    )[bar(("done", done * share), ("bad", failed * share))]


def bar(*parts: tuple[str, float]) -> Element:
    """A bar with parts beside each other: class and percent of each. It says nothing to screen readers."""
    drawn: list[Element] = []
    start = 0.0
    for class_, percent in parts:
        drawn.append(
            h.rect(class_=class_, x=f"{start:.2f}" if start else None, width=f"{percent:.2f}", height="1")
        )
        start += percent
    return _BAR[[_TRACK, *drawn]]


def when(moment: datetime | None, *, to_seconds: bool = False) -> Node:
    """A time in UTC, to the minute or the second; the whole of it where the pointer rests."""
    if moment is None:
        return h.span(".dim")[NOTHING]
    moment = moment.astimezone(UTC)
    return h.time(datetime=moment.isoformat(), title=f"{moment:%Y-%m-%d %H:%M:%S} UTC")[
        f"{moment:%Y-%m-%d %H:%M:%S}" if to_seconds else f"{moment:%Y-%m-%d %H:%M}"
    ]


def ago(moment: datetime | None, now: datetime) -> Node:
    """How long a time is past, or how long it is until then."""
    if moment is None:
        return h.span(".dim")[NOTHING]
    seconds = (now - moment).total_seconds()
    told = f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"
    utc = moment.astimezone(UTC)
    return h.time(datetime=utc.isoformat(), title=f"{utc:%Y-%m-%d %H:%M:%S} UTC")[told]


def duration(seconds: float) -> str:
    """A time in its two largest units: `2 h 5 min`."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for length, unit in _UNITS:
        count, left = divmod(left, length)
        if count or parts or unit == "s":
            parts.append(f"{count} {unit}")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if not part.startswith("0 ")) or "0 s"


def amount(cost: Decimal | str | None) -> str:
    """US dollars, rounded up: to a cent, below a dollar to four places, below a cent to two digits."""
    if cost is None:
        return "unknown"
    value = Decimal(cost)
    place = Decimal("0.01") if abs(value) >= 1 or not value else Decimal("0.0001")
    if 0 < abs(value) < _CENT:
        place = Decimal(1).scaleb(value.adjusted() - 1)
    return f"${value.quantize(place, ROUND_CEILING):,f}"


def counted(count: int, one: str, more: str) -> str:
    """A number of something, with its word."""
    return f"{count:,} {one if count == 1 else more}"


def size_limit(count: int) -> str:
    """Bytes that may not be passed, exactly: in binary units where they are whole ones."""
    for factor, unit in _BINARY:
        if count and not count % factor:
            return f"{count // factor:,} {unit}"
    return f"{count:,} bytes"


def size(count: int) -> str:
    """Bytes, in decimal units."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:,.0f} {unit}" if unit == "B" or value >= 100 else f"{value:,.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")
