"""The header `traceparent`, by which one span names another. Pure.

Source: W3C Trace Context, section 3.2; version 00, which is what is written.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_FORM = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class TraceParent(NamedTuple):
    """A span as others name it."""

    trace_id: int
    """128 bits, not 0"""
    span_id: int
    """64 bits, not 0"""
    flags: int
    """8 bits"""

    def __str__(self) -> str:
        """The header."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.flags:02x}"


def parse_traceparent(text: str | None) -> TraceParent | None:
    """What a header says; None for what is none."""
    found = _FORM.fullmatch(text) if text is not None else None
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    return TraceParent(trace_id, span_id, flags) if trace_id and span_id else None
