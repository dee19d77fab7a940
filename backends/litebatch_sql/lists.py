"""Pages of files and batches."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

import anyio.lowlevel

from litebatch_asgi.models import Batch, File, ModelPattern
from litebatch_asgi.storage import BatchQuery, FileQuery
from litebatch_sql.executor import Parameters, Reader
from litebatch_sql.queries import Queries
from litebatch_sql.rows import Row, Table, encode_json, to_microseconds
from litebatch_sql.tables import BATCHES, FILES

Listed = TypeVar("Listed", File, Batch)

_ROWS_AT_ONCE = 100
"""About a millisecond of decoding."""


class Lists:
    """Reads pages. Each walks an index that has its order, and stops at the limit."""

    def __init__(self, reader: Reader, queries: Queries) -> None:
        self._reader = reader
        self._sql = queries.sql

    async def files(self, query: FileQuery) -> list[File]:
        """See `Storage.list_files`."""
        parameters = {
            "owner": query.owner,
            "purpose": query.purpose,
            "models": encode_json(query.models),
            "patterns": _written(query.patterns),
            "now": to_microseconds(query.now),
            "limit": query.limit,
            **_behind(query.after),
        }
        if query.expired:
            return await self._expired_files(query, parameters)
        of_all = "_all" if query.owner is None else ""
        options = _options(
            descending=query.descending,
            ascending=not query.descending,
            before=query.after is not None and query.descending,
            after=query.after is not None and not query.descending,
            purpose=query.purpose is not None,
            patterns=len(query.patterns) > 0,
        )
        if not query.models:
            return await self._page(FILES, self._sql(f"list{of_all}_files", *options), parameters)
        statement = self._sql(f"list{of_all}_files_of_model", *options)
        pages = await self._pages(FILES, statement, query.models, parameters)
        return _merged(pages, query.limit, descending=query.descending)

    async def _expired_files(self, query: FileQuery, parameters: Parameters) -> list[File]:
        options = _options(
            behind=query.after is not None,
            owner=query.owner is not None,
            purpose=query.purpose is not None,
            models=len(query.models) > 0,
            patterns=len(query.patterns) > 0,
        )
        return await self._page(FILES, self._sql("list_expired_files", *options), parameters)

    async def batches(self, query: BatchQuery) -> list[Batch]:
        """See `Storage.list_batches`."""
        before = query.after is not None
        parameters = {
            "owner": query.owner,
            "patterns": _written(query.patterns),
            "limit": query.limit,
            **_behind(query.after),
        }
        patterns = len(query.patterns) > 0
        if query.owner is None and not query.models:
            statement = self._sql("list_all_batches", *_options(before=before, patterns=patterns))
            return await self._page(BATCHES, statement, parameters)
        options = _options(
            before=before, owner=query.owner is not None, model=len(query.models) > 0, patterns=patterns
        )
        statement = self._sql("list_batches", *options)
        pages = await self._pages(BATCHES, statement, query.models or (None,), parameters)
        return _merged(pages, query.limit, descending=True)

    async def _pages(
        self,
        table: Table[Listed],
        statement: str,
        models: Sequence[str | None],
        parameters: Parameters,
    ) -> list[list[Listed]]:
        """A page for each model."""
        return [
            await self._page(table, statement, {**parameters, "model": model})
            for model in dict.fromkeys(models)
        ]

    async def _page(self, table: Table[Listed], statement: str, parameters: Parameters) -> list[Listed]:
        return await _decoded(table, await self._reader.fetch_all(statement, parameters))


async def _decoded(table: Table[Listed], rows: Sequence[Row]) -> list[Listed]:
    """The structs of many rows, without keeping the event loop from its other work."""
    decoded: list[Listed] = []
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        decoded += map(table.decode, rows[start : start + _ROWS_AT_ONCE])
        await anyio.lowlevel.checkpoint()
    return decoded


def _merged(pages: Sequence[list[Listed]], limit: int, *, descending: bool) -> list[Listed]:
    """The first of all pages, each item once: a file may be of several models."""
    merged: list[Listed] = []
    for item in heapq.merge(*pages, key=_age, reverse=descending):
        if len(merged) == limit:
            break
        if not merged or merged[-1].id != item.id:
            merged.append(item)
    return merged


def _written(patterns: Sequence[ModelPattern]) -> str:
    """Patterns as the queries take them."""
    return encode_json(
        [(pattern.start, int(pattern.is_whole), int(pattern.is_wanted)) for pattern in patterns]
    )


def _options(**lines: bool) -> list[str]:
    """The names of the optional lines that a query shall have."""
    return [name for name, is_wanted in lines.items() if is_wanted]


def _behind(last: File | Batch | None) -> dict[str, Any]:
    """The parameters that begin a page behind the last item of the page before."""
    if last is None:
        return {}
    parameters: dict[str, Any] = {"last_created_at": to_microseconds(last.created_at), "last_id": last.id}
    if last.expires_at is not None:
        parameters["last_expires_at"] = to_microseconds(last.expires_at)
    return parameters


def _age(item: File | Batch) -> tuple[datetime, str]:
    return item.created_at, item.id
