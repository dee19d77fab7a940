"""Endpoints of webhooks in memory."""

from __future__ import annotations

from collections.abc import Callable

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import WebhookEndpoint
from litebatch_asgi.testing.tables import Tables
from litebatch_asgi.webhooks.endpoints import EndpointQuery


class MemoryWebhookEndpointStore:
    """A `WebhookEndpointStore` on a storage in memory."""

    def __init__(self, tables: Tables) -> None:
        self._check_open = tables.check_open
        self._rows = tables.endpoints

    async def create(self, endpoint: WebhookEndpoint, *, most: int) -> bool:
        """See `WebhookEndpointStore.create`."""
        self._check_open()
        if sum(each.owner == endpoint.owner for each in self._rows.values()) >= most:
            return False
        if endpoint.id in self._rows:
            raise StateConflict(f"{endpoint.id} is there already")
        self._rows[endpoint.id] = endpoint
        return True

    async def get(self, endpoint_id: str) -> WebhookEndpoint | None:
        """See `WebhookEndpointStore.get`."""
        self._check_open()
        return self._rows.get(endpoint_id)

    async def page(self, query: EndpointQuery) -> list[WebhookEndpoint]:
        """See `WebhookEndpointStore.page`."""
        self._check_open()
        found = [each for each in self._rows.values() if query.owner in (None, each.owner)]
        if query.after is not None:
            last = (query.after.created_at, query.after.id)
            found = [each for each in found if (each.created_at, each.id) < last]
        return sorted(found, key=lambda each: (each.created_at, each.id), reverse=True)[: query.limit]

    async def change(
        self, endpoint_id: str, decide: Callable[[WebhookEndpoint], WebhookEndpoint]
    ) -> WebhookEndpoint:
        """See `WebhookEndpointStore.change`."""
        self._check_there(endpoint_id)
        self._rows[endpoint_id] = decide(self._rows[endpoint_id])
        return self._rows[endpoint_id]

    async def delete(self, endpoint_id: str) -> None:
        """See `WebhookEndpointStore.delete`."""
        self._check_there(endpoint_id)
        del self._rows[endpoint_id]

    def _check_there(self, endpoint_id: str) -> None:
        self._check_open()
        if endpoint_id not in self._rows:
            raise StateConflict(f"{endpoint_id} is not there")
