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
    start = _start(query, [id_of(item) for item in ordered])
    if start is None:
        message = f"Invalid 'after': no object with id '{query.after}' exists."
        raise ApiError(400, message, param="after", code="invalid_value")
    return ordered[start : start + query.limit], len(ordered) > start + query.limit


def page_number(query: Query, ids: Sequence[str]) -> int | None:
    """Which page of `ids`, which come oldest first, is asked for, from 1; None: of none."""
    start = _start(query, ids if query.ascending else ids[::-1])
    return None if start is None else -(-start // query.limit) + 1


def _start(query: Query, ids: Sequence[str]) -> int | None:
    if query.after is None:
        return 0
    return ids.index(query.after) + 1 if query.after in ids else None


def list_of(ids: Sequence[str], shown: Sequence[Any], *, has_more: bool) -> JSON:
    """The list object around a page of files or batches with these ids."""
    return {
        "object": "list",
        "data": shown,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
        "has_more": has_more,
    }


class Listable(Protocol):
    """What appears in lists."""

    @property
    def listed_at(self) -> float:
        """Monotonic seconds at which it was made."""
        ...

    @property
    def lists_before(self) -> int:
        """How often such objects had been listed when it was made."""
        ...


L = TypeVar("L", bound=Listable)


def listed(items: Sequence[L], fault: Fault, lists_made: int) -> Sequence[L]:
    """What a list shows of `items`, oldest first, when a fault lets it lag behind.

    `lists_made`: how often such objects have been listed before.
    """
    newest, last = time.monotonic() - fault.list_lag, lists_made - fault.list_lag_calls
    seen = [item for item in items if not fault.list_lag or item.listed_at <= newest]
    seen = [item for item in seen if item.lists_before <= last]
    return seen[: len(seen) - fault.hide_newest] if fault.hide_newest else seen
