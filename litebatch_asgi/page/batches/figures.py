"""Numbers of a batch that nobody writes down. Pure: `now` is passed."""

from __future__ import annotations

from datetime import datetime

from litebatch_asgi.models import Batch, BatchStatus

_LEAST_DONE = 10
_LEAST_SHARE = 0.02
_LEAST_SECONDS = 20.0
"""what a pace is told from: so many requests, and so much of all, done in so long a time"""
_STEPS = ((2 * 86400, 86400, "d"), (2 * 3600, 3600, "h"), (0, 60, "min"))


def ended_at(batch: Batch) -> datetime | None:
    """When a batch has ended; None: it has not."""
    return batch.completed_at or batch.failed_at or batch.expired_at or batch.cancelled_at


def seconds_taken(batch: Batch, now: datetime) -> float:
    """How long it has taken, or has taken so far."""
    return ((ended_at(batch) or now) - batch.created_at).total_seconds()


def seconds_left(batch: Batch, now: datetime) -> float | None:
    """How long a batch that runs may still take, if it goes on as it did; None: that cannot be told.

    Its counts are those of the last look at its provider.
    """
    begun, counts = batch.in_progress_at, batch.counts
    if batch.status is not BatchStatus.IN_PROGRESS or begun is None or batch.waiting_for is not None:
        return None
    seen = min(batch.looked_at or now, now)
    passed = (seen - begun).total_seconds()
    if passed < _LEAST_SECONDS or counts.done < max(_LEAST_DONE, _LEAST_SHARE * counts.total):
        return None
    left = passed * (counts.total - counts.done) / counts.done - (now - seen).total_seconds()
    until_expiry = (batch.expires_at - now).total_seconds()
    return max(0.0, min(left, until_expiry))


def roughly(seconds: float) -> str:
    """A time that is a guess: `about 3 h`."""
    for least, length, unit in _STEPS:
        if seconds >= max(least, length):
            return f"about {round(seconds / length)} {unit}"
    return "less than a minute"
