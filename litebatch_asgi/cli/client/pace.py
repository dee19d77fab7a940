"""How fast a batch goes, by what was seen of it. Pure."""

from __future__ import annotations

from collections import deque

WINDOW_SECONDS = 300.0
"""what is longer ago does not count"""


class Pace:
    """How many requests a second get done."""

    def __init__(self) -> None:
        self._seen = deque[tuple[float, int]]()

    def see(self, done: int, at: float) -> None:
        """Note how many were done, at a time in seconds of a clock that never goes back."""
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((at, done))
        while len(self._seen) > 2 and self._seen[1][0] < at - WINDOW_SECONDS:
            self._seen.popleft()

    @property
    def per_second(self) -> float | None:
        """None: nothing was seen to get done yet."""
        if not self._seen:
            return None
        (first, before), (last, done) = self._seen[0], self._seen[-1]
        return (done - before) / (last - first) if done > before and last > first else None


def pace_shown(per_second: float) -> str:
    """Such as `210/s`, `3/min`."""
    for factor, unit in ((1, "s"), (60, "min"), (3600, "h")):
        if per_second * factor >= 1:
            return f"{per_second * factor:,.0f}/{unit}"
    return f"{per_second * 86_400:,.1f}/day"
