"""Places: what one deployment's requests take from when they begin until their results are committed."""

from __future__ import annotations

from collections import Counter

from litebatch_asgi.live.answers import AnswerBudget, AnswerShare


class Place:
    """One place, which is taken until it is freed."""

    __slots__ = ("_places", "answer", "is_free", "owner")

    def __init__(self, places: Places, owner: str) -> None:
        self._places = places
        self.owner: str = owner
        self.answer: AnswerShare = AnswerShare(places.budget)
        """the bytes of its answer"""
        self.is_free: bool = False

    def free(self) -> None:
        """Let another request have it; once more does nothing."""
        if not self.is_free:
            self.is_free = True
            self.answer.free()
            self._places.left(self.owner)


class Places:
    """How many places are taken, and whose requests take them."""

    def __init__(self, budget: AnswerBudget) -> None:
        self.budget: AnswerBudget = budget
        """of the answers of all deployments"""
        self.taken: int = 0
        self._of_owner: Counter[str] = Counter()

    def take(self, owner: str) -> Place:
        """A request of this owner begins."""
        self.taken += 1
        self._of_owner[owner] += 1
        return Place(self, owner)

    def of(self, owner: str) -> int:
        """How many an owner's requests take."""
        return self._of_owner[owner]

    def left(self, owner: str) -> None:
        """A place is free again: see `Place.free`."""
        self.taken -= 1
        self._of_owner[owner] -= 1
        if not self._of_owner[owner]:
            del self._of_owner[owner]
