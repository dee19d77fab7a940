"""Which uploads may be received at once, or what else takes much at once, shared between owners."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import anyio

from litebatch_asgi.errors import RateLimited

WAITING_FOR_EACH = 16
"""requests that may wait for each slot: all of them look whenever one is given back"""


class UploadSlots:
    """`limit` slots. An owner has at most three quarters of those that others leave free, and at least one.

    So whoever comes first, and however many uploads are sent in their name, somebody else gets in as well.
    What takes the slots is called `what` in refusals.
    """

    def __init__(self, limit: int, what: str = "uploads") -> None:
        self._limit = limit
        self._what = what
        self._held: Counter[str] = Counter()
        self._given_back: anyio.Event | None = None
        self._waiting = 0

    @contextmanager
    def taken(self, owner: str) -> Generator[None]:
        """Take a slot for as long as the block lasts; `RateLimited` when there is none for this owner."""
        if not self._has_room(owner):
            raise self._refusal(owner)
        self._held[owner] += 1
        try:
            yield
        finally:
            self._held[owner] -= 1
            if not self._held[owner]:
                del self._held[owner]
            if self._given_back is not None:
                self._given_back.set()

    @asynccontextmanager
    async def waited_for(self, owner: str, seconds: float) -> AsyncGenerator[None]:
        """`taken`, once there is one: it is waited for, at most so long, unless too many wait already."""
        if not self._has_room(owner):
            await self._wait(owner, seconds)
        with self.taken(owner):
            yield

    async def _wait(self, owner: str, seconds: float) -> None:
        if self._waiting >= WAITING_FOR_EACH * self._limit:
            raise self._refusal(owner)
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                while not self._has_room(owner):
                    await self._change()
        except TimeoutError as error:
            raise self._refusal(owner) from error
        finally:
            self._waiting -= 1

    async def _change(self) -> None:
        if self._given_back is None or self._given_back.is_set():
            self._given_back = anyio.Event()
        await self._given_back.wait()

    def _has_room(self, owner: str) -> bool:
        return self._held.total() < self._limit and self._held[owner] < self._share(owner)

    def _share(self, owner: str) -> int:
        others = self._held.total() - self._held[owner]
        return max(1, 3 * (self._limit - others) // 4)

    def _refusal(self, owner: str) -> RateLimited:
        if self._held.total() >= self._limit:
            return RateLimited(f"Too many {self._what} are under way, try again in a moment.")
        return RateLimited(
            f"{self._held[owner]} of your {self._what} are under way; the other slots are kept for others. "
            "Try again when one of yours has ended."
        )
