"""Secrets: what a virtual key is, kept as its SHA-256 alone, and what is made of a master key."""

from __future__ import annotations

import hashlib
import re
import secrets

from litebatch_asgi.keys import token_of as token_of

SECRET_PREFIX = "sk-"  # noqa: S105 - no password
SHORTEST_KEY = 20
"""characters of a secret that an operator chooses: what is shorter can be guessed"""
SECRET = re.compile(rf"{SECRET_PREFIX}[A-Za-z0-9_-]{{{SHORTEST_KEY - len(SECRET_PREFIX)},200}}")
_COST = 1 << 14
_SALT = b"litebatch page"
_TOKEN = re.compile("[0-9a-f]{64}")


def new_secret() -> str:
    """32 random bytes."""
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def hint_of(secret: str) -> str:
    """What is shown of a secret. Source: LiteLLM's `key_name`."""
    return f"{SECRET_PREFIX}...{secret[-4:]}"


def is_secret(text: str) -> bool:
    """Whether it has the form of a virtual key."""
    return SECRET.fullmatch(text) is not None


def token_in(given: str) -> str | None:
    """The token of a key that is named by its secret or its token; None if it is neither."""
    if _TOKEN.fullmatch(given):
        return given
    return token_of(given) if is_secret(given) else None


def page_secret_from(master_key: str | None) -> str | None:
    """A secret for cookies that all processes with this master key come to.

    It is slow on purpose: whoever has a cookie could try out master keys on it.
    """
    if master_key is None:
        return None
    return hashlib.scrypt(master_key.encode(), salt=_SALT, n=_COST, r=8, p=1, dklen=32).hex()
