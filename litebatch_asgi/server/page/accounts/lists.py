"""Lists that are paged by numbers."""

from __future__ import annotations

import htpy as h
import msgspec
from htpy import Node

from litebatch_asgi.page import Visit
from litebatch_asgi.server.keys.parsing import parse_query
from litebatch_asgi.server.keys.queries import Name, PageNumber

ROWS = 50


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which accounts are listed."""

    page: PageNumber = 1
    id: Name | None = None
    alias: Name | None = None
    user_id: Name | None = None
    """of keys"""
    team_id: Name | None = None
    """of keys"""

    @property
    def offset(self) -> int:
        """How many lie before."""
        return ROWS * (self.page - 1)

    @property
    def filters(self) -> dict[str, str | None]:
        """What is asked for beside the page."""
        return {name: getattr(self, name) for name in ("id", "alias", "user_id", "team_id")}


def parse(visit: Visit) -> Asked:
    """What the address says. Raises `InvalidRequest`."""
    return parse_query(visit.query, Asked)


def pages(visit: Visit, path: str, asked: Asked, total: int) -> Node:
    """Where in the list one is, and the ways on and back."""
    last = min(asked.offset + ROWS, total)
    if total <= ROWS and asked.page == 1:
        return None
    before = {**asked.filters, "page": str(asked.page - 1)}
    after = {**asked.filters, "page": str(asked.page + 1)}
    return h.nav(".pager", aria_label="Pages")[
        h.a(".button", rel="prev", href=visit.url(path, before))["Newer"] if asked.page > 1 else None,
        h.a(".button", rel="next", href=visit.url(path, after))["Older"] if last < total else None,
        h.span(".dim")[f"{min(asked.offset + 1, last):,} to {last:,} of {total:,}"],
    ]
