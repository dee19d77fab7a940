"""What a transaction on dicts is going to write: checked at once, written together."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, TypeVar

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import Content, FileCopy, Job, LineRange

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Claimed = TypeVar("Claimed", Job, FileCopy, Content, LineRange)


class Draft:
    """Collects writes to dicts. Every check raises `StateConflict`, before anything is written."""

    def __init__(self) -> None:
        self._writes: list[Callable[[], Any]] = []
        self._inserted: set[tuple[int, Hashable]] = set()
        self._removed: set[tuple[int, Hashable]] = set()

    def insert(self, rows: dict[K, V], key: K, row: V) -> None:
        """Write a row that is not there yet."""
        place = (id(rows), key)
        if (key in rows and place not in self._removed) or place in self._inserted:
            raise StateConflict(f"{key} is there already")
        self._inserted.add(place)
        self.put(rows, key, row)

    def name(self, rows: dict[K, V], key: K, row: V) -> None:
        """Write a row that no other write of this transaction may be for."""
        if (id(rows), key) in self._inserted:
            raise StateConflict(f"{key} is named already")
        self._inserted.add((id(rows), key))
        self.put(rows, key, row)

    def put(self, rows: dict[K, V], key: K, row: V) -> None:
        """Write a row."""
        self._writes.append(lambda: rows.__setitem__(key, row))

    def put_fenced(self, rows: dict[K, Claimed], key: K, row: Claimed, *, held_epoch: int) -> None:
        """Write a row that is there with this epoch."""
        _check_fence(rows, key, held_epoch)
        self.put(rows, key, row)

    def remove_fenced(self, rows: dict[K, Claimed], key: K, *, held_epoch: int) -> None:
        """Drop a row that is there with this epoch; another may be inserted in its place."""
        _check_fence(rows, key, held_epoch)
        self.remove_key(rows, key)

    def remove_key(self, rows: dict[K, V], key: K) -> None:
        """Drop a row; another may be inserted in its place."""
        self._removed.add((id(rows), key))
        self._writes.append(partial(rows.pop, key))

    def remove(self, rows: dict[K, V], matches: Callable[[V], bool]) -> None:
        """Drop the rows that match."""
        for key in [key for key, row in rows.items() if matches(row)]:
            self._writes.append(partial(rows.pop, key))

    def remove_keys(self, rows: dict[K, V], matches: Callable[[K], bool]) -> None:
        """Drop the rows whose keys match."""
        for key in filter(matches, list(rows)):
            self._writes.append(partial(rows.pop, key))

    def write(self) -> None:
        """Write all of it."""
        for write in self._writes:
            write()


def _check_fence(rows: dict[K, Claimed], key: K, held_epoch: int) -> None:
    current = rows.get(key)
    if current is None or current.epoch != held_epoch:
        raise StateConflict(f"{key} is not there, or has another epoch than {held_epoch}")
