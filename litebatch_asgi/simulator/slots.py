"""How many requests an inference server runs at once; others wait for their turn."""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    """Places for requests that run, given out in the order in which they were asked for. For one loop."""

    def __init__(self) -> None:
        self.running: int = 0
        self.most_running: int = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """Requests that wait for a place."""
        return sum(not each.done() for each in self._waiting)

    def take(self, limit: int | None) -> asyncio.Future[None] | None:
        """Take one of `limit` places, None being any number; what is returned must be awaited first.

        Whoever does not wait any longer cancels it; whoever got a place gives it back by `release`.
        """
        if limit is None or (self.running < limit and not self._waiting):
            self._begin()
            return None
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        return turn

    def release(self, limit: int | None) -> None:
        """Give a place back, to whoever waits for one of `limit`."""
        self.running -= 1
        self.admit(limit)

    def admit(self, limit: int | None) -> None:
        """Let those begin who wait and for whom there is a place."""
        while self._waiting and (limit is None or self.running < limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self._begin()
                turn.set_result(None)

    def _begin(self) -> None:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
