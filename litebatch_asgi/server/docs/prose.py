"""Sentences of ours as HTML. Pure."""

from __future__ import annotations

from htpy import Node, code


def prose(text: str) -> Node:
    """A sentence in which `code` stands between backticks."""
    parts = text.split("`")
    return [code[part] if index % 2 else part for index, part in enumerate(parts)]


def joined(nodes: list[Node], between: str) -> Node:
    """One after the other, with a text between them."""
    return [[between if index else None, node] for index, node in enumerate(nodes)]
