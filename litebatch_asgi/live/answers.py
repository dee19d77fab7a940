"""Answers: the bytes of those that are being received, or not committed yet, are bounded in each process."""

from __future__ import annotations

import anyio

MOST_BYTES = 64 << 20
"""of them together, but for what the first of them has beyond"""


class AnswerBudget:
    """Lets answers be received while there is room for them.

    The answer that began to come first may always go on. Each of them comes to be that one: nothing waits for
    ever.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._shares: dict[AnswerShare, None] = {}
        self._changed = anyio.Event()
        self.bytes: int = 0
        """of all of them"""

    def add(self, share: AnswerShare, size: int) -> bool:
        """See `AnswerShare.add`."""
        self._shares[share] = None
        self.bytes += size
        return self._has_room(share)

    def free(self, share: AnswerShare) -> None:
        """See `AnswerShare.free`."""
        if share in self._shares:
            del self._shares[share]
            self.bytes -= share.bytes
            self._changed.set()

    async def room(self, share: AnswerShare) -> None:
        """See `AnswerShare.room`."""
        while not self._has_room(share):
            if self._changed.is_set():
                self._changed = anyio.Event()
            await self._changed.wait()

    def _has_room(self, share: AnswerShare) -> bool:
        return self.bytes <= self._most or next(iter(self._shares)) is share


class AnswerShare:
    """The bytes of one answer. A `litebatch_asgi.provider.AnswerRoom`."""

    __slots__ = ("_budget", "bytes")

    def __init__(self, budget: AnswerBudget) -> None:
        self._budget = budget
        self.bytes: int = 0

    def add(self, size: int) -> bool:
        """So many more bytes have come; whether more may be read now."""
        self.bytes += size
        return self._budget.add(self, size)

    async def room(self) -> None:
        """Wait until more may be read."""
        await self._budget.room(self)

    def free(self) -> None:
        """They are committed, or given up."""
        self._budget.free(self)
