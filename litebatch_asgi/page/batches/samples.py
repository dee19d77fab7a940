"""A request and its answer, beside each other."""

from __future__ import annotations

import htpy as h
from htpy import Element, Node

from litebatch_asgi.page.batches.answers import answer_text
from litebatch_asgi.page.parts import code, pretty, size, visible

_MOST_READ = 256 << 10
"""bytes of a line that are looked at"""
_MOST_JSON = 40_000
_MOST_TEXT = 20_000
"""characters that are shown"""
BRIEFLY = 2_000
"""characters of one of many"""


def side_by_side(request: Node, answer: Node, *, title: Element = h.h3) -> Node:
    """Both, or one below the other where there is no room; `title` is the kind of heading above each."""
    return h.div(".side-by-side")[
        h.section[title["Request"], request],
        h.section[title["Answer"], answer],
    ]


def line_of(line: bytes, most: int = _MOST_JSON) -> Node:
    """A line of a file, as JSON that people can read, at most so many characters of it."""
    text, is_all = pretty(line[:_MOST_READ].decode("utf-8", "replace"), most)
    is_all = is_all and len(line) <= _MOST_READ
    cut = h.p(".dim")[f"The line has {size(len(line))}; this is its beginning."]
    return [code(visible(text)), None if is_all else cut]


def answer_of(row: bytes, most: int = _MOST_TEXT) -> Node:
    """A row of results: what the answer says, at most so many characters, and all that is around it."""
    said = answer_text(row) if len(row) <= _MOST_READ else None
    around = min(2 * most, _MOST_JSON)
    if said is None:
        return line_of(row, around)
    cut = h.p(".dim")[f"The answer has {len(said):,} characters; these are the first."]
    return [
        h.div(".said", dir="auto", tabindex="0")[visible(said[:most])],
        cut if len(said) > most else None,
        line_of(row, around),
    ]
