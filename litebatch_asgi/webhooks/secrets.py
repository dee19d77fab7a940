"""The signing secrets of endpoints, derived from a key of the operator's each time and kept nowhere. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from litebatch_asgi.models import WebhookEndpoint

PREFIX = "whsec_"
_SHOWN = 4
_FINGERPRINT_DIGITS = 16


class WebhookKeys:
    """The operator's `webhook_keys` in one installation. New secrets are derived from the first of them.

    An installation is part of all that is derived: whoever copies a database sends nothing that the
    receivers of the original would take for genuine, and its endpoints wait until they get new secrets.
    """

    def __init__(self, keys: Sequence[str], installation_id: str) -> None:
        self._installation_id = installation_id
        self._keys = {self._derived(key, "fingerprint").hex()[:_FINGERPRINT_DIGITS]: key for key in keys}

    def __contains__(self, fingerprint: str) -> bool:
        return fingerprint in self._keys

    @property
    def fingerprints(self) -> frozenset[str]:
        """Those of all keys."""
        return frozenset(self._keys)

    @property
    def newest(self) -> str | None:
        """The fingerprint of the key for new secrets; None: there are no keys."""
        return next(iter(self._keys), None)

    def secret(self, fingerprint: str, endpoint_id: str, version: int) -> str | None:
        """The secret of an endpoint, as its owner got it: `whsec_` and base64. None: the key is missing."""
        key = self._keys.get(fingerprint)
        if key is None:
            return None
        derived = self._derived(key, "secret", endpoint_id, str(version))
        return PREFIX + base64.b64encode(derived).decode()

    def secrets_of(self, endpoint: WebhookEndpoint, now: datetime) -> tuple[str, ...]:
        """What an endpoint's events are signed with, its own secret first; none: it waits for its key."""
        current = self.secret(endpoint.key_fingerprint, endpoint.id, endpoint.version)
        if current is None:
            return ()
        old = None
        if endpoint.old_key_fingerprint is not None and now < (endpoint.keeps_old_until or now):
            old = self.secret(endpoint.old_key_fingerprint, endpoint.id, endpoint.version - 1)
        return (current,) if old is None else (current, old)

    def _derived(self, key: str, *purpose: str) -> bytes:
        message = "\0".join(("litebatch webhook", self._installation_id, *purpose))
        return hmac.digest(key.encode(), message.encode(), hashlib.sha256)


def hint_of(secret: str) -> str:
    """Enough of a secret to tell it from others."""
    return f"{PREFIX}...{secret.rstrip('=')[-_SHOWN:]}"
