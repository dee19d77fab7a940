"""Reading a provider's list completely, whatever its order, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

import anyio.lowlevel

from litebatch_asgi.errors import NoClearAnswer
from litebatch_asgi.models import ProviderBatch, ProviderFile
from litebatch_asgi.providers.openai.reading import ListPage, Object

Listed = TypeVar("Listed", ProviderBatch, ProviderFile)
FetchPage = Callable[[str | None], Awaitable[ListPage]]

_DISORDER = timedelta(seconds=5)
"""how far neighbours in a list may stand in the wrong order"""
_SLICE = 250
"""objects read before others have their turn: a list of 10,000 may come as one page"""


async def list_since(
    fetch: FetchPage, parse: Callable[[Object], Listed], since: datetime
) -> AsyncIterator[Listed]:
    """Everything made at or after `since`, in the provider's order; ends normally only if that is complete.

    `fetch` gives the page after an id, or the first one. Providers tell whole seconds, so what is up to one
    second older is included, and so is what has no known time. Reading stops early only where the list has
    shown itself to run from new to old; any other is read to its end. Where a page ends in objects that are
    passed over, the next one begins with them. Raises what `fetch` raises, and `NoClearAnswer` for a page
    that does not lead on.
    """
    horizon = since.replace(microsecond=0) - timedelta(seconds=1)
    order = _Order()
    seen: set[str] = set()
    after: str | None = None
    while True:
        page = await fetch(after)
        known = len(seen)
        for count, content in enumerate(page.items, 1):
            if count % _SLICE == 0:
                await anyio.lowlevel.checkpoint()
            item = parse(content)
            after = item.id
            if item.id in seen:
                continue
            seen.add(item.id)
            order.note(item.created_at)
            if item.created_at is None or item.created_at >= horizon:
                yield item
        is_empty = not page.items and not page.passed_over
        if page.has_more is False or (page.has_more is None and is_empty) or order.is_past(horizon):
            return
        if len(seen) == known:
            raise NoClearAnswer("the list repeats itself")


class _Order:
    """Whether a list runs from new to old, and how far it has come."""

    def __init__(self) -> None:
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._has_risen = False

    def note(self, moment: datetime | None) -> None:
        if moment is None:
            return
        if self._last is not None and moment > self._last + _DISORDER:
            self._has_risen = True
        self._first = self._first or moment
        self._last = moment

    def is_past(self, horizon: datetime) -> bool:
        if self._first is None or self._last is None or self._has_risen:
            return False
        return self._last < self._first and self._last < horizon - _DISORDER
