"""Room for checks: together they take so much memory, and owners take turns where they wait for it."""

from __future__ import annotations

from collections import Counter
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


class _Waiting:
    """Who waits for a part."""

    def __init__(self, owner: str, amount: int) -> None:
        self.owner = owner
        self.amount = amount
        self.turn = anyio.Event()


class Room:
    """An amount of something, of which several hold parts at a time.

    An owner has at most three quarters of it, or a single part that is larger: others need not wait for all
    that one has brought.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = size
        self._held: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []

    @asynccontextmanager
    async def hold(self, amount: int, owner: str) -> AsyncGenerator[None]:
        """Hold a part until the block ends, once it is free.

        First comes whose owner holds the least, then who has waited the longest; nobody smaller passes them.
        Who wants more than there is gets all of it.
        """
        mine = _Waiting(owner, min(amount, self._size))
        self._waiting.append(mine)
        self._let_in()
        try:
            await mine.turn.wait()
            yield
        finally:
            if mine.turn.is_set():
                self._take(owner, -mine.amount)
            else:
                self._waiting.remove(mine)
            self._let_in()

    def _let_in(self) -> None:
        while (first := self._first()) is not None and first.amount <= self._left:
            self._waiting.remove(first)
            self._take(first.owner, first.amount)
            first.turn.set()

    def _first(self) -> _Waiting | None:
        allowed = (each for each in self._waiting if self._may_have(each.owner, each.amount))
        return min(allowed, key=lambda each: self._held[each.owner], default=None)

    def _may_have(self, owner: str, amount: int) -> bool:
        return not self._held[owner] or self._held[owner] + amount <= 3 * self._size // 4

    def _take(self, owner: str, amount: int) -> None:
        self._left -= amount
        self._held[owner] += amount
        if not self._held[owner]:
            del self._held[owner]
