"""Lists of files and batches, in pages."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from .faults import Fault
from .json_values import JSON
from .wire import ApiError, integer, wrong_value


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Checked parameters of a list."""

    limit: int
    after: str | None = None
    ascending: bool = False
    number: int | None = None
    """of a page, from 0, where pages are not asked for by what they come after"""


def query_of(params: Mapping[str, str], *, default: int, most: int) -> Query:
    """The paging parameters of a request."""
    order = params.get("order", "desc")
    if order not in ("asc", "desc"):
        raise wrong_value("order", order, ["asc", "desc"])
    return Query(
        limit=integer("limit", params.get("limit", default), 1, most),
        after=params.get("after"),
        ascending=order == "asc",
    )


class Listable(Protocol):
    """What appears in lists."""

    @property
    def number(self) -> int:
        """Higher than that of what is older."""
        ...

    @property
    def listed_at(self) -> float:
        """Monotonic seconds at which it was made."""
        ...

    @property
    def lists_before(self) -> int:
        """How often such objects had been listed when it was made."""
        ...


L = TypeVar("L", bound=Listable)


def page(query: Query, items: Sequence[L], after: L | None) -> tuple[Sequence[L], bool]:
    """One page of `items`, which come oldest first, and whether more follow.

    `after` is what `query.after` names, None if there is nothing of that name. However many items there are,
    only those of the page are touched.
    """
    skipped = _skipped(query, items, after)
    if skipped is None:
        message = f"Invalid 'after': no object with id '{query.after}' exists."
        raise ApiError(400, message, param="after", code="invalid_value")
    left = max(0, len(items) - skipped)
    if query.ascending:
        return items[skipped : skipped + query.limit], left > query.limit
    return items[max(0, left - query.limit) : left][::-1], left > query.limit


def page_number(query: Query, items: Sequence[L], after: L | None) -> int | None:
    """Which page of `items`, which come oldest first, is asked for, from 1; None: of none."""
    skipped = _skipped(query, items, after)
    return None if skipped is None else -(-skipped // query.limit) + 1


def _skipped(query: Query, items: Sequence[L], after: L | None) -> int | None:
    """How many items the pages before have; None if what they ended with is not among the items."""
    if query.number is not None:
        return query.number * query.limit
    if query.after is None:
        return 0
    if after is None:
        return None
    index = bisect_left(items, after.number, key=lambda item: item.number)
    if index == len(items) or items[index].number != after.number:
        return None
    return index + 1 if query.ascending else len(items) - index


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of files or batches, before a list object is made of it."""

    ids: Sequence[str]
    shown: Sequence[Any]
    has_more: bool
    total: int
    """objects on all pages"""


def list_of(page: Page) -> JSON:
    """OpenAI's list object around a page."""
    return {
        "object": "list",
        "data": page.shown,
        "first_id": page.ids[0] if page.ids else None,
        "last_id": page.ids[-1] if page.ids else None,
        "has_more": page.has_more,
    }


def listed(items: Sequence[L], fault: Fault, lists_made: int) -> Sequence[L]:
    """What a list shows of `items`, oldest first, when a fault lets it lag behind.

    `lists_made`: how often such objects have been listed before.
    """
    newest, last = time.monotonic() - fault.list_lag, lists_made - fault.list_lag_calls
    if fault.list_lag:
        items = [item for item in items if item.listed_at <= newest]
    if fault.list_lag_calls:
        items = [item for item in items if item.lists_before <= last]
    return items[: max(0, len(items) - fault.hide_newest)] if fault.hide_newest else items
