"""Limits of requests and tokens a minute, for each key, and the headers that tell of them.

Each is a token bucket: it holds a minute's worth, is full at first, and is refilled evenly. What is refused
takes nothing out of it. Headers and messages are OpenAI's, whose `reset` is the time until a bucket is full.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from .replies import Reply, json_reply

ROUNDING = 1e-6
"""seconds that are no wait"""


class Bucket:
    """A token bucket of `limit`, which `window` seconds fill. Times are monotonic seconds."""

    def __init__(self, limit: int, window: float, now: float) -> None:
        self.limit = limit
        self.window = window
        self._level = float(limit)
        self._seen = now

    def level(self, now: float) -> float:
        """What can be taken now."""
        self._level = min(self.limit, self._level + (now - self._seen) * self.limit / self.window)
        self._seen = now
        return self._level

    def wait(self, amount: int, now: float) -> float:
        """Seconds until `amount` can be taken, which is no more than the limit."""
        return max(0.0, amount - self.level(now)) * self.window / self.limit

    def take(self, amount: int) -> None:
        """Take `amount`, which is there."""
        self._level -= amount

    def reset(self, now: float) -> float:
        """Seconds until the bucket is full."""
        return (self.limit - self.level(now)) * self.window / self.limit


class RateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one key may ask for in a minute."""

    requests: int | None = None
    tokens: int | None = None
    window: float = 60.0
    """seconds of a minute"""

    def __bool__(self) -> bool:
        return self.requests is not None or self.tokens is not None


class KeyLimits:
    """The buckets of one key."""

    def __init__(self, limits: RateLimits, now: float) -> None:
        self.limits = limits
        self._buckets = {
            kind: Bucket(limit, limits.window, now)
            for kind, limit in (("requests", limits.requests), ("tokens", limits.tokens))
            if limit is not None
        }

    def admit(self, tokens: int, model: str, now: float) -> Reply | None:
        """Let one request of `tokens` pass; the answer is a refusal, None being that it passed."""
        amounts = {"requests": 1, "tokens": tokens}
        for kind, bucket in self._buckets.items():
            if (asked := amounts[kind]) > bucket.limit:
                return self._refusal(kind, f"Request too large for {model}", asked, None, now)
            if (wait := bucket.wait(asked, now)) > ROUNDING:
                return self._refusal(kind, f"Rate limit reached for {model}", asked, wait, now)
        for kind, bucket in self._buckets.items():
            bucket.take(amounts[kind])
        return None

    def headers(self, now: float) -> dict[str, str]:
        """The `x-ratelimit-` headers of an answer."""
        return dict(self._headers(now))

    def _headers(self, now: float) -> Iterator[tuple[str, str]]:
        for kind, bucket in self._buckets.items():
            yield f"x-ratelimit-limit-{kind}", str(bucket.limit)
            yield f"x-ratelimit-remaining-{kind}", str(int(bucket.level(now)))
            yield f"x-ratelimit-reset-{kind}", duration(bucket.reset(now))

    def _refusal(self, kind: str, what: str, asked: int, wait: float | None, now: float) -> Reply:
        short, limit = ("RPM", "TPM")[kind == "tokens"], self._buckets[kind].limit
        message = f"{what} on {kind} per min ({short}): Limit {limit}, Requested {asked}."
        headers = self.headers(now)
        if wait is not None:
            message += f" Please try again in {duration(wait)}."
            headers["retry-after"] = str(math.ceil(wait))
            headers["retry-after-ms"] = str(math.ceil(wait * 1000))
        error = {"message": message, "type": kind, "param": None, "code": "rate_limit_exceeded"}
        return json_reply({"error": error}, 429, headers)


def duration(seconds: float) -> str:
    """As OpenAI spells it: `20ms`, `1.5s`, `6m0s`, `1h0m0s`; to the next millisecond."""
    milliseconds = math.ceil(round(seconds * 1000, 3))
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    told = f"{rest / 1000:g}s"
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{told}"
    return f"{minutes}m{told}" if minutes else told
