"""What is remembered of the keys that were looked up."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import anyio

from litebatch_asgi.keys import KeyStore
from litebatch_asgi.models import KeyGrant

CACHED_SECONDS = 4.0
"""How long a key counts on after another process has blocked it."""
UNKNOWN_SECONDS = 2.0
MOST_KEYS = 10_000
MOST_LOOKUPS = 4
"""How many look-ups at once unknown keys can cost the database, however many of them are tried."""


class _Entry(NamedTuple):
    grant: KeyGrant | None
    until: float


class GrantCache:
    """Keys by their tokens; `clock` counts seconds.

    What is not a key is remembered apart, and looked up apart from what was one, so that nobody can drive the
    keys of others out by guessing, nor keep them waiting.
    """

    def __init__(self, store: KeyStore, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, _Entry] = {}
        self._unknown: dict[str, _Entry] = {}
        self._lookups = anyio.Semaphore(MOST_LOOKUPS)
        self._renewals = anyio.Semaphore(MOST_LOOKUPS)
        self._generation = 0

    async def find(self, token: str) -> KeyGrant | None:
        """The key with this token. Raises `StorageUnavailable`."""
        entry = self._fresh(token)
        if entry is None:
            async with self._renewals if token in self._known else self._lookups:
                entry = self._fresh(token) or await self._look_up(token)
        return entry.grant

    def forget(self) -> None:
        """Everything, for something has been changed: also what is being looked up now.

        That there were these keys is remembered: they are still looked up apart from others.
        """
        self._generation += 1
        self._known = {token: _Entry(None, -math.inf) for token in self._known}
        self._unknown.clear()

    def _fresh(self, token: str) -> _Entry | None:
        entry = self._known.get(token) or self._unknown.get(token)
        return entry if entry is not None and self._clock() < entry.until else None

    async def _look_up(self, token: str) -> _Entry:
        generation, began = self._generation, self._clock()
        grant = await self._store.find_key(token)
        seconds = UNKNOWN_SECONDS if grant is None else CACHED_SECONDS
        entry = _Entry(grant, began + seconds)
        if generation == self._generation:
            self._keep(token, entry)
        return entry

    def _keep(self, token: str, entry: _Entry) -> None:
        self._known.pop(token, None)
        self._unknown.pop(token, None)
        entries = self._unknown if entry.grant is None else self._known
        if len(entries) >= MOST_KEYS:
            del entries[_oldest(entries)]
        entries[token] = entry


def _oldest(entries: Mapping[str, _Entry]) -> str:
    return next(iter(entries))
