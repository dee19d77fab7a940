"""An even pace of requests or tokens, below a limit for each minute that several processes share. Pure."""

from __future__ import annotations

import math

MINUTE = 60.0
AIM = 0.98
"""of the limit: several processes do not come out even"""
OVER = 1.02
"""of the limit, which no minute may have more than"""
CATCH_UP_SECONDS = 0.6
"""what was not used in time may be used so much later"""
LEARN_SECONDS = 1.0
"""within which the others know that one more process shares the limit"""


class Pacer:
    """One process's share of a limit; times are seconds of any clock that does not go back.

    Each amount that is taken pays for itself after it: the next may be taken once its time is over.

    Args:
        limit: of all processes together, in a minute.
        now: see above.

    """

    def __init__(self, limit: int, now: float) -> None:
        self._limit = limit
        self._processes = 1
        self._each = _seconds_each(limit, 1)
        self._taken_at: float | None = None
        """when the last was taken; None: nothing was since this process has a share"""
        self._next = now

    def share(self, processes: int, now: float) -> None:
        """Divide the limit anew. 0: this process has no share for now."""
        if processes == self._processes:
            return
        before, self._processes = self._each, processes
        was_idle = self._taken_at is None
        if processes == 0:
            self._taken_at = None
            return
        self._each = _seconds_each(self._limit, processes)
        if was_idle and processes > 1:
            self._next = max(self._next, now + LEARN_SECONDS + self._each)
        elif self._next > now:
            # What was taken before is paid for at the slower of the two rates: at the quicker one a minute
            # that has seen the other processes' last requests would have too many.
            self._next = now + (self._next - now) * max(1.0, self._each / before)

    def wait(self, now: float) -> float:
        """Seconds until something may be taken; 0: now."""
        return max(0.0, self._next - now)

    def take(self, amount: int, now: float) -> None:
        """Take it."""
        self._taken_at = now
        self._pay(amount, now)

    def correct(self, amount: int, now: float) -> None:
        """Take so much more than was told before, or, below 0, give it back."""
        self._pay(amount, now)

    def _pay(self, amount: int, now: float) -> None:
        due = max(self._next, now - CATCH_UP_SECONDS) if amount >= 0 else self._next
        # A debt of more than a minute would stall what comes later for what is no use to anybody.
        self._next = min(due + amount * self._each, now + max(MINUTE, self._each))


def _seconds_each(limit: int, processes: int) -> float:
    """Seconds that one request, or token, takes of one process's share.

    In a minute the process begins one more than fit into it, at the worst: small shares are made to be whole.
    """
    share = limit / processes
    rate = min(AIM * share, _whole(OVER * share)) if share >= 1 else AIM * share
    return MINUTE / rate


def _whole(share: float) -> float:
    return 0.989 * math.floor(share)
