"""Whether an answer comes too slowly to be waited for, as curl's `--speed-limit` says it. Pure."""

from __future__ import annotations

LOW_SPEED_BYTES = 1000
"""of an answer that are to come in each period, but for the one in which it ends"""
LOW_SPEED_SECONDS = 60.0
"""such a period"""


class LowSpeed:
    """Sees how many bytes come.

    Args:
        now: seconds of a clock that never goes back.

    """

    def __init__(self, now: float) -> None:
        self._since = now
        self._bytes = 0

    def is_reached(self, size: int, now: float) -> bool:
        """Whether so many more bytes, that have come now, end a period with too few."""
        self._bytes += size
        if now - self._since < LOW_SPEED_SECONDS:
            return False
        is_low = self._bytes < LOW_SPEED_BYTES
        self._since, self._bytes = now, 0
        return is_low
