"""Walks through indexes, in the order of what they lead to, that end after so many rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

import anyio.lowlevel

from litebatch_asgi.search import BatchSearch, Cursor, FileSearch
from litebatch_sql.executor import Reader
from litebatch_sql.queries import Queries
from litebatch_sql.rows import Row, from_microseconds, to_microseconds

Match: TypeAlias = Callable[[Row], bool]
"""Whether a row, read with its texts, is one that is looked for."""

_CHUNK = 500
"""rows that are read at a time where each is looked at: some milliseconds"""
_MATCHED_AT_ONCE = 50
"""of these: metadata of many letters that are two in lower case takes a fifth of a millisecond each"""
_BEGINNING, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Walk(NamedTuple):
    """A way to what is looked for, through one index."""

    by: str
    """its name, for cursors"""
    query: str
    leading: tuple[str, ...]
    """options: what leads to a place in the index"""
    sifting: tuple[str, ...]
    """options: what is looked at on the way"""
    parameters: dict[str, Any]
    strands: tuple[dict[str, Any], ...] = ({},)
    """parameters of places in the index, the walks from which are made into one"""
    bound: str | None = None
    """the query of where it ends; None: the same without what is looked at on the way"""
    by_id: bool = False
    """in order of ids alone"""

    def place(self, row: Row) -> tuple[int, str]:
        """What it goes in the order of."""
        return (0 if self.by_id else row[0]), row[1]


class Found(NamedTuple):
    """The places of what a walk has found, newest first, and where it goes on."""

    ids: list[str]
    next: Cursor | None
    previous: Cursor | None


class Walker:
    """Walks from a cursor, or from the newest row, towards older rows or newer ones."""

    def __init__(self, reader: Reader, queries: Queries, search: BatchSearch | FileSearch) -> None:
        self._reader = reader
        self._queries = queries
        self._cursor = search.after or search.before
        self._is_down = search.after is None
        self._limit = search.limit
        self._look_at = search.look_at

    async def find(self, walks: Sequence[Walk], match: Match | None) -> Found:
        """What the best of these ways leads to, of which each finds all that is looked for."""
        walk, bound = await self._best(walks, is_matched=match is not None)
        limit, start, found = self._limit, self._start(), list[Row]()
        size = limit + 1 if match is None else _CHUNK
        while len(found) <= limit:
            rows = await self._rows(walk, start, bound, size, with_texts=match is not None)
            found += rows if match is None else await _matching(match, rows)
            if len(rows) < size:
                break
            start = rows[-1]
        return self._found(walk, found[:limit], bound, has_more=len(found) > limit)

    def _start(self) -> Row | None:
        """The row that it begins behind."""
        cursor = self._cursor
        return None if cursor is None else (to_microseconds(cursor.created_at), cursor.id)

    def _found(self, walk: Walk, found: list[Row], bound: Row | None, *, has_more: bool) -> Found:
        last = _cursor(walk, found[-1]) if found and has_more else _cursor(walk, bound)
        back: Cursor | None = None
        if self._cursor is not None:
            edge = Cursor(
                created_at=_BEGINNING if self._is_down else _END, id="" if self._is_down else "~", by=walk.by
            )
            back = _cursor(walk, found[0] if found else bound) or edge
        ids = [row[1] for row in found]
        return Found(ids, last, back) if self._is_down else Found(ids[::-1], back, last)

    async def _best(self, walks: Sequence[Walk], *, is_matched: bool) -> tuple[Walk, Row | None]:
        """The way that leads the furthest for the rows that are looked at, and where it ends."""
        begun = [walk for walk in walks if self._cursor is not None and walk.by == self._cursor.by]
        walks = begun or [walk for walk in walks if not walk.sifting][:1] or walks
        if len(walks) == 1 and not walks[0].sifting and not is_matched:
            return walks[0], None
        best: tuple[Walk, Row] | None = None
        for walk in walks:
            bound = await self._bound(walk)
            if bound is None:
                return walk, None
            if best is None or (bound[1] < best[1][1] if self._is_down else bound[1] > best[1][1]):
                best = walk, bound  # ids tell the time
        assert best is not None
        return best

    async def _bound(self, walk: Walk) -> Row | None:
        """The last row that is looked at; None: it ends before so many."""
        options = self._options(self._start(), None)
        share = -(-self._look_at // len(walk.strands))
        parameters = {**walk.parameters, **_from(self._start()), "limit": 1, "offset": share - 1}
        statement = self._queries.sql(walk.bound or walk.query, *walk.leading, *options)
        bounds = [
            row
            for strand in walk.strands
            if (row := await self._reader.fetch_one(statement, {**parameters, **strand})) is not None
        ]
        nearest = max if self._is_down else min
        return nearest(bounds, key=walk.place, default=None)

    async def _rows(
        self, walk: Walk, start: Row | None, bound: Row | None, size: int, *, with_texts: bool
    ) -> list[Row]:
        texts = ("texts",) if with_texts else ()
        options = (*walk.leading, *walk.sifting, *texts, *self._options(start, bound))
        parameters = {
            **walk.parameters,
            **_from(start),
            **_to(bound),
            "limit": size,
            "offset": 0,
            "looked_at": self._look_at if walk.sifting else size,
        }
        statement = self._queries.sql(walk.query, *options)
        rows = [
            row
            for strand in walk.strands
            for row in await self._reader.fetch_all(statement, {**parameters, **strand})
        ]
        return sorted(rows, key=walk.place, reverse=self._is_down)[:size]

    def _options(self, start: Row | None, bound: Row | None) -> list[str]:
        options = ["descending" if self._is_down else "ascending"]
        if start is not None:
            options.append("before" if self._is_down else "after")
        if bound is not None:
            options.append("down_to" if self._is_down else "up_to")
        return options


async def _matching(match: Match, rows: Sequence[Row]) -> list[Row]:
    """Those that are looked for, without keeping the event loop from its other work."""
    found: list[Row] = []
    for start in range(0, len(rows), _MATCHED_AT_ONCE):
        found += filter(match, rows[start : start + _MATCHED_AT_ONCE])
        await anyio.lowlevel.checkpoint()
    return found


def _from(row: Row | None) -> dict[str, Any]:
    return {"from_at": row[0], "from_id": row[1]} if row is not None else {}


def _to(row: Row | None) -> dict[str, Any]:
    return {"to_at": row[0], "to_id": row[1]} if row is not None else {}


def _cursor(walk: Walk, row: Row | None) -> Cursor | None:
    return None if row is None else Cursor(created_at=from_microseconds(row[0]), id=row[1], by=walk.by)
