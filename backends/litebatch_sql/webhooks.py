"""Endpoints of webhooks in the database of an SQL storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import WebhookEndpoint
from litebatch_asgi.webhooks.endpoints import EndpointQuery
from litebatch_sql.executor import Executor, Transaction, in_transaction
from litebatch_sql.queries import Queries
from litebatch_sql.reservations import lock_scope
from litebatch_sql.rows import to_microseconds
from litebatch_sql.tables import ENDPOINTS


class SQLWebhookEndpointStore:
    """A `WebhookEndpointStore` over an `Executor`; `queries` raises until it is open."""

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def create(self, endpoint: WebhookEndpoint, *, most: int) -> bool:
        """See `WebhookEndpointStore.create`."""
        queries = self._queries()

        async def create(transaction: Transaction) -> bool:
            await lock_scope(transaction, queries, f"webhooks:{endpoint.owner}")
            # a statement of its own: it sees what was committed while the lock was waited for
            count = queries.sql("count_webhook_endpoints")
            row = await transaction.fetch_one(count, {"owner": endpoint.owner})
            if row is not None and row[0] >= most:
                return False
            await transaction.execute(queries.sql("insert_webhook_endpoints"), ENDPOINTS.encode(endpoint))
            return True

        return await in_transaction(self._executor, create)

    async def get(self, endpoint_id: str) -> WebhookEndpoint | None:
        """See `WebhookEndpointStore.get`."""
        row = await self._executor.fetch_one(self._queries().sql("get_webhook_endpoint"), {"id": endpoint_id})
        return ENDPOINTS.decode(row) if row else None

    async def page(self, query: EndpointQuery) -> list[WebhookEndpoint]:
        """See `WebhookEndpointStore.page`."""
        of_all = "_all" if query.owner is None else ""
        parameters: dict[str, Any] = {"owner": query.owner, "limit": query.limit}
        options: list[str] = []
        if query.after is not None:
            options.append("before")
            last = {"last_created_at": to_microseconds(query.after.created_at), "last_id": query.after.id}
            parameters |= last
        statement = self._queries().sql(f"list{of_all}_webhook_endpoints", *options)
        return list(map(ENDPOINTS.decode, await self._executor.fetch_all(statement, parameters)))

    async def change(
        self, endpoint_id: str, decide: Callable[[WebhookEndpoint], WebhookEndpoint]
    ) -> WebhookEndpoint:
        """See `WebhookEndpointStore.change`."""
        queries = self._queries()

        async def change(transaction: Transaction) -> WebhookEndpoint:
            lock = queries.sql("get_webhook_endpoint", "lock")
            row = await transaction.fetch_one(lock, {"id": endpoint_id})
            if row is None:
                raise StateConflict(f"{endpoint_id} is not there")
            changed = decide(ENDPOINTS.decode(row))
            await transaction.execute(queries.sql("update_webhook_endpoints"), ENDPOINTS.encode(changed))
            return changed

        return await in_transaction(self._executor, change)

    async def delete(self, endpoint_id: str) -> None:
        """See `WebhookEndpointStore.delete`."""
        statement = self._queries().sql("delete_webhook_endpoint")

        async def delete(transaction: Transaction) -> None:
            if await transaction.execute(statement, {"id": endpoint_id}) == 0:
                raise StateConflict(f"{endpoint_id} is not there")

        await in_transaction(self._executor, delete)
