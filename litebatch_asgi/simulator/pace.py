"""Bodies that pass at a limited rate."""

from __future__ import annotations

import time
from collections.abc import Callable

from .fault_book import FaultBook
from .faults import ArmedFault

CHUNK = 1 << 18
"""bytes that pass at once where nothing limits them"""


class Pace:
    """Lets a body through at `rate` bytes a second, and freely without a rate or without its fault."""

    def __init__(
        self, rate: float | None, armed: ArmedFault | None, book: FaultBook, interrupted: Callable[[], bool]
    ) -> None:
        self._rate = rate
        self._armed = armed
        self._book = book
        self._interrupted = interrupted
        self._started = time.monotonic()
        self._passed = 0

    @property
    def chunk(self) -> int:
        """The most bytes that should pass at once, ten times a second."""
        if self._rate is None or self._armed is None or self._armed.removed or self._interrupted():
            return CHUNK
        return max(1, min(CHUNK, int(self._rate / 10)))

    async def passed(self, count: int) -> None:
        """Wait until so many more bytes may have passed."""
        self._passed += count
        if count and self._rate is not None and self._armed is not None:
            seconds = self._started + self._passed / self._rate - time.monotonic()
            await self._book.pause(self._armed, self._interrupted, seconds)
