"""How often somebody may try to sign in."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable

from litebatch_asgi.errors import RateLimited

MOST_OF_ONE = 10
"""failed attempts of one address within `WINDOW_SECONDS`"""
MOST_OF_ALL = 300
"""of all together"""
WINDOW_SECONDS = 300.0
_MOST_ADDRESSES = 4096


class Attempts:
    """Counts failed attempts, of this process; `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque()

    def check(self, address: str) -> None:
        """Raises `RateLimited` where there were too many."""
        self._check(self._by_address.get(address, deque[float]()), MOST_OF_ONE)
        self._check(self._all, MOST_OF_ALL)

    def _check(self, times: deque[float], most: int) -> None:
        now = self._clock()
        while times and times[0] <= now - WINDOW_SECONDS:
            times.popleft()
        if len(times) < most:
            return
        seconds = math.ceil(times[0] + WINDOW_SECONDS - now)
        refused = RateLimited(f"Too many attempts to sign in have failed. Try again in {seconds} seconds.")
        refused.retry_after = seconds
        raise refused

    def failed(self, address: str) -> None:
        """Count one more."""
        times = self._by_address.setdefault(address, deque())
        self._by_address.move_to_end(address)
        times.append(self._clock())
        self._all.append(self._clock())
        if len(self._by_address) > _MOST_ADDRESSES:
            self._by_address.popitem(last=False)
