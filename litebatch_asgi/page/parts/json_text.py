"""JSON as people read it, whatever it is that claims to be JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)
_STEP = "  "
_DEEPEST = 24
"""what is deeper is not indented more: a line's indentation would be longer than all else"""


def pretty(text: str, most: int) -> tuple[str, bool]:
    """A JSON text with a line for each value, at most so many characters of it; whether that is all.

    It never raises: of what is no JSON, or was cut, the tokens are laid out likewise.
    """
    parts: list[str] = []
    size = 0
    for part in _laid_out(text):
        parts.append(part)
        size += len(part)
        if size > most:
            return "".join(parts)[:most], False
    return "".join(parts), True


def _laid_out(text: str) -> Iterator[str]:
    depth, before = 0, ""
    for found in _TOKEN.finditer(text):
        part = found[0]
        if part in "]}":
            depth = max(0, depth - 1)
            yield part if before in ("[", "{") else _line(depth) + part
        else:
            if before in ("[", "{", ","):
                yield _line(depth)
            elif before and before != ":" and part not in (",", ":"):
                yield " "  # no JSON
            yield ": " if part == ":" else part
            depth += part in "[{"
        before = part


def _line(depth: int) -> str:
    return "\n" + _STEP * min(depth, _DEEPEST)
