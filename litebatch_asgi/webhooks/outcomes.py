"""What came of a try to deliver an event. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec

from litebatch_asgi.errors import bounded_wait
from litebatch_asgi.models.retry_after import retry_after


class Outcome(StrEnum):
    """How a try has ended."""

    DELIVERED = "delivered"
    """the receiver took it"""
    GONE = "gone"
    """the receiver wants no more of them: 410"""
    REFUSED = "refused"
    """the receiver gave another answer, redirects among them"""
    FAILED = "failed"
    """there was no answer"""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one try."""

    outcome: Outcome
    status: int | None = None
    """of the answer; None: there was none"""
    retry_after: float | None = None
    """seconds that the receiver asks us to wait, 1 to 3600"""
    reason: str | None = None
    """why it was not delivered, in a clause for its owner: without secrets, query or words of the receiver"""


def answered(status: int, headers: Iterable[tuple[bytes, bytes]], now: datetime) -> Delivery:
    """What an answer means. Source: https://www.standardwebhooks.com, "Status codes"."""
    if 200 <= status < 300:
        return Delivery(outcome=Outcome.DELIVERED, status=status)
    if status == 410:
        return Delivery(outcome=Outcome.GONE, status=status, reason="it answered 410, which means no more")
    told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    reason = f"it answered {status}"
    if 300 <= status < 400:
        reason += ", and redirects are not followed"
    return Delivery(
        outcome=Outcome.REFUSED,
        status=status,
        retry_after=bounded_wait(retry_after(told, now)),
        reason=reason,
    )


def failed(reason: str) -> Delivery:
    """There was no answer."""
    return Delivery(outcome=Outcome.FAILED, reason=reason)
