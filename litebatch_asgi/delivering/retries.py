"""When a delivery that failed is tried again, and how carefully a sink is approached that takes nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence

import anyio

FAILURES = 10
"""in a row, of whatever events: from then on a sink is probed"""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""seconds between two probes; each pause is twice as long as the one before"""


def retry_after(attempts: int, *, age: float, pauses: Sequence[float], give_up: float) -> float | None:
    """Seconds until a delivery is tried again that failed after `attempts` others; None: it is dead.

    `age` is that of the delivery, `give_up` the age at which it is tried for the last time, both in seconds.
    A tenth is added or taken away at most, so that what failed together is not tried together.
    """
    if age >= give_up:
        return None
    pause = pauses[min(attempts, len(pauses) - 1)] if pauses else 0.0
    return min(pause * random.uniform(0.9, 1.1), give_up - age)  # noqa: S311 - jitter, not secrecy


def probe_pause(failures: int, longest: float = LONGEST_PAUSE) -> float:
    """Seconds until what has failed so many times in a row is tried again; 0: at once."""
    excess = failures - FAILURES
    return 0.0 if excess < 0 else min(FIRST_PAUSE * 2.0 ** min(excess, 20), longest)


class Probing:
    """Whether a sink takes anything at all. While it does not it gets one event at a time, now and then."""

    def __init__(self) -> None:
        self._failures = 0
        self._next_probe = 0.0

    def succeeded(self) -> None:
        """It has taken an event."""
        self._failures = 0

    def failed(self, now: float) -> None:
        """It has not, at this time of the event loop."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._next_probe = now + probe_pause(self._failures)

    def places(self, most: int) -> int:
        """How many deliveries may be under way now."""
        if self._failures < FAILURES:
            return most
        return 1 if anyio.current_time() >= self._next_probe else 0
