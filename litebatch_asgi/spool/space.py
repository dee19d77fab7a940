"""The disk space that all spools of a process share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable

import anyio

from litebatch_asgi.errors import FileTooLarge, SpoolFull

logger: logging.Logger = logging.getLogger(__name__)

RECLAIM_SECONDS = 5.0
"""how long a write waits for the space of what was given up for it"""


class SpoolSpace:
    """At most `max_bytes`, taken by whoever holds some of it, in the name of a spool."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.held_bytes: int = 0
        """what all of them hold together"""
        self._held: dict[Hashable, int] = {}
        self._offers: dict[Hashable, Callable[[], None]] = {}
        self._given_up: set[Hashable] = set()
        self._freed: anyio.Event | None = None

    async def take(self, spool: Hashable, size: int) -> None:
        """Let a spool hold so many bytes more; others are given up for it if need be.

        Raises `FileTooLarge` if they can never fit, `SpoolFull` if they do not fit now.
        """
        held = self._held.get(spool, 0)
        if held + size > self._max_bytes:
            raise FileTooLarge(
                f"File is too large. At most {self._max_bytes} bytes are allowed.", param="file"
            )
        if self._missing(size) > 0:
            with anyio.move_on_after(RECLAIM_SECONDS):
                await self._reclaim(size)
            if self._missing(size) > 0:
                raise self._full()
        self._held[spool] = held + size
        self.held_bytes += size

    def offer(self, spool: Hashable, give_up: Callable[[], None]) -> None:
        """Have a spool closed soon after `give_up` is called, which is done with the oldest offer first."""
        self._offers[spool] = give_up

    def give_back(self, spool: Hashable) -> None:
        """A spool is closed."""
        self.held_bytes -= self._held.pop(spool, 0)
        self._offers.pop(spool, None)
        self._given_up.discard(spool)
        if self._freed is not None:
            self._freed.set()

    def _missing(self, size: int) -> int:
        return self.held_bytes + size - self._max_bytes

    async def _reclaim(self, size: int) -> None:
        """Give up as many spools as it takes, and wait until they are closed.

        Raises `SpoolFull`, with none given up, if all of them would not be enough.
        """
        while self._missing(size) > 0:
            still_missing = self._missing(size) - self._bytes_of(self._given_up)
            if still_missing > self._bytes_of(self._offers):
                raise self._full()
            while still_missing > 0:
                spool = next(iter(self._offers))
                still_missing -= self._held[spool]
                self._give_up(spool)
            await self._change()

    async def _change(self) -> None:
        if self._freed is None or self._freed.is_set():
            self._freed = anyio.Event()
        await self._freed.wait()

    def _give_up(self, spool: Hashable) -> None:
        give_up = self._offers.pop(spool)
        self._given_up.add(spool)
        give_up()

    def _bytes_of(self, spools: Iterable[Hashable]) -> int:
        return sum(self._held.get(spool, 0) for spool in spools)

    def _full(self) -> SpoolFull:
        told = {"held_bytes": self.held_bytes, "max_spool_bytes": self._max_bytes}
        logger.warning("an upload is refused, for the spools are full", extra=told)
        return SpoolFull(
            "The disk space for uploads (max_spool_bytes) is taken by others that are being received or "
            "sent on. Try again in some seconds."
        )
