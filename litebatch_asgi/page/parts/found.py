"""What stands below the list of what a search has found."""

from __future__ import annotations

import htpy as h
from htpy import Node

from litebatch_asgi.batches import SearchResult
from litebatch_asgi.page.parts.blocks import search_pager
from litebatch_asgi.page.parts.values import when
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.search import T
from litebatch_asgi.wire.search import parse_cursor


def search_rest(
    visit: Visit, path: str, found: SearchResult[T], *, limit: int, what: str, nothing: Node
) -> Node:
    """What to do next: where there is nothing, where the search has not come to its end, or to see more.

    `what` is looked for, such as `batches`; `nothing` is shown where none are there at all.
    """
    is_cut = found.next is not None and len(found.items) < limit
    cursor = parse_cursor(found.next, "before") if is_cut else None
    on = "Older" if cursor is None else "Look further"
    pages = search_pager(visit, path, older=found.next, newer=found.previous, on=on)
    if cursor is not None:
        said = "These are all since " if found.items else f"Nothing was found among the {what} since "
        return [h.p(role="status")[said, when(cursor.created_at), "; there are older ones."], pages]
    return pages if found.items else [nothing, pages]
