"""Larger parts of pages."""

from __future__ import annotations

from collections.abc import Iterable

import htpy as h
from htpy import Element, Node

from litebatch_asgi.page.parts.texts import seen
from litebatch_asgi.page.visit import Visit


def heading(title: Node, *beside: Node) -> Element:
    """The head of a page, with what can be done there beside it."""
    return h.div(".heading")[h.h1[seen(title)], h.div(".actions")[beside] if beside else None]


def facts(pairs: Iterable[tuple[str, Node]]) -> Element:
    """Names and values; pairs without a value are left out."""
    given = ((name, seen(value)) for name, value in pairs if value is not None)
    return h.dl(".facts")[(h.div[h.dt[name], h.dd[value]] for name, value in given)]


def empty(title: str, *what_to_do: Node) -> Element:
    """What stands where there is nothing yet: what to run or press first."""
    return h.section(".empty")[h.h2[title], what_to_do]


def code(text: str) -> Element:
    """Lines to paste, or a sample."""
    return h.pre(tabindex="0")[h.code[text]]


def pager(visit: Visit, path: str, *, older: str | None, newer: str | None = None) -> Node:
    """Links to the next page and back to the newest, with the same filters. `older`: what it begins after."""
    query = {name: value for name, value in visit.query.items() if name not in ("after", "before")}
    if older is None and newer is None and "after" not in visit.query:
        return None
    return h.nav(".pager", aria_label="Pages")[
        h.a(".button", href=visit.url(path, query))["Newest"] if "after" in visit.query else None,
        h.a(".button", rel="next", href=visit.url(path, {**query, "after": older}))["Older"]
        if older
        else None,
    ]


def search_pager(visit: Visit, path: str, *, older: str | None, newer: str | None, on: str = "Older") -> Node:
    """Links from a page of a search: on to older ones and back to newer ones, with the same filters.

    `older` and `newer` are the `next` and `previous` of what was found; `on` is what the first one says.
    """
    query = {name: value for name, value in visit.query.items() if name not in ("after", "before")}
    is_first = not {"after", "before"} & visit.query.keys()
    links = [
        None if is_first else h.a(".button", href=visit.url(path, query))["Newest"],
        h.a(".button", rel="prev", href=visit.url(path, {**query, "after": newer}))["Newer"]
        if newer
        else None,
        h.a(".button", rel="next", href=visit.url(path, {**query, "before": older}))[on] if older else None,
    ]
    return h.nav(".pager", aria_label="Pages")[links] if any(links) else None
