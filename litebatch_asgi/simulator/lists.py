"""Lists of files and batches, in pages."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from .faults import Fault
from .json_values import JSON
from .wire import ApiError, integer, wrong_value

T = TypeVar("T")


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Checked parameters of a list."""

    limit: int
    after: str | None
    ascending: bool


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


def page(query: Query, items: Sequence[T], id_of: Callable[[T], str]) -> tuple[list[T], bool]:
    """One page of `items`, which come oldest first, and whether more follow."""
    ordered = list(items) if query.ascending else list(reversed(items))
    start = 0
    if query.after is not None:
        ids = [id_of(item) for item in ordered]
        if query.after not in ids:
            message = f"Invalid 'after': no object with id '{query.after}' exists."
            raise ApiError(400, message, param="after", code="invalid_value")
        start = ids.index(query.after) + 1
    return ordered[start : start + query.limit], len(ordered) > start + query.limit


def list_of(items: Sequence[Any], *, has_more: bool) -> JSON:
    """The list object around a page of files or batches."""
    return {
        "object": "list",
        "data": list(items),
        "first_id": items[0].id if items else None,
        "last_id": items[-1].id if items else None,
        "has_more": has_more,
    }


class Listable(Protocol):
    """What appears in lists."""

    @property
    def listed_at(self) -> float:
        """Monotonic seconds at which it was made."""
        ...


L = TypeVar("L", bound=Listable)


def listed(items: Sequence[L], fault: Fault) -> Sequence[L]:
    """What a list shows of `items`, oldest first, when a fault lets it lag behind."""
    newest = time.monotonic() - fault.list_lag
    seen = [item for item in items if not fault.list_lag or item.listed_at <= newest]
    return seen[: len(seen) - fault.hide_newest] if fault.hide_newest else seen
