"""The access tokens that an account gave out."""

from __future__ import annotations

import secrets
from collections.abc import Callable


class AccessTokens:
    """Tokens with an end each. `now` tells Unix seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._expiry: dict[str, float] = {}

    def issue(self, seconds: float) -> str:
        """A new token, which is good for so many seconds."""
        token = f"ya29.{secrets.token_urlsafe(48)}"
        self._expiry[token] = self._now() + seconds
        return token

    def is_good(self, token: str) -> bool:
        """Whether it was given out here and has not expired."""
        return self._expiry.get(token, 0.0) > self._now()

    def expire_all(self) -> None:
        """Let all tokens end now."""
        self._expiry.clear()
