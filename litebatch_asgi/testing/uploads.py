"""Uploads and their parts in memory."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from litebatch_asgi.errors import RequestUnderWay, StateConflict
from litebatch_asgi.models import CreateRequest, Upload, UploadPart, UploadRoom, UploadStatus
from litebatch_asgi.models.uploads import (
    check_completes_alike,
    check_makes_file,
    check_same,
    check_takes,
)
from litebatch_asgi.testing.drafts import Draft
from litebatch_asgi.testing.tables import Tables


class MemoryUploadStore:
    """An `UploadStore` as long as the tables live."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def create(self, upload: Upload, *, keys_since: datetime, room: UploadRoom) -> Upload:
        """See `UploadStore.create`."""
        async with self._tables.write() as draft:
            asked = (upload.owner, upload.request_key)
            earlier = [
                each
                for each in self._tables.uploads.values()
                if (each.owner, each.request_key) == asked and each.created_at >= keys_since
            ]
            if upload.request_key is not None and earlier:
                return check_same(max(earlier, key=lambda each: (each.created_at, each.id)), upload)
            self._check(room, upload.owner, upload.held_bytes + upload.bytes)
            draft.insert(self._tables.uploads, upload.id, upload)
        return upload

    async def get(self, upload_id: str) -> Upload | None:
        """See `UploadStore.get`."""
        self._tables.check_open()
        return self._tables.uploads.get(upload_id)

    async def add_part(self, part: UploadPart, *, room: UploadRoom) -> Upload:
        """See `UploadStore.add_part`."""
        async with self._tables.write() as draft:
            upload = self._there(part.upload_id)
            check_takes(upload, part)
            self._check(room, upload.owner, part.held_bytes)
            draft.insert(self._tables.upload_parts, part.id, part)
            self._tables.keep_content(draft, part.content_key, part.store, part.bytes)
            held = upload.held_bytes + part.held_bytes
            upload = replace(upload, parts=upload.parts + 1, held_bytes=held)
            draft.put(self._tables.uploads, upload.id, upload)
        return upload

    async def parts(self, upload_id: str) -> list[UploadPart]:
        """See `UploadStore.parts`."""
        self._tables.check_open()
        found = (part for part in self._tables.upload_parts.values() if part.upload_id == upload_id)
        return sorted(found, key=lambda part: part.id)

    async def end(self, upload_id: str, status: UploadStatus, at: datetime) -> Upload:
        """See `UploadStore.end`."""
        async with self._tables.write() as draft:
            upload = self._there(upload_id)
            if upload.status is not UploadStatus.PENDING:
                return upload
            is_made = file_of_upload(self._tables, upload, at) is not None
            if status is UploadStatus.COMPLETED and not is_made:
                raise StateConflict(f"upload {upload_id} has no file")
            ended = replace(upload, status=UploadStatus.COMPLETED if is_made else status, ended_at=at)
            draft.put(self._tables.uploads, upload_id, ended)
            for part in self._tables.upload_parts.values():
                if part.upload_id == upload_id:
                    self._tables.release_content(draft, part.content_key)
            draft.remove(self._tables.upload_parts, lambda part: part.upload_id == upload_id)
        return ended

    async def overdue(self, before: datetime, *, limit: int) -> list[str]:
        """See `UploadStore.overdue`."""
        self._tables.check_open()
        pending = [each for each in self._tables.uploads.values() if each.status is UploadStatus.PENDING]
        late = sorted((each.expires_at, each.id) for each in pending if each.expires_at < before)
        return [upload_id for _, upload_id in late[:limit]]

    async def remove_ended(self, before: datetime, *, limit: int) -> int:
        """See `UploadStore.remove_ended`."""
        async with self._tables.write() as draft:
            ended = [(each.ended_at, each.id) for each in self._tables.uploads.values() if each.ended_at]
            old = sorted(each for each in ended if each[0] < before)[:limit]
            for _, upload_id in old:
                draft.remove_key(self._tables.uploads, upload_id)
        return len(old)

    def _there(self, upload_id: str) -> Upload:
        if upload_id not in self._tables.uploads:
            raise StateConflict(f"upload {upload_id} is not there")
        return self._tables.uploads[upload_id]

    def _check(self, room: UploadRoom, owner: str, asked: int) -> None:
        pending = [each for each in self._tables.uploads.values() if each.status is UploadStatus.PENDING]
        mine = sum(each.held_bytes for each in pending if each.owner == owner)
        others = sum(each.held_bytes for each in pending if each.owner != owner)
        room.check(asked, mine=mine, others=others)


def file_of_upload(tables: Tables, upload: Upload, at: datetime) -> str | None:
    """The id of the file that an upload was made into; None if there is none.

    Raises `RequestUnderWay` while it is on its way.
    """
    is_there = tables.is_accepted(upload.file_id, at) if upload.file_id else None
    if is_there is False:
        raise RequestUnderWay(f"{upload.file_id} is not accepted yet")
    return upload.file_id if is_there else None


def made_of_upload(tables: Tables, draft: Draft, request: CreateRequest) -> str | None:
    """The file that an earlier completion of the request's upload has made; None: this one makes it."""
    upload = check_makes_file(tables.uploads.get(request.upload_id or ""), request.upload_id)
    file_id = file_of_upload(tables, upload, request.at)
    if file_id is None:
        if upload.status is UploadStatus.COMPLETED:
            raise StateConflict(f"the file of upload {upload.id} is gone")
        made = replace(upload, file_id=request.object_id, completion=request.fingerprint)
        draft.put(tables.uploads, upload.id, made)
        return None
    check_completes_alike(upload, request.fingerprint)
    return file_id
