"""Words on stderr, and texts of others made fit for a terminal."""

from __future__ import annotations

import re
import sys

_ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""what makes a terminal do something, or turns the direction of writing; not tabs and line breaks"""
_PARTING = re.compile(f"{_ACTIVE.pattern[:-1]}\t\n]")
_ACTIVE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""the rest is spelled with escapes in JSON"""


def tell(words: str) -> None:
    """Words for whoever looks on."""
    print(visible(words), file=sys.stderr)


def visible(text: str) -> str:
    """The text with control characters spelled out, such as `\\x1b`: a terminal does nothing for them."""
    return _ACTIVE.sub(_spelled, text)


def visible_in_line(text: str) -> str:
    """The same for a part of a line: line breaks and tabs are spelled out too."""
    return _PARTING.sub(_spelled, text)


def visible_json(text: str) -> str:
    """JSON that says the same, with what a terminal may act on as escapes."""
    return _ACTIVE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _spelled(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode()
