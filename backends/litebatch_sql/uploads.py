"""Uploads and their parts in the database of an SQL storage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import Upload, UploadPart, UploadRoom, UploadStatus
from litebatch_asgi.models.uploads import check_same, check_takes
from litebatch_sql.executor import Executor, Transaction, in_transaction
from litebatch_sql.leases import clock
from litebatch_sql.queries import Queries
from litebatch_sql.repeats import file_of_upload
from litebatch_sql.reservations import lock_scope
from litebatch_sql.rows import to_microseconds
from litebatch_sql.tables import UPLOAD_PARTS, UPLOADS

_SCOPE = "uploads"
"""whoever takes space takes turns under this name"""


class SQLUploadStore:
    """An `UploadStore` over an `Executor`; `queries` raises until it is open."""

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def create(self, upload: Upload, *, keys_since: datetime, room: UploadRoom) -> Upload:
        """See `UploadStore.create`."""
        queries = self._queries()

        async def create(transaction: Transaction) -> Upload:
            await lock_scope(transaction, queries, _SCOPE)
            if upload.request_key is not None:
                wanted = {"owner": upload.owner, "key": upload.request_key}
                since = {"since": to_microseconds(keys_since)}
                row = await transaction.fetch_one(queries.sql("upload_with_key"), wanted | since)
                if row is not None:
                    return check_same(UPLOADS.decode(row), upload)
            await self._check(transaction, room, upload.owner, upload.held_bytes + upload.bytes)
            await transaction.execute(queries.sql("insert_uploads"), UPLOADS.encode(upload))
            return upload

        return await in_transaction(self._executor, create)

    async def get(self, upload_id: str) -> Upload | None:
        """See `UploadStore.get`."""
        row = await self._executor.fetch_one(self._queries().sql("get_upload"), {"id": upload_id})
        return UPLOADS.decode(row) if row else None

    async def add_part(self, part: UploadPart, *, room: UploadRoom) -> Upload:
        """See `UploadStore.add_part`."""
        sql = self._queries().sql

        async def add(transaction: Transaction) -> Upload:
            await lock_scope(transaction, self._queries(), _SCOPE)
            upload = await self._locked(transaction, part.upload_id)
            check_takes(upload, part)
            await self._check(transaction, room, upload.owner, part.held_bytes)
            await transaction.execute(sql("insert_upload_parts"), UPLOAD_PARTS.encode(part))
            if not await transaction.execute(sql("keep_content"), UPLOAD_PARTS.encode(part)):
                raise StateConflict(f"content {part.content_key} is not being written")
            await transaction.execute(sql("count_part"), {"id": upload.id, "held": part.held_bytes})
            held = upload.held_bytes + part.held_bytes
            return replace(upload, parts=upload.parts + 1, held_bytes=held)

        return await in_transaction(self._executor, add)

    async def parts(self, upload_id: str) -> list[UploadPart]:
        """See `UploadStore.parts`."""
        rows = await self._executor.fetch_all(self._queries().sql("list_upload_parts"), {"id": upload_id})
        return list(map(UPLOAD_PARTS.decode, rows))

    async def end(self, upload_id: str, status: UploadStatus, at: datetime) -> Upload:
        """See `UploadStore.end`."""
        queries = self._queries()

        async def end(transaction: Transaction) -> Upload:
            upload = await self._locked(transaction, upload_id)
            if upload.status is not UploadStatus.PENDING:
                return upload
            is_made = await file_of_upload(transaction, queries, upload, at) is not None
            if status is UploadStatus.COMPLETED and not is_made:
                raise StateConflict(f"upload {upload_id} has no file")
            ended = replace(upload, status=UploadStatus.COMPLETED if is_made else status, ended_at=at)
            row: dict[str, Any] = {**UPLOADS.encode(ended), "at": to_microseconds(at), "now": clock()}
            for name in ("end_upload", "release_upload_contents", "remove_upload_parts"):
                await transaction.execute(queries.sql(name), row)
            return ended

        return await in_transaction(self._executor, end)

    async def overdue(self, before: datetime, *, limit: int) -> list[str]:
        """See `UploadStore.overdue`."""
        wanted = {"before": to_microseconds(before), "limit": limit}
        rows = await self._executor.fetch_all(self._queries().sql("overdue_uploads"), wanted)
        return [row[0] for row in rows]

    async def remove_ended(self, before: datetime, *, limit: int) -> int:
        """See `UploadStore.remove_ended`."""
        statement = self._queries().sql("remove_ended_uploads")
        limits = {"before": to_microseconds(before), "limit": limit}
        return await in_transaction(self._executor, lambda each: each.execute(statement, limits))

    async def _locked(self, transaction: Transaction, upload_id: str) -> Upload:
        row = await transaction.fetch_one(self._queries().sql("get_upload", "lock"), {"id": upload_id})
        if row is None:
            raise StateConflict(f"upload {upload_id} is not there")
        return UPLOADS.decode(row)

    async def _check(self, transaction: Transaction, room: UploadRoom, owner: str, asked: int) -> None:
        # a statement of its own: it sees what was committed while the lock was waited for
        held = await transaction.fetch_one(self._queries().sql("held_by_uploads"), {"owner": owner})
        assert held is not None
        mine, everybodys = held
        room.check(asked, mine=mine, others=everybodys - mine)
