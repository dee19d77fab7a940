"""Tables: rows on wide screens, cards on narrow ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import htpy as h
import msgspec
from htpy import Element, Node


class Column(msgspec.Struct, frozen=True):
    """A column: what stands above it, and whether numbers are in it."""

    title: str
    is_number: bool = False


def table(caption: str, columns: Sequence[Column | str], rows: Iterable[Sequence[Node]]) -> Element:
    """A table; each row has a cell for each column. The caption is for screen readers.

    The roles say again what the elements are: cards are no tables to a browser.
    """
    heads = [Column(each) if isinstance(each, str) else each for each in columns]
    return h.div(".table")[
        h.table(role="table")[
            h.caption(".unseen")[caption],
            h.thead(role="rowgroup")[
                h.tr(role="row")[
                    (
                        h.th(scope="col", role="columnheader", class_=_class(head))[head.title]
                        for head in heads
                    )
                ]
            ],
            h.tbody(role="rowgroup")[
                (
                    h.tr(role="row")[
                        (
                            h.td(role="cell", class_=_class(head), data_label=head.title or None)[cell]
                            for head, cell in zip(heads, row, strict=True)
                        )
                    ]
                    for row in rows
                )
            ],
        ]
    ]


def _class(column: Column) -> str | None:
    return "number" if column.is_number else None
