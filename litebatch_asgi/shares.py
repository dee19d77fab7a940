"""Places for work that is under way, shared between the owners that it is done for. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable
from typing import Generic, TypeVar

import msgspec

K = TypeVar("K", bound=Hashable)


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What may be begun now."""

    places: int
    """so many at once that no owner has too many, whoever they are for"""
    enough: frozenset[str]
    """owners that have as many as they may, and are passed over"""


class SharedPlaces(Generic[K]):
    """Counts what is under way, in several groups of places of their own.

    An owner has at most three quarters of the places that others leave free, and at least one. So whoever has
    much that takes long, there is a place for somebody else, and what becomes free goes to who has less.
    """

    def __init__(self) -> None:
        self._held: dict[K, Counter[str]] = defaultdict(Counter)

    def taken(self, group: K) -> int:
        """The places of a group that are taken."""
        return self._held[group].total()

    def take(self, group: K, owner: str) -> None:
        """Something is begun for this owner."""
        self._held[group][owner] += 1

    def give_back(self, group: K, owner: str) -> None:
        """It is over."""
        self._held[group] -= Counter({owner: 1})

    def room(self, group: K, most: int) -> Room:
        """What may be begun in a group of so many places."""
        held = self._held[group]
        free = max(0, most - held.total())
        left = {owner: share_of(free + count) - count for owner, count in held.items()}
        more = [share_of(free), *(places for places in left.values() if places > 0)]
        return Room(
            places=min(free, *more),
            enough=frozenset(owner for owner, places in left.items() if places <= 0),
        )


def share_of(places: int) -> int:
    """How many of so many places one owner may have."""
    return max(1, 3 * places // 4)
