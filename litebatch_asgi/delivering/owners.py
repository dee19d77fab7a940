"""Whether what belongs to an owner is still to be sent to anyone."""

from __future__ import annotations

from datetime import datetime
from enum import Enum, auto

from litebatch_asgi.keys import KeepsKeys
from litebatch_asgi.models import VirtualKey, WebhookEndpoint
from litebatch_asgi.models.ids import KEY_PREFIX
from litebatch_asgi.models.keys import OWNING


class Standing(Enum):
    """What is known of an owner."""

    GOOD = auto()
    """nothing that stands against it"""
    BLOCKED = auto()
    """it cannot call now: what is for it waits until it can"""
    GONE = auto()
    """it was deleted"""


async def standing_of(storage: object, endpoint: WebhookEndpoint, now: datetime) -> Standing:
    """That of an endpoint's owner. Raises `StorageUnavailable`.

    Where endpoints are made with virtual keys their owners are keys, users and teams; who owns others is
    known to the host alone.
    """
    word, _, account_id = endpoint.owner.partition(":")
    has_account = (endpoint.created_by or "").startswith(KEY_PREFIX) and word in OWNING
    if not has_account or not isinstance(storage, KeepsKeys):
        return Standing.GOOD
    account = await storage.keys.get(OWNING[word], account_id)
    if account is None:
        return Standing.GONE
    expires_at = account.expires_at if isinstance(account, VirtualKey) else None
    is_blocked = account.blocked or (expires_at is not None and expires_at <= now)
    return Standing.BLOCKED if is_blocked else Standing.GOOD
