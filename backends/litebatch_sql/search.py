"""Searches in an SQL database."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from litebatch_asgi.models import Batch, BatchStatus, File
from litebatch_asgi.models.ids import is_batch_id, is_file_id
from litebatch_asgi.search import BatchSearch, FileSearch, SearchPage, occurs
from litebatch_sql.executor import Executor
from litebatch_sql.queries import Queries
from litebatch_sql.rows import Row, encode_keys, to_microseconds
from litebatch_sql.tables import BATCHES, FILES
from litebatch_sql.walks import Walk, Walker

_METADATA = msgspec.json.Decoder(dict[str, str])


class SQLSearchStore:
    """A `SearchStore` over an `Executor`; `queries` raises until it is open."""

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def batches(self, search: BatchSearch) -> SearchPage[Batch]:
        """See `SearchStore.batches`."""
        text = search.text or ""
        if is_batch_id(text):
            return SearchPage(items=await self._batch(text, search))
        match = partial(_batch_holds, text) if text and not is_file_id(text) else None
        walker = Walker(self._executor, self._queries(), search)
        found = await walker.find(_ways(search), match)
        rows = await self._executor.fetch_all(
            self._queries().sql("batches_of_ids"), {"keys": encode_keys(found.ids)}
        )
        by_id = {batch.id: batch for batch in map(BATCHES.decode, rows)}
        items = [by_id[id_] for id_ in found.ids if id_ in by_id and _has_status(by_id[id_], search)]
        return SearchPage(items=items, next=found.next, previous=found.previous)

    async def _batch(self, batch_id: str, search: BatchSearch) -> list[Batch]:
        row = await self._executor.fetch_one(self._queries().sql("get_batch"), {"id": batch_id})
        batch = BATCHES.decode(row) if row is not None else None
        if (
            batch is None
            or search.owner not in (None, batch.owner)
            or search.model not in (None, batch.model)
            or not _has_status(batch, search)
        ):
            return []
        if search.deployment_id is None:
            return [batch]
        there = {"id": batch_id, "deployment_id": search.deployment_id}
        is_there = await self._executor.fetch_one(self._queries().sql("is_at_deployment"), there)
        return [batch] if is_there is not None else []

    async def files(self, search: FileSearch) -> SearchPage[File]:
        """See `SearchStore.files`."""
        text = search.text or ""
        now = to_microseconds(search.now)
        if is_file_id(text):
            found = [file for file in await self._files([text], now) if _is_asked(file, search)]
            return SearchPage(items=found)
        walk = Walk(
            by="time",
            query="search_files" if search.owner is not None else "search_all_files",
            leading=("purpose",) if search.purpose is not None else (),
            sifting=("unexpired",),
            parameters={"owner": search.owner, "purpose": search.purpose, "now": now},
        )
        walker = Walker(self._executor, self._queries(), search)
        match = partial(_file_holds, text) if text else None
        places = await walker.find([walk], match)
        by_id = {file.id: file for file in await self._files(places.ids, now)}
        items = [by_id[id_] for id_ in places.ids if id_ in by_id]
        return SearchPage(items=items, next=places.next, previous=places.previous)

    async def _files(self, ids: list[str], now: int) -> list[File]:
        parameters = {"keys": encode_keys(ids), "now": now}
        rows = await self._executor.fetch_all(self._queries().sql("files_of_ids"), parameters)
        return list(map(FILES.decode, rows))


def _ways(search: BatchSearch) -> list[Walk]:
    """The indexes that lead to what is searched, each with what is to be looked at on the way."""
    owner = ("owner",) if search.owner is not None else ()
    model = ("model",) if search.model is not None else ()
    statuses = ("status",) if search.statuses else ()
    deployment = ("deployment",) if search.deployment_id is not None else ()
    parameters: dict[str, Any] = {
        "owner": search.owner,
        "of_owner": search.owner,
        "model": search.model,
        "of_model": search.model,
        "keys": encode_keys(sorted(search.statuses)),
        "deployment_id": search.deployment_id,
        "of_deployment": search.deployment_id,
        "input_file_id": search.text,
    }

    def walk(by: str, query: str, *leading: str, but: tuple[str, ...] = (), **more: Any) -> Walk:
        sifted = (name for name in (*owner, *model, *statuses, *deployment) if name not in (*leading, *but))
        sifting = tuple(f"of_{name}" for name in sifted)
        return Walk(by=by, query=query, leading=leading, sifting=sifting, parameters=parameters, **more)

    if search.text is not None and is_file_id(search.text):
        # Others may have batches on it: it does not end at one of theirs, which its cursor would tell of.
        of_owner = ("of_owner",) if owner else ()
        return [walk("file", "search_batches", "file", *of_owner, but=owner)]
    ways = [walk("time", "search_batches" if owner or model else "search_all_batches", *owner, *model)]
    if statuses and BatchStatus.COMPLETED not in search.statuses:
        strands = tuple({"status": status.value} for status in sorted(search.statuses))
        leading = ("owner", "status_of_owner") if owner else ("status",)
        ways.append(walk("status", "search_batches", *leading, but=statuses, strands=strands))
    if deployment:
        ways.append(
            walk(
                "deployment",
                "search_batches_at_deployment",
                but=deployment,
                bound="bound_of_batches_at_deployment",
                by_id=True,
            )
        )
    return ways


def _has_status(batch: Batch, search: BatchSearch) -> bool:
    return not search.statuses or batch.status in search.statuses


def _is_asked(file: File, search: FileSearch) -> bool:
    return search.owner in (None, file.owner) and search.purpose in (None, file.purpose)


def _batch_holds(text: str, row: Row) -> bool:
    _, batch_id, file_id, filename, metadata = row
    pairs = _METADATA.decode(metadata) if metadata is not None else None
    return occurs(text, among=(batch_id, file_id, filename), metadata=pairs)


def _file_holds(text: str, row: Row) -> bool:
    _, file_id, filename = row
    return occurs(text, among=(file_id, filename))
