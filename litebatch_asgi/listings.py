"""One read of a provider's list at a time, shared by all who look for something in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Hashable
from copy import copy
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import anyio

from litebatch_asgi.errors import ProviderError

Listed = TypeVar("Listed", covariant=True)
Item = TypeVar("Item")


class ListSince(Protocol[Listed]):
    """Reads everything made at or after `since`: complete, or it raises `ProviderError`."""

    def __call__(self, *, since: datetime) -> AsyncIterator[Listed]:
        """Begin to read."""
        ...


class SharedListing(Generic[Item]):
    """Finds the objects of one list by a key, such as our tag in them.

    Who asks while the list is being read waits for the next read, which serves all that have asked by then:
    what was made before somebody asked is never missed because a page was read too early. Only what is asked
    for is kept.
    """

    def __init__(self, read: ListSince[Item], key_of: Callable[[Item], Hashable | None]) -> None:
        """`key_of` tells what an object is found by; None: by nothing."""
        self._read = read
        self._key_of = key_of
        self._turn = anyio.Lock()
        self._next: _Pass[Item] = _Pass()

    async def find(self, key: Hashable, *, since: datetime) -> list[Item]:
        """The objects with this key, in the list's order; some may be older than `since`.

        Raises the `ProviderError` that kept the list from being read to its end.
        """
        reading = self._next
        reading.want(key, since)
        async with self._turn:
            if not reading.has_ended:
                if self._next is reading:
                    self._next = _Pass()
                await reading.run(self._read, self._key_of)
        return reading.found(key)


class _Pass(Generic[Item]):
    """One read. If whoever reads is cancelled, the next one in line begins it anew."""

    def __init__(self) -> None:
        self._wanted: set[Hashable] = set()
        self._since: datetime | None = None
        self._found: dict[Hashable, list[Item]] = {}
        self._error: ProviderError | None = None
        self.has_ended = False

    def want(self, key: Hashable, since: datetime) -> None:
        self._wanted.add(key)
        self._since = min(since, self._since or since)

    async def run(self, read: ListSince[Item], key_of: Callable[[Item], Hashable | None]) -> None:
        assert self._since is not None
        found: dict[Hashable, list[Item]] = defaultdict(list)
        try:
            async for item in read(since=self._since):
                key = key_of(item)
                if key in self._wanted:
                    found[key].append(item)
        except ProviderError as error:
            self._error = error
        self._found = found
        self.has_ended = True

    def found(self, key: Hashable) -> list[Item]:
        if self._error is not None:
            raise copy(self._error) from self._error  # each waiter has a traceback of its own
        return self._found.get(key, [])
