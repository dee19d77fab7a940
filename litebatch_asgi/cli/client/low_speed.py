"""Whether an answer comes too slowly to be waited for, as curl's `--speed-limit` says it. Pure."""

from __future__ import annotations

LOW_SPEED_BYTES = 1000
"""of an answer that are to come in each period, but for the one in which it ends"""
LOW_SPEED_SECONDS = 60.0
"""such a period, of waiting alone: what is done with the bytes takes its own time"""


class LowSpeed:
    """Sees how many bytes come, and how long they are waited for."""

    def __init__(self) -> None:
        self._has_begun = False
        self._waited = 0.0
        self._bytes = 0

    def is_reached(self, size: int, waited: float) -> bool:
        """Whether so many more bytes, after so many seconds of waiting, end a period with too few.

        The first ones are waited for as long as for any answer to begin.
        """
        self._waited += waited if self._has_begun else 0.0
        self._has_begun = True
        self._bytes += size
        if self._waited < LOW_SPEED_SECONDS:
            return False
        is_low = self._bytes < LOW_SPEED_BYTES
        self._waited, self._bytes = 0.0, 0
        return is_low
