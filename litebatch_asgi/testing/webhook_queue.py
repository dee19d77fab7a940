"""What is to be sent to endpoints of webhooks, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from litebatch_asgi.models import Delivery, DeliveryState, OutboxItem, WebhookEndpoint
from litebatch_asgi.testing.drafts import Draft
from litebatch_asgi.testing.tables import Tables
from litebatch_asgi.webhooks.queue import ClaimedWebhook, EndpointBacklog, WebhookResult, settled


class MemoryWebhookQueue:
    """A `WebhookQueue` on a storage in memory."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

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
        async with self._tables.write() as draft:
            now = datetime.now(UTC)
            ready = [each for each in self._tables.endpoints.values() if _takes(each, fingerprints, now)]
            found = [(self._first(endpoint.id, now), endpoint) for endpoint in ready]
            due = [(first, endpoint) for first, endpoint in found if first is not None]
            due.sort(key=lambda each: (each[0].next_check_at or now, each[1].id))
            turns = Counter[str](busy)
            in_turns: list[tuple[int, Delivery, WebhookEndpoint]] = []
            for first, endpoint in due:
                turns[endpoint.owner] += 1
                if turns[endpoint.owner] <= per_owner:
                    turn = turns[endpoint.owner] - busy.get(endpoint.owner, 0)
                    in_turns.append((turn, first, endpoint))
            in_turns.sort(key=lambda each: each[0])
            claimed: list[ClaimedWebhook] = []
            for _, first, endpoint in in_turns[:limit]:
                until = now + timedelta(seconds=lease_seconds)
                taken = replace(endpoint, claimed_by=worker, claimed_until=until, epoch=endpoint.epoch + 1)
                draft.put(self._tables.endpoints, endpoint.id, taken)
                item = OutboxItem(delivery=first, event=self._tables.events[first.event_id])
                claimed.append(ClaimedWebhook(endpoint=taken, item=item))
        return claimed

    def _pending(self, endpoint_id: str) -> list[Delivery]:
        rows = self._tables.deliveries.values()
        return [each for each in rows if each.sink == endpoint_id and each.state is DeliveryState.PENDING]

    def _first(self, endpoint_id: str, now: datetime) -> Delivery | None:
        due = [each for each in self._pending(endpoint_id) if (each.next_check_at or now) <= now]
        return min(due, key=lambda each: (each.next_check_at or now, each.event_id), default=None)

    async def settle(self, results: Sequence[WebhookResult]) -> int:
        """See `WebhookQueue.settle`."""
        async with self._tables.write() as draft:
            held = [each for each in results if self._is_held(each.claimed.endpoint)]
            now = datetime.now(UTC)
            for result in held:
                endpoint = self._tables.endpoints[result.claimed.endpoint.id]
                draft.put(self._tables.endpoints, endpoint.id, settled(endpoint, result, now))
                self._settle_delivery(draft, result, now)
        return len(held)

    def _is_held(self, claimed: WebhookEndpoint) -> bool:
        row = self._tables.endpoints.get(claimed.id)
        return row is not None and (row.epoch, row.claimed_by) == (claimed.epoch, claimed.claimed_by)

    def _settle_delivery(self, draft: Draft, result: WebhookResult, now: datetime) -> None:
        delivery, wait = result.claimed.item.delivery, result.retry_seconds
        key = (delivery.event_id, delivery.sink)
        if key not in self._tables.deliveries:
            return
        if result.is_delivered:
            draft.remove_key(self._tables.deliveries, key)
        elif result.error is not None:
            failed = replace(
                self._tables.deliveries[key],
                state=DeliveryState.DEAD if wait is None else DeliveryState.PENDING,
                next_check_at=None if wait is None else now + timedelta(seconds=wait),
                error=result.error,
                attempts=delivery.attempts + 1,
            )
            draft.put(self._tables.deliveries, key, failed)

    async def expire(self, age_seconds: float, *, failing: int, idle_seconds: float, limit: int) -> int:
        """See `WebhookQueue.expire`."""
        async with self._tables.write() as draft:
            now = datetime.now(UTC)
            before, idle_since = (now - timedelta(seconds=each) for each in (age_seconds, idle_seconds))
            expired = [
                delivery
                for endpoint in self._tables.endpoints.values()
                if endpoint.disabled_at is not None
                or endpoint.failures >= failing
                or (endpoint.tried_at or endpoint.created_at) <= idle_since
                for delivery in self._pending(endpoint.id)
                if (delivery.next_check_at or now) <= before
            ][:limit]
            for each in expired:
                error = each.error or "it was not sent for too long"
                dead = replace(each, state=DeliveryState.DEAD, next_check_at=None, error=error)
                draft.put(self._tables.deliveries, (each.event_id, each.sink), dead)
        return len(expired)

    async def backlog(self) -> list[EndpointBacklog]:
        """See `WebhookQueue.backlog`."""
        self._tables.check_open()
        found: list[EndpointBacklog] = []
        for endpoint_id in sorted(self._tables.endpoints):
            rows = [each for each in self._tables.deliveries.values() if each.sink == endpoint_id]
            pending = self._pending(endpoint_id)
            if rows:
                found.append(
                    EndpointBacklog(
                        endpoint_id=endpoint_id,
                        owner=self._tables.endpoints[endpoint_id].owner,
                        pending=len(pending),
                        dead=len(rows) - len(pending),
                        is_disabled=self._tables.endpoints[endpoint_id].disabled_at is not None,
                        oldest_at=min((each.created_at for each in pending), default=None),
                    )
                )
        return found


def _takes(endpoint: WebhookEndpoint, fingerprints: Collection[str], now: datetime) -> bool:
    return (
        endpoint.disabled_at is None
        and endpoint.key_fingerprint in fingerprints
        and (endpoint.next_attempt_at is None or endpoint.next_attempt_at <= now)
        and (endpoint.claimed_until is None or endpoint.claimed_until <= now)
    )
