"""What a server's answers say of its rate limits."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime

import msgspec

from litebatch_asgi.models.retry_after import retry_after

_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(ns|us|ms|s|m|h|d)")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+")
_EPOCH = 1e9
"""a number from here on is a moment in Unix seconds, or milliseconds, and no duration"""
_EPOCH_MILLISECONDS = 1e12
_LONGEST = 40
"""characters; what is longer is no such number"""


class RateHints(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer says of its sender's rate limits; None: nothing."""

    retry_after: float | None = None
    """seconds until another request makes sense, unbounded"""
    requests_left: int | None = None
    """requests that may be made before the limit"""
    requests_reset: float | None = None
    """seconds until there is room for all of them again"""
    tokens_left: int | None = None
    tokens_reset: float | None = None
    """seconds, likewise"""


NO_HINTS = RateHints()


def rate_hints(headers: Mapping[str, str], now: datetime) -> RateHints:
    """What the headers say, whose names are in lower case; what cannot be read counts as not said.

    Source: OpenAI's guide to rate limits, for `x-ratelimit-remaining-*` and `x-ratelimit-reset-*`, which
    Azure, Groq and vLLM's proxies send as well; `retry_after` for the rest.
    """
    return RateHints(
        retry_after=_wait(retry_after(headers, now)),
        requests_left=_left(headers.get("x-ratelimit-remaining-requests")),
        requests_reset=seconds_of(headers.get("x-ratelimit-reset-requests"), now),
        tokens_left=_left(headers.get("x-ratelimit-remaining-tokens")),
        tokens_reset=seconds_of(headers.get("x-ratelimit-reset-tokens"), now),
    )


def seconds_of(text: str | None, now: datetime) -> float | None:
    """The seconds of `6m0s`, `20ms` or `7.66`, or those until a moment in Unix time; None: it is neither."""
    text = (text or "").strip()
    if not text or len(text) > _LONGEST:
        return None
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number < _EPOCH:
            return number
        return max(0.0, number / (1000.0 if number >= _EPOCH_MILLISECONDS else 1.0) - now.timestamp())
    total, end = 0.0, 0
    for part in _PART.finditer(text):
        if part.start() != end:
            return None
        total, end = total + float(part[1]) * _UNITS[part[2]], part.end()
    return total if end == len(text) else None


def _left(text: str | None) -> int | None:
    text = (text or "").strip()
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        return None
    return int(float(text))


def _wait(seconds: float | None) -> float | None:
    return None if seconds is None or math.isinf(seconds) else seconds
