"""Tables: rows on wide screens, cards on narrow ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import htpy as h
import msgspec
from htpy import Element, Node
from markupsafe import Markup

from litebatch_asgi.page.parts.texts import seen

_ROW = h.tr(role="row")


class Column(msgspec.Struct, frozen=True):
    """A column: what stands above it, and whether numbers are in it."""

    title: str
    is_number: bool = False


def table(caption: str, columns: Sequence[Column | str], rows: Iterable[Sequence[Node]]) -> Element:
    """A table; each row has a cell for each column. The caption is for screen readers.

    The roles say again what the elements are: cards are no tables to a browser.
    """
    heads = [Column(each) if isinstance(each, str) else each for each in columns]
    row = _row(heads)
    return h.div(".table")[
        h.table(role="table")[
            h.caption(".unseen")[caption],
            h.thead(role="rowgroup")[
                _ROW[
                    [
                        h.th(scope="col", role="columnheader", class_=_class(head))[head.title]
                        for head in heads
                    ]
                ]
            ],
            h.tbody(role="rowgroup")[[row % tuple(map(_shown, each)) for each in rows]],
        ]
    ]


def _row(heads: Sequence[Column]) -> Markup:
    """A row with a `%s` for each cell: filling it in, which escapes, takes a fifth of making its elements."""
    cells = [h.td(role="cell", class_=_class(head), data_label=head.title or None) for head in heads]
    kept = [cell[""].__html__().replace("%", "%%").removesuffix("</td>") for cell in cells]
    return _ROW[[(opening, Markup("%s</td>")) for opening in kept]].__html__()


def _shown(node: Node) -> str | Element:
    """What `%` writes as htpy would."""
    node = seen(node)
    if isinstance(node, str | Element):
        return node
    return h.fragment[node].__html__()


def _class(column: Column) -> str | None:
    return "number" if column.is_number else None
