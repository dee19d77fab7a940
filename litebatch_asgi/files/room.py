"""Room for checks: together they take so much memory, and wait for it in the order in which they came."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from litebatch_asgi.jsonl.digest_set import FEW

CHECK_BYTES = 49 << 20
"""of all checks of a process: two files of half a million lines fit"""
_SHORTEST_LINE = 100
_OF_A_REQUEST = 24
"""where its model stands, and the digest of its custom_id"""
_OF_A_KNOWN_ID = 75
"""more for a digest in a set, as the first ones are kept"""
_OF_A_FILTER = 8 << 20


def check_bytes(size: int, *, most_lines: int) -> int:
    """How much memory the check of a batch input of so many bytes may take."""
    requests = min(size // _SHORTEST_LINE + 1, most_lines)
    return requests * _OF_A_REQUEST + min(requests, FEW) * _OF_A_KNOWN_ID + _OF_A_FILTER * (requests > FEW)


class Room:
    """An amount of something, of which several hold parts at a time."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = size
        self._waiting: deque[tuple[int, anyio.Event]] = deque()

    @asynccontextmanager
    async def hold(self, amount: int) -> AsyncGenerator[None]:
        """Hold a part until the block ends, once it is free and nobody waits who came before.

        Who wants more than there is gets all of it.
        """
        amount = min(amount, self._size)
        turn = anyio.Event()
        self._waiting.append((amount, turn))
        self._let_in()
        try:
            await turn.wait()
            yield
        finally:
            if turn.is_set():
                self._left += amount
            else:
                self._waiting.remove((amount, turn))
            self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._left:
            amount, turn = self._waiting.popleft()
            self._left -= amount
            turn.set()
