"""Where owners want to be told of their batches."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class WebhookEventType(StrEnum):
    """What can be told. Source: OpenAI's events of batches; clients take others for one that they know."""

    COMPLETED = "batch.completed"
    FAILED = "batch.failed"
    EXPIRED = "batch.expired"
    CANCELLED = "batch.cancelled"


class WebhookEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver that an owner has registered. Its secret is derived, and kept nowhere."""

    id: str
    owner: str
    created_by: str | None = None
    """the id of the key that made it"""
    name: str
    url: str
    """as `webhook_url` spells it"""
    event_types: tuple[WebhookEventType, ...]
    version: int = 1
    """of the secret: one more with each rotation"""
    key_fingerprint: str
    """of the operator's key that the secret is derived from"""
    secret_hint: str
    old_key_fingerprint: str | None = None
    """of the one that the secret of the version before was derived from"""
    keeps_old_until: datetime | None = None
    """how long that one signs as well; None: it does not"""
    rotated_at: datetime | None = None
    disabled_at: datetime | None = None
    """since when nothing is sent to it; None: it is in use"""
    disabled_reason: str | None = None
    """in a clause for its owner"""
    failures: int = 0
    """those since the last time that it took something"""
    tried_at: datetime | None = None
    """when something was sent to it last"""
    next_attempt_at: datetime | None = None
    """until when nothing is sent to it; None: whatever is due is"""
    claimed_by: str | None = None
    """who alone may send to it"""
    claimed_until: datetime | None = None
    epoch: int = 0
    """counts claims; what comes of an older one is not written"""
    created_at: datetime
    updated_at: datetime
    """when its owner changed it last"""
