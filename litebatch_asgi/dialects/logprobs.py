"""Writes how likely a token was, as OpenAI tells it."""

from __future__ import annotations

from litebatch_asgi.dialects.reading import text_of
from litebatch_asgi.dialects.values import Object

_NEVER = -9999.0
"""OpenAI's word for a token that is not among the likely ones"""


def logprob(token: object, value: object) -> Object:
    """One token. What a provider tells of its probability may be anything."""
    text = text_of(token) or ""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {
        "token": text,
        "bytes": list(text.encode("utf-8", "replace")),
        "logprob": value if is_number else _NEVER,
    }
