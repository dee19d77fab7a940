"""Tells whether a request failed by itself, or with all others: then its server has died, or hangs. Pure.

Times are seconds of one clock.
"""

from __future__ import annotations

from collections import deque

from litebatch_asgi.load import Outcome

_REMEMBERED = 256
"""answers"""


class Survivors:
    """What became of the requests of one deployment that were under way together."""

    def __init__(self) -> None:
        self._under_way: dict[int, float] = {}
        self._answered: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)
        self._next = 0

    @property
    def count(self) -> int:
        """How many are under way."""
        return len(self._under_way)

    def begin(self, now: float) -> int:
        """A request is sent; what stands for it in `end`."""
        self._next += 1
        self._under_way[self._next] = now
        return self._next

    def end(self, request: int, now: float, *, is_answered: bool) -> float:
        """It is over; when it had begun."""
        began = self._under_way.pop(request)
        if is_answered:
            self._answered.append((began, now))
        return began

    def is_own_fault(self, began: float, ended: float, outcome: Outcome) -> bool:
        """Whether the server went on while a request got no answer, asked some time after that.

        One that was silent: whether any other was answered meanwhile. One that was cut off: whether any that
        was under way at that moment still is, or was answered since.
        """
        if outcome is Outcome.SILENT:
            return any(began < answered <= ended for _, answered in self._answered)
        if any(other < ended for other in self._under_way.values()):
            return True
        return any(other < ended < answered for other, answered in self._answered)
