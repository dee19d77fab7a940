"""What is to be sent to endpoints of webhooks, in the database of an SQL storage."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from litebatch_asgi.models import OutboxItem
from litebatch_asgi.models.ids import WEBHOOK_PREFIX
from litebatch_asgi.webhooks.queue import ClaimedWebhook, EndpointBacklog, WebhookResult, settled
from litebatch_sql.executor import Executor, Transaction, in_transaction
from litebatch_sql.leases import clock
from litebatch_sql.queries import Queries
from litebatch_sql.rows import Row, encode_json, encode_keys, from_microseconds
from litebatch_sql.tables import DELIVERIES, ENDPOINTS, EVENTS

IDS = {"first": WEBHOOK_PREFIX, "last": WEBHOOK_PREFIX[:-1] + chr(ord(WEBHOOK_PREFIX[-1]) + 1)}
"""between which their ids are, among the names of sinks"""
_EXPIRED = "it was not sent for too long"


class SQLWebhookQueue:
    """A `WebhookQueue` over an `Executor`; `queries` raises until it is open."""

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def claim(
        self,
        worker: str,
        *,
        fingerprints: Collection[str],
        limit: int,
        per_owner: int,
        busy: Mapping[str, int],
        lease_seconds: float,
    ) -> list[ClaimedWebhook]:
        """See `WebhookQueue.claim`."""
        sql, theirs = self._queries().sql, {"fingerprints": encode_json(sorted(fingerprints))}
        turns = {"per_owner": per_owner, "keys": encode_json(list(busy.items())), "limit": limit}
        due = await self._executor.fetch_all(sql("due_webhooks"), {**IDS, **theirs, **turns, "now": clock()})
        if not due:
            return []
        wanted = {**theirs, "keys": encode_keys([row[0] for row in due])}

        async def write(transaction: Transaction) -> list[ClaimedWebhook]:
            locked = await transaction.fetch_all(sql("lock_due_webhooks"), {**wanted, "now": clock()})
            first = {endpoint_id: event_id for endpoint_id, event_id in locked if event_id is not None}
            if not first:
                return []
            lease = {"worker": worker, "lease": _microseconds(lease_seconds), "now": clock()}
            await transaction.execute(sql("claim_webhooks"), {"keys": encode_keys(first), **lease})
            pairs = [(event_id, endpoint_id) for endpoint_id, event_id in first.items()]
            rows = await transaction.fetch_all(sql("claimed_webhooks"), {"keys": encode_json(pairs)})
            return list(map(_claimed, rows))

        return await in_transaction(self._executor, write)

    async def settle(self, results: Sequence[WebhookResult]) -> int:
        """See `WebhookQueue.settle`."""
        sql = self._queries().sql
        given = {each.claimed.endpoint.id: each for each in results}
        claims = [each.claimed.endpoint for each in given.values()]
        held = {"keys": encode_json([(each.id, each.epoch, each.claimed_by) for each in claims])}

        async def write(transaction: Transaction) -> int:
            rows = await transaction.fetch_all(sql("lock_claimed_webhooks"), {**held, "now": clock()})
            if not rows:
                return 0
            now = from_microseconds(rows[0][ENDPOINTS.width])
            locked = [(endpoint, given[endpoint.id]) for endpoint in map(ENDPOINTS.decode, rows)]
            free = [ENDPOINTS.encode(settled(endpoint, result, now)) for endpoint, result in locked]
            await transaction.execute_many(sql("update_webhook_endpoints"), free)
            done = [_key(result) for _, result in locked if result.is_delivered]
            if done:
                await transaction.execute(sql("remove_webhook_deliveries"), {"keys": encode_json(done)})
            failed = [
                (*_key(result), _wait(result), result.error)
                for _, result in locked
                if result.error is not None
            ]
            if failed:
                written = {"keys": encode_json(failed), "now": clock()}
                await transaction.execute(sql("fail_webhook_deliveries"), written)
            return len(locked)

        return await in_transaction(self._executor, write) if results else 0

    async def expire(self, age_seconds: float, *, failing: int, idle_seconds: float, limit: int) -> int:
        """See `WebhookQueue.expire`."""
        sql = self._queries().sql
        age = {"age": _microseconds(age_seconds), "now": clock()}
        found = {**IDS, **age, "failing": failing, "idle": _microseconds(idle_seconds)}
        expired = 0
        for row in await self._executor.fetch_all(sql("overdue_webhooks"), found):
            if expired < limit:
                step = {**age, "sink": row[0], "error": _EXPIRED, "limit": limit - expired}
                expired += await self._execute(sql("expire_webhooks"), step)
        return expired

    async def backlog(self) -> list[EndpointBacklog]:
        """See `WebhookQueue.backlog`."""
        rows = await self._executor.fetch_all(self._queries().sql("backlog_of_webhooks"), {})
        return [
            EndpointBacklog(
                endpoint_id=endpoint_id,
                owner=owner,
                pending=pending,
                dead=dead,
                is_disabled=bool(is_disabled),
                oldest_at=None if oldest is None else from_microseconds(oldest),
            )
            for endpoint_id, owner, pending, dead, oldest, is_disabled in rows
        ]

    async def _execute(self, sql: str, parameters: dict[str, Any]) -> int:
        return await in_transaction(self._executor, lambda transaction: transaction.execute(sql, parameters))


def _claimed(row: Row) -> ClaimedWebhook:
    events = ENDPOINTS.width + DELIVERIES.width
    item = OutboxItem(delivery=DELIVERIES.decode(row, ENDPOINTS.width), event=EVENTS.decode(row, events))
    return ClaimedWebhook(endpoint=ENDPOINTS.decode(row), item=item)


def _key(result: WebhookResult) -> tuple[str, str]:
    delivery = result.claimed.item.delivery
    return delivery.event_id, delivery.sink


def _wait(result: WebhookResult) -> int | None:
    return None if result.retry_seconds is None else _microseconds(result.retry_seconds)


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)
