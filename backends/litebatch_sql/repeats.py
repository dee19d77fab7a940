"""Requests that come again: looked up in the transaction that would create an object once more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litebatch_asgi.errors import KeyReused, RequestUnderWay, StateConflict
from litebatch_asgi.models import CreateRequest, Upload, UploadStatus
from litebatch_asgi.models.uploads import check_completes_alike, check_makes_file
from litebatch_sql.executor import Transaction
from litebatch_sql.leases import clock
from litebatch_sql.queries import Queries
from litebatch_sql.rows import Table, to_microseconds
from litebatch_sql.tables import UPLOADS

SWEPT_AT_ONCE = 20
"""How many forgotten keys go whenever one is taken."""


class Repeats:
    """Finds what an earlier request like this one has made."""

    def __init__(self, transaction: Transaction, queries: Queries, request: CreateRequest) -> None:
        self._transaction = transaction
        self._queries = queries
        self._sql = queries.sql
        self._request = request
        self._parameters: dict[str, Any] = {
            "owner": request.owner,
            "key": request.key,
            "fingerprint": request.fingerprint,
            "object_id": request.object_id,
            "upload_id": request.upload_id,
            "at": to_microseconds(request.at),
            "now": clock(),
        }

    async def earlier(self, table: Table[Any]) -> str | None:
        """The id of what was made then, as `Storage.create_file` says; None: it is to be made now."""
        if self._request.upload_id is not None:
            return await self._made_of_upload()
        if self._request.key is not None:
            return await self._keyed()
        return await self._unanswered(table) if self._request.is_retry else None

    async def _keyed(self) -> str | None:
        # waits for whoever is taking the key now
        if await self._transaction.execute(self._sql("insert_key"), self._parameters):
            await self._sweep()
            return None
        row = await self._transaction.fetch_one(self._sql("get_key"), self._parameters)
        if row is None:
            raise RequestUnderWay("the key is being forgotten")
        fingerprint, earlier_id, created_at = row
        is_known = created_at >= to_microseconds(self._request.keys_since)
        is_there = await self._is_there(earlier_id) if is_known else None
        if is_there is None:
            await self._transaction.execute(self._sql("update_key"), self._parameters)
            return None
        if fingerprint != self._request.fingerprint:
            raise KeyReused("This Idempotency-Key was sent with another request before. Take a new one.")
        if not is_there:
            raise RequestUnderWay(f"{earlier_id} is not accepted yet")
        return str(earlier_id)

    async def _made_of_upload(self) -> str | None:
        row = await self._transaction.fetch_one(
            self._sql("get_upload", "lock"), {"id": self._request.upload_id}
        )
        upload = check_makes_file(UPLOADS.decode(row) if row else None, self._request.upload_id)
        file_id = await file_of_upload(self._transaction, self._queries, upload, self._request.at)
        if file_id is None:
            if upload.status is UploadStatus.COMPLETED:
                raise StateConflict(f"the file of upload {upload.id} is gone")
            await self._transaction.execute(self._sql("make_file_of_upload"), self._parameters)
            return None
        check_completes_alike(upload, self._request.fingerprint)
        return file_id

    async def _is_there(self, object_id: str) -> bool | None:
        return await is_made(self._transaction, self._queries, object_id, self._request.at)

    async def _sweep(self) -> None:
        limits = {"since": to_microseconds(self._request.keys_since), "limit": SWEPT_AT_ONCE}
        await self._transaction.execute(self._sql("sweep_keys"), limits)

    async def _unanswered(self, table: Table[Any]) -> str | None:
        look = {**self._parameters, "since": to_microseconds(self._request.unanswered_since)}
        row = await self._transaction.fetch_one(self._sql(f"unanswered_{table.name}"), look)
        if row is None:
            return None
        earlier_id, is_under_way = row
        if is_under_way:
            raise RequestUnderWay(f"{earlier_id} is being answered")
        until = to_microseconds(self._request.answering_until)
        await self._transaction.execute(self._sql(f"answer_{table.name}"), {"id": earlier_id, "until": until})
        return str(earlier_id)


async def is_made(transaction: Transaction, queries: Queries, object_id: str, at: datetime) -> bool | None:
    """Whether an object was accepted; None if it is gone or will never be."""
    # a statement of its own: it sees what was committed while a lock was waited for
    made = {"id": object_id, "at": to_microseconds(at), "now": clock()}
    row = await transaction.fetch_one(queries.sql("made_object"), made)
    return bool(row[0]) if row else None


async def file_of_upload(
    transaction: Transaction, queries: Queries, upload: Upload, at: datetime
) -> str | None:
    """The id of the file that a locked upload was made into; None if there is none.

    Raises `RequestUnderWay` while it is on its way.
    """
    is_there = await is_made(transaction, queries, upload.file_id, at) if upload.file_id else None
    if is_there is False:
        raise RequestUnderWay(f"{upload.file_id} is not accepted yet")
    return upload.file_id if is_there else None
