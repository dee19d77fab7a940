"""The seam to the events that are still to be sent to endpoints of webhooks.

They are written with the events themselves: by `Storage.change_batch`, for each endpoint that is in use and
belongs to the owner of the event, and whose `event_types` has its type. What an endpoint has not taken lies
in the outbox, as the deliveries of a sink whose name is the endpoint's id.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
from msgspec.structs import replace

from litebatch_asgi.models import OutboxItem, WebhookEndpoint


class ClaimedWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that one worker alone may send to, and what it may send."""

    endpoint: WebhookEndpoint
    item: OutboxItem


class WebhookResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a claim: delivered, failed where there is an `error`, or else nothing was sent."""

    claimed: ClaimedWebhook
    is_delivered: bool = False
    error: str | None = None
    retry_seconds: float | None = None
    """of one that failed, until it is tried again; None: it is dead"""
    pause_seconds: float = 0.0
    """until anything else is sent to the endpoint"""
    disabled_reason: str | None = None
    """why nothing is sent to the endpoint from now on, in a clause for its owner"""


class EndpointBacklog(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint has not taken yet."""

    endpoint_id: str
    owner: str
    pending: int
    """of a disabled one, what waits in case it is put to use again before it is too old"""
    dead: int
    is_disabled: bool
    oldest_at: datetime | None
    """since when the oldest of the pending ones waits"""


class WebhookQueue(Protocol):
    """Gives out claims on endpoints; all times are by the database's clock.

    Every method may raise `StorageUnavailable`, and does when the storage is not open. A method that is
    cancelled has written all or nothing.
    """

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
        """Claim at most `limit` endpoints, each with the longest due of its deliveries.

        They are in use, their key is one of `fingerprints`, their `next_attempt_at` has come if they have
        one, and nobody has a running claim on them. Owners have turns: of each no more than `per_owner` are
        claimed, less those that are `busy` already. Claiming raises `epoch` by one. Two claims never give
        out the same endpoint while a lease runs. How much an endpoint has not taken makes no difference.
        """
        ...

    async def settle(self, results: Sequence[WebhookResult]) -> int:
        """Write what came of claims, and give them back; of how many, for others may have claimed some.

        A delivery that is done is removed. One that failed has one attempt more, and is due again or dead.
        The endpoint is as `settled` says.
        """
        ...

    async def expire(self, age_seconds: float, *, failing: int, idle_seconds: float, limit: int) -> int:
        """Let deliveries be dead that nobody sends; how many, at most `limit`.

        They have been due for `age_seconds`. Their endpoint is disabled, has had `failing` failures in a row,
        or was not tried for `idle_seconds`.
        """
        ...

    async def backlog(self) -> list[EndpointBacklog]:
        """What endpoints have not taken yet, in order of their ids; without those that have taken all."""
        ...


def settled(endpoint: WebhookEndpoint, result: WebhookResult, now: datetime) -> WebhookEndpoint:
    """The endpoint of a claim when it is given back. What failed at another URL says nothing of this one."""
    pause = now + timedelta(seconds=result.pause_seconds) if result.pause_seconds else None
    free = replace(endpoint, claimed_by=None, claimed_until=None)
    if not result.is_delivered and result.error is None:
        return replace(free, next_attempt_at=pause)
    if endpoint.url != result.claimed.endpoint.url:
        return free
    failures = 0 if result.is_delivered else endpoint.failures + 1
    free = replace(free, failures=failures, tried_at=now, next_attempt_at=pause)
    if result.disabled_reason is None or endpoint.disabled_at is not None:
        return free
    return replace(free, disabled_at=now, disabled_reason=result.disabled_reason)
