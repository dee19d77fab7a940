"""Waiting for something to become true, without polling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Wakeup:
    """Notified at every change of state; whoever waits looks again then. For one event loop."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()

    def notify(self) -> None:
        """Tell all who wait that something changed."""
        for event in self._waiting:
            event.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return as soon as `holds()` is true."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            while not holds():
                await event.wait()
                event.clear()
        finally:
            self._waiting.discard(event)

    async def until_or(self, holds: Callable[[], bool], seconds: float | None) -> None:
        """Return when `holds()` is true or `seconds` have passed; None waits for ever."""
        try:
            async with asyncio.timeout(seconds):
                await self.until(holds)
        except TimeoutError:
            return
