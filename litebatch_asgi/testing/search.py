"""Searches in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from litebatch_asgi.models import Batch, File
from litebatch_asgi.models.ids import is_batch_id, is_file_id
from litebatch_asgi.search import BatchSearch, Cursor, FileSearch, SearchPage, T, occurs
from litebatch_asgi.testing.tables import Tables

_END = Cursor(created_at=datetime.max.replace(tzinfo=UTC), id="~")
_BEGINNING = Cursor(created_at=datetime.min.replace(tzinfo=UTC), id="")


class MemorySearchStore:
    """A `SearchStore` over dicts. It looks at everything there is."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def batches(self, search: BatchSearch) -> SearchPage[Batch]:
        """See `SearchStore.batches`."""
        self._tables.check_open()
        at_deployment = {
            job.batch_id for job in self._tables.jobs.values() if job.deployment_id == search.deployment_id
        }
        found = (
            batch
            for batch in self._tables.batches.values()
            if search.owner in (None, batch.owner)
            and (not search.statuses or batch.status in search.statuses)
            and search.model in (None, batch.model)
            and (search.deployment_id is None or batch.id in at_deployment)
        )
        text = search.text or ""
        if is_batch_id(text):
            return SearchPage(items=[batch for batch in found if batch.id == text])
        if is_file_id(text):
            found = (batch for batch in found if batch.input_file_id == text)
            return _page(found, search, lambda _: True)
        return _page(found, search, lambda batch: self._holds(text, batch))

    def _holds(self, text: str, batch: Batch) -> bool:
        file = self._tables.files.get(batch.input_file_id)
        names = (batch.id, batch.input_file_id, file.filename if file is not None else None)
        return occurs(text, among=names, metadata=batch.metadata)

    async def files(self, search: FileSearch) -> SearchPage[File]:
        """See `SearchStore.files`."""
        self._tables.check_open()
        found = (
            file
            for file in self._tables.files.values()
            if file.accepted_at is not None
            and file.deleted_at is None
            and not file.is_expired(search.now)
            and search.owner in (None, file.owner)
            and search.purpose in (None, file.purpose)
        )
        text = search.text or ""
        if is_file_id(text):
            return SearchPage(items=[file for file in found if file.id == text])
        return _page(found, search, lambda file: occurs(text, among=(file.id, file.filename)))


def _page(found: Iterable[T], search: BatchSearch | FileSearch, holds: Callable[[T], bool]) -> SearchPage[T]:
    """Looks at so many of what was found, in the direction that is asked for."""
    is_down = search.after is None
    cursor = search.after or search.before
    rows = sorted(found, key=_age, reverse=is_down)
    begin = sum(cursor is not None and _is_behind(row, cursor, is_down=is_down) for row in rows)
    looked_at = rows[begin : begin + search.look_at]
    items = [row for row in looked_at if holds(row)]
    has_more = len(items) > search.limit
    last = items[search.limit - 1] if has_more else looked_at[-1] if looked_at else None
    is_end = not has_more and begin + search.look_at >= len(rows)
    on = None if is_end else _cursor(last, _BEGINNING)
    items = items[: search.limit]
    first = items[0] if items else last
    back = None if cursor is None else _cursor(first, _BEGINNING if is_down else _END)
    if is_down:
        return SearchPage(items=items, next=on, previous=back)
    return SearchPage(items=items[::-1], next=back, previous=on)


def _is_behind(item: Batch | File, cursor: Cursor, *, is_down: bool) -> bool:
    """Whether it comes no later than the cursor."""
    age, place = _age(item), (cursor.created_at, cursor.id)
    return age >= place if is_down else age <= place


def _age(item: Batch | File) -> tuple[datetime, str]:
    return item.created_at, item.id


def _cursor(item: Batch | File | None, edge: Cursor) -> Cursor:
    return edge if item is None else Cursor(created_at=item.created_at, id=item.id)
