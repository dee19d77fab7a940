"""Suspects: requests that an earlier holder was lost with, of which a process runs one at a time.

Where it is lost as well, only that one counts as begun once more, and no other that it had.
"""

from __future__ import annotations

from litebatch_asgi.live.held import HeldRange

TURN_SECONDS = 30.0
"""for which others wait for one of them, at the most"""


class Suspects:
    """Whose turn it is, of all ranges that this process holds."""

    def __init__(self) -> None:
        self._held: HeldRange | None = None
        self._until = 0.0

    def may_begin(self, held: HeldRange, now: float) -> bool:
        """Whether the next request of a range may begin, as far as suspects of others are concerned."""
        if not held.is_suspect or self._held is held:
            return True
        return self._held is None or not self._held.is_suspect or self._held.is_lost or now >= self._until

    def begin(self, held: HeldRange, now: float) -> None:
        """It is begun."""
        if held.is_suspect and self._held is not held:
            self._held, self._until = held, now + TURN_SECONDS
