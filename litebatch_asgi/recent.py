"""A bounded memory of ids that were met lately."""

from __future__ import annotations

MOST = 50_000
"""ids that are remembered, about 8 MB"""


class RecentIds:
    """The ids that were added last; the oldest are forgotten."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._ids: dict[str, None] = {}

    def add(self, id_: str) -> None:
        """Remember an id; one that is known becomes the newest."""
        self._ids.pop(id_, None)
        self._ids[id_] = None
        if len(self._ids) > self._most:
            del self._ids[next(iter(self._ids))]

    def __contains__(self, id_: str) -> bool:
        return id_ in self._ids
