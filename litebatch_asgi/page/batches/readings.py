"""How far files were read, in words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from litebatch_asgi.batches import FoundLine, ReadEnd, Reading
from litebatch_asgi.page.parts import size

_WHY: Mapping[ReadEnd, str] = MappingProxyType(
    {
        ReadEnd.TOO_LONG: "more is not read for a page",
        ReadEnd.TOO_SLOW: "then the time was over",
        ReadEnd.GONE: "The file was deleted, has expired or is lost.",
        ReadEnd.UNREADABLE: "The file cannot be read at the moment. Try again later.",
    }
)


def left_out(reading: Reading) -> str | None:
    """What was not read of a file, and why; None: it was read as far as that was of use."""
    if reading.end in (ReadEnd.WHOLE, ReadEnd.ENOUGH):
        return None
    if reading.end in (ReadEnd.TOO_LONG, ReadEnd.TOO_SLOW):
        return f"{size(reading.bytes)} of {size(reading.total)} were read; {_WHY[reading.end]}."
    return _WHY[reading.end]


def not_found(found: FoundLine) -> str:
    """Why there is no line to show."""
    cut = left_out(found.reading)
    if cut is not None:
        return f"It was not found. {cut}"
    if found.passed_over:
        return f"It was not found; {found.passed_over:,} lines are too long to be searched."
    return "There is none with this custom_id."
