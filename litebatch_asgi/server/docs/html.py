"""HTML that is safe by how it is made: every text is escaped, unless it is markup already. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias


class Markup(str):
    """HTML as it is to be sent."""

    __slots__ = ()


Content: TypeAlias = str | Markup
"""a text, or markup"""

_VOID = frozenset({"meta"})


def safe(content: Content) -> Markup:
    """Markup as it is; of a text, what shows it."""
    return content if isinstance(content, Markup) else Markup(escape(content))


def joined(contents: Iterable[Content], between: Content = "") -> Markup:
    """One after the other."""
    return Markup(safe(between).join(map(safe, contents)))


def element(tag: str, /, *contents: Content, **attributes: str | bool) -> Markup:
    """An element; `class_` is the attribute `class`. One that is True has no value, False is left out."""
    given = [
        f" {key.rstrip('_')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not False
    ]
    start = f"<{tag}{''.join(given)}>"
    return Markup(start if tag in _VOID else f"{start}{joined(contents)}</{tag}>")


def prose(text: str) -> Markup:
    """A sentence of ours, in which `code` stands between backticks."""
    parts = text.split("`")
    return joined(element("code", part) if index % 2 else part for index, part in enumerate(parts))
