"""The seam to where the endpoints of webhooks are kept.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from litebatch_asgi.models import WebhookEndpoint


class EndpointQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which endpoints to list, newest first."""

    owner: str | None
    """None: every owner's"""
    after: WebhookEndpoint | None = None
    """the last endpoint of the page before"""
    limit: int


class WebhookEndpointStore(Protocol):
    """Keeps the endpoints of webhooks, and none of their secrets.

    Every method may raise `StorageUnavailable`, and does when the storage is not open; then nothing was
    written. What was written is seen by everything that begins after.
    """

    async def create(self, endpoint: WebhookEndpoint, *, most: int) -> bool:
        """Insert an endpoint, unless its owner has `most` of them already; whether it was inserted.

        Of many at once no more are inserted than there is room for. Raises `StateConflict` if its id is
        there already.
        """
        ...

    async def get(self, endpoint_id: str) -> WebhookEndpoint | None:
        """The endpoint with this id."""
        ...

    async def page(self, query: EndpointQuery) -> list[WebhookEndpoint]:
        """Those that match in order of (created_at, id), descending."""
        ...

    async def change(
        self, endpoint_id: str, decide: Callable[[WebhookEndpoint], WebhookEndpoint]
    ) -> WebhookEndpoint:
        """Lock one, let `decide` look at it, write what it returns; nothing if it raises.

        Returns what was written. Raises `StateConflict` if it is not there. `decide` is pure, and must keep
        `id`, `owner`, `created_by` and `created_at`.
        """
        ...

    async def delete(self, endpoint_id: str) -> None:
        """Delete one. Raises `StateConflict` if it is not there."""
        ...
