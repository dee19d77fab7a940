"""Texts of others: what they cannot do to the page around them."""

from __future__ import annotations

import re

import htpy as h
from htpy import Element, Node
from markupsafe import Markup

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""controls, what turns the direction of what follows, what cannot be seen, and halves of pairs

What joins letters and emojis is none of these. Source: Unicode Standard Annex 9, "Explicit Directional
Formatting Characters".
"""


def visible(text: str) -> str:
    """A text with escapes such as `\\u202e` in place of characters that nobody sees; lines stay lines."""
    return _UNSEEN.sub(_escaped, text)


def seen(node: Node) -> Node:
    """A node, of which a text of its own is made visible."""
    return visible(node) if isinstance(node, str) and not isinstance(node, Markup) else node


def told(text: str, most: int = 300) -> Element:
    """A text of somebody else, in a line, cut after so many characters; it keeps its direction to itself."""
    return h.bdi[visible(shortened(" ".join(text[: 4 * most].split()), most))]


def shortened(text: str, most: int) -> str:
    """At most so many characters of a text, and a sign that there are more."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _escaped(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
