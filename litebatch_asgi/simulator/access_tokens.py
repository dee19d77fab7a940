"""The access tokens that an account gave out."""

from __future__ import annotations

import secrets
import time


class AccessTokens:
    """Tokens with an end each, by the machine's clock, whatever the account's clock shows."""

    def __init__(self) -> None:
        self._ends_at: dict[str, float] = {}

    def issue(self, seconds: float) -> str:
        """A new token, which is good for so many seconds."""
        token = f"ya29.{secrets.token_urlsafe(48)}"
        self._ends_at[token] = time.monotonic() + seconds
        return token

    def is_good(self, token: str) -> bool:
        """Whether it was given out here and has not expired."""
        return time.monotonic() < self._ends_at.get(token, 0.0)

    def expire_all(self) -> None:
        """Let all tokens end now."""
        self._ends_at.clear()
