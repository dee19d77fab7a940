"""Sending webhooks: to many endpoints at a time, to each of them one event after another."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime

import anyio

from litebatch_asgi.delivering.owners import Standing, standing_of
from litebatch_asgi.delivering.retries import probe_pause, retry_after
from litebatch_asgi.delivering.woken import WokenWorker
from litebatch_asgi.errors import StateConflict, StorageUnavailable
from litebatch_asgi.failpoints import hit, passing
from litebatch_asgi.models import Settings, WebhookEndpoint
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.webhooks.outcomes import Delivery, Outcome
from litebatch_asgi.webhooks.queue import ClaimedWebhook, WebhookResult
from litebatch_asgi.webhooks.secrets import WebhookKeys
from litebatch_asgi.webhooks.sender import WebhookSender
from litebatch_asgi.webhooks.signing import event_text, signed

logger: logging.Logger = logging.getLogger(__name__)

PLACES = 64
"""endpoints that are sent to at a time in each process"""
PLACES_OF_OWNER = 4
"""of them those of one owner"""
LONGEST_PROBE_PAUSE = 600.0
"""seconds between two attempts at an endpoint that takes nothing"""
BLOCKED_PAUSE = 60.0
"""seconds until an owner that cannot call is looked at again"""


class WebhookWorker(WokenWorker):
    """Claims endpoints that something is due for, sends it, and writes what came of it."""

    def __init__(self, runtime: Runtime, keys: WebhookKeys, sender: WebhookSender) -> None:
        super().__init__(runtime)
        self._storage = runtime.storage
        self._keys = keys
        self._sender = sender
        self._under_way: dict[str, ClaimedWebhook] = {}
        self._results: list[WebhookResult] = []

    async def _step(self, start: Callable[..., object]) -> int:
        await self._write_results()
        places = PLACES - len(self._under_way)
        if places <= 0:
            return 0
        since = anyio.current_time()
        claims = await self._storage.webhook_queue.claim(
            self._runtime.worker,
            fingerprints=self._keys.fingerprints,
            limit=places,
            per_owner=PLACES_OF_OWNER,
            busy=Counter(each.endpoint.owner for each in self._under_way.values()),
            lease_seconds=self._runtime.settings.lease_seconds,
        )
        # one that is under way here was held up for longer than its lease: whoever is next waits for another
        new = [each for each in claims if each.endpoint.id not in self._under_way]
        for claimed in new:
            self._under_way[claimed.endpoint.id] = claimed
            start(self._attempt, claimed, since)
        return len(new)

    async def _attempt(self, claimed: ClaimedWebhook, since: float) -> None:
        result = WebhookResult(claimed=claimed)
        try:
            result = await self._result_of(claimed, since)
        except StorageUnavailable as error:
            told = {"endpoint_id": claimed.endpoint.id, "error": str(error)}
            logger.info("a webhook is sent later: no database", extra=told)
        except Exception:
            logger.exception("a webhook could not be sent", extra={"endpoint_id": claimed.endpoint.id})
            result = WebhookResult(claimed=claimed, pause_seconds=BLOCKED_PAUSE)
        del self._under_way[claimed.endpoint.id]
        self._results.append(result)
        self._wake()

    async def _result_of(self, claimed: ClaimedWebhook, since: float) -> WebhookResult:
        """What came of sending it, unless it is not to be sent any more, or not now."""
        nothing = WebhookResult(claimed=claimed)
        await passing("deliver.webhook_claimed")
        endpoint = await self._storage.webhook_endpoints.get(claimed.endpoint.id)
        if endpoint is None or endpoint.epoch != claimed.endpoint.epoch or endpoint.disabled_at is not None:
            return nothing
        standing = await standing_of(self._storage, endpoint, self._runtime.now())
        if standing is Standing.GONE:
            await self._forget(endpoint)
            return nothing
        if standing is Standing.BLOCKED:
            return WebhookResult(claimed=claimed, pause_seconds=BLOCKED_PAUSE)
        now, event = self._runtime.now(), claimed.item.event
        secrets = self._keys.secrets_of(endpoint, now)
        if not secrets or anyio.current_time() - since > self._runtime.settings.lease_seconds / 4:
            return nothing  # the claim might not outlast it
        text = event_text(event.id, event.type, event.batch_id or event.subject, event.created_at)
        delivery = await self._sender.send(endpoint.url, signed(event.id, text, secrets, at=now))
        hit("deliver.webhook_taken")
        return self._result(ClaimedWebhook(endpoint=endpoint, item=claimed.item), delivery)

    async def _forget(self, endpoint: WebhookEndpoint) -> None:
        """Its owner was deleted just before it was made."""
        try:
            await self._storage.webhook_endpoints.delete(endpoint.id)
        except StateConflict:
            return  # somebody else was quicker

    def _result(self, claimed: ClaimedWebhook, delivery: Delivery) -> WebhookResult:
        """What an attempt means, told in the log where it has failed."""
        result = result_of(claimed, delivery, self._runtime.settings, self._runtime.now())
        if result.error is not None:
            logger.info(
                "a webhook is not delivered",
                extra={
                    "endpoint_id": claimed.endpoint.id,
                    "event_id": claimed.item.event.id,
                    "attempts": claimed.item.delivery.attempts + 1,
                    "retry_seconds": result.retry_seconds,
                    "error": result.error,
                },
            )
        return result

    async def _write_results(self) -> None:
        """What cannot be written now is written with the next; after that its claim runs out."""
        results = self._results[:]
        if results:
            if any(each.is_delivered for each in results):
                hit("deliver.before_webhook_mark")
            await self._storage.webhook_queue.settle(results)
            del self._results[: len(results)]

    async def _hand_back(self) -> None:
        self._results += (WebhookResult(claimed=each) for each in self._under_way.values())
        try:
            await self._write_results()
        except StorageUnavailable as error:
            logger.info("claims on endpoints run out by themselves: no database", extra={"error": str(error)})


def result_of(
    claimed: ClaimedWebhook, delivery: Delivery, settings: Settings, now: datetime
) -> WebhookResult:
    """What becomes of an event and its endpoint once it was sent there. A receiver is asked when it says."""
    if delivery.outcome is Outcome.DELIVERED:
        return WebhookResult(claimed=claimed, is_delivered=True)
    tried, asked = claimed.item.delivery, delivery.retry_after or 0.0
    wait = retry_after(
        tried.attempts,
        age=(now - tried.created_at).total_seconds(),
        pauses=settings.delivery_retry_seconds,
        give_up=settings.delivery_give_up_seconds,
    )
    pause = probe_pause(claimed.endpoint.failures + 1, LONGEST_PROBE_PAUSE)
    return WebhookResult(
        claimed=claimed,
        error=delivery.reason,
        retry_seconds=None if wait is None else max(wait, asked),
        pause_seconds=max(pause, asked),
        disabled_reason=delivery.reason if delivery.outcome is Outcome.GONE else None,
    )
