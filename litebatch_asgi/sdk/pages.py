"""A page of a provider's list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import TypeVar

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models import ProviderBatch, ProviderFile
from litebatch_asgi.wire import checks

Listed = TypeVar("Listed", ProviderBatch, ProviderFile)

EVER = datetime(2020, 1, 1, tzinfo=UTC)
"""before any provider had batches"""


async def page_of(
    listed: AsyncIterator[Listed],
    *,
    limit: int,
    most: int,
    after: str | None,
    wanted: Callable[[Listed], bool] = lambda item: True,
) -> tuple[list[Listed], bool]:
    """The first `limit` items that are wanted, behind the one called `after`, and whether there are more.

    Raises `InvalidRequest` for a limit that is not from 1 to `most`, and for an id that is not in the list.
    """
    checks.in_range(limit, "limit", 1, most)
    found: list[Listed] = []
    begun = after is None
    async for item in listed:
        if begun and wanted(item):
            if len(found) == limit:
                return found, True
            found.append(item)
        begun = begun or item.id == after
    if not begun:
        raise InvalidRequest(
            f"'after': there is no {after!r} in the list. Take the id of something in the last page.",
            param="after",
        )
    return found, False
