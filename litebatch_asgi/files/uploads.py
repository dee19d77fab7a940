"""Uploads as callers see them: files that are sent in parts, in any order, to any process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import aclosing, suppress
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from litebatch_asgi import tracing
from litebatch_asgi.errors import (
    ContentMissing,
    InvalidRequest,
    LiteBatchError,
    NotFound,
    RequestUnderWay,
    StateConflict,
    Unavailable,
)
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.admission import FileCheck
from litebatch_asgi.files.keeping import ContentWriter
from litebatch_asgi.files.service import Completion, FileService, names_of
from litebatch_asgi.files.sources import UploadContent
from litebatch_asgi.files.spooling import spooled
from litebatch_asgi.files.stored import stored_blocks
from litebatch_asgi.models import (
    File,
    FileState,
    Principal,
    Upload,
    UploadPart,
    UploadRoom,
    UploadStatus,
)
from litebatch_asgi.models.ids import PART_PREFIX, UPLOAD_PREFIX, new_id, upload_id_in
from litebatch_asgi.models.limits import file_cap
from litebatch_asgi.models.repeats import KEY_LIVES
from litebatch_asgi.models.uploads import MOST_PARTS, PartCap
from litebatch_asgi.repeats import Made, fingerprint
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.spool import Spool
from litebatch_asgi.wire import CompleteUpload, CreateUpload, Repeat, UploadForm
from litebatch_asgi.wire.filenames import clean_filename

LIVES = timedelta(hours=1)
"""How long an upload may be added to and completed. Source: OpenAI's OpenAPI document."""


class Completed(NamedTuple):
    """An upload that has become a file."""

    upload: Upload
    file: FileState | None
    """None: it was deleted since, or has expired"""


class UploadService:
    """Begin, feed, complete and cancel uploads on behalf of a principal.

    Raises `RequestError`s. An upload of another owner is `NotFound`, just like one that never was.
    """

    def __init__(self, runtime: Runtime, files: FileService) -> None:
        self._runtime = runtime
        self._files = files
        self._room = UploadRoom(bytes=runtime.settings.max_unfinished_upload_bytes)

    async def create(
        self,
        principal: Principal,
        *,
        filename: str,
        purpose: str,
        bytes: int,
        mime_type: str = "application/octet-stream",
        target_model_names: Sequence[str] = (),
        expires_after_seconds: int | None = None,
        idempotency_key: str | None = None,
    ) -> Upload:
        """Begin a file that is sent in parts, `bytes` long in all; there is an hour to send and complete it.

        The other values are those of `FileService.create`, and are kept for when it is completed. Raises
        `InvalidRequest`, `ModelAccessDenied`, `FileTooLarge`, `UploadsFull`, or `KeyReused`.
        """
        asked = CreateUpload(
            filename=clean_filename(filename),
            purpose=purpose,
            bytes=bytes,
            mime_type=mime_type,
            target_model_names=names_of(target_model_names),
            expires_after_seconds=expires_after_seconds,
        )
        return (await self.begin(principal, asked, Repeat(key=idempotency_key, in_process=True))).object

    async def begin(self, principal: Principal, asked: CreateUpload, repeat: Repeat) -> Made[Upload]:
        """`create`, of a request that is checked already."""
        cap = file_cap(principal.limits, self._runtime.settings.largest_file_bytes)
        if asked.bytes > cap.bytes:
            raise cap.exceeded()
        FileCheck(self._runtime, principal, asked.target_model_names).request(purpose=asked.purpose)
        now = self._runtime.now()
        upload = Upload(
            id=new_id(UPLOAD_PREFIX),
            owner=principal.owner,
            created_by=principal.key_id,
            filename=asked.filename,
            purpose=asked.purpose,
            bytes=asked.bytes,
            mime_type=asked.mime_type,
            models=asked.target_model_names,
            expires_after_seconds=asked.expires_after_seconds,
            created_at=now,
            expires_at=now + LIVES,
            request_key=repeat.key,
            request_fingerprint=fingerprint("upload", principal, asked) if repeat.key is not None else None,
        )
        made = await self._runtime.storage.uploads.create(upload, keys_since=now - KEY_LIVES, room=self._room)
        return Made(made, is_repeated=made.id != upload.id)

    async def add_part(self, principal: Principal, upload_id: str, content: UploadContent) -> UploadPart:
        """Add some bytes, at most 64 MiB; where they belong is told when the upload is completed.

        `content` is what `FileService.create` takes. Raises `NotFound`, `InvalidRequest` for an upload that
        has ended, `FileTooLarge`, `SpoolFull`, `UploadsFull`, and whatever reading the content raises.
        """
        await self.check_pending(principal, upload_id)
        async with await spooled(self._runtime, content, PartCap()) as spool:
            return await self.keep_part(principal, upload_id, spool)

    async def check_pending(self, principal: Principal, upload_id: str) -> Upload:
        """An upload that takes parts. Raises `NotFound` or `InvalidRequest`."""
        upload = await self._owned(principal, upload_id)
        if upload.status is not UploadStatus.PENDING or upload.is_expired(self._runtime.now()):
            raise self._ended(upload)
        if upload.parts >= MOST_PARTS:
            raise InvalidRequest(f"Upload '{upload.id}' has {upload.parts} parts, and may have no more.")
        return upload

    async def keep_part(self, principal: Principal, upload_id: str, spool: Spool) -> UploadPart:
        """`add_part`, of what was received already; the spool stays the caller's to close."""
        upload = await self.check_pending(principal, upload_id)
        with self._runtime.call():
            try:
                return await ContentWriter.run(self._runtime, partial(self._keep, upload, spool))
            except StateConflict as error:
                await self.check_pending(principal, upload_id)
                raise Unavailable("The part was not kept in time. Send it again.") from error

    async def _keep(self, upload: Upload, spool: Spool, writer: ContentWriter) -> UploadPart:
        kept = await writer.put(spool.blocks())
        part = UploadPart(
            id=new_id(PART_PREFIX),
            upload_id=upload.id,
            bytes=kept.size,
            content_key=kept.key,
            store=kept.store,
            created_at=self._runtime.now(),
        )
        await self._runtime.storage.uploads.add_part(part, room=self._room)
        hit("part.kept")
        return part

    async def complete(
        self, principal: Principal, upload_id: str, part_ids: Sequence[str], *, md5: str | None = None
    ) -> File:
        """Make a file of the parts in this order, as `FileService.create` does, and return it.

        Parts that are not named are dropped. `md5` are 32 hexadecimal digits of the whole. Completed again in
        the same way the upload gives the same file. Raises `NotFound`, `InvalidRequest` for an upload that
        has ended or parts that do not fit, and what `FileService.create` raises: then the upload may be
        completed in another way, or with other parts.
        """
        asked = CompleteUpload(part_ids=tuple(part_ids), md5=md5)
        completed = await self.finish(principal, upload_id, asked)
        if completed.file is None:
            raise NotFound(f"The file of upload '{completed.upload.id}' was deleted, or has expired.")
        return completed.file.file

    async def finish(self, principal: Principal, upload_id: str, asked: CompleteUpload) -> Completed:
        """`complete`, of a request that is checked already."""
        upload = await self._current(principal, upload_id)
        principal = replace(principal, owner=upload.owner)  # for an admin may do it in the owner's name
        completion = Completion(upload.id, fingerprint("completion", principal, asked))
        if upload.status is UploadStatus.COMPLETED:
            return await self._completed(principal, upload, completion)
        if upload.status is not UploadStatus.PENDING:
            raise self._ended(upload)
        try:
            made = await self._make(principal, upload, asked, completion)
        except (StateConflict, InvalidRequest, ContentMissing) as error:
            return await self._completed_otherwise(principal, upload_id, completion, error)
        hit("completion.accepted")
        with suppress(StateConflict):  # the file is deleted already
            upload = await self._end(upload, UploadStatus.COMPLETED)
            hit("completion.ended")
        return Completed(upload, made)

    async def _make(
        self, principal: Principal, upload: Upload, asked: CompleteUpload, completion: Completion
    ) -> FileState:
        parts = await self._parts(upload, asked.part_ids)
        form = UploadForm(
            purpose=upload.purpose,
            target_model_names=upload.models,
            expires_after_seconds=upload.expires_after_seconds,
        )
        with tracing.span("upload") as span:
            async with self._runtime.spooler.new() as spool:
                await self._pour(parts, spool, asked.md5)
                hit("completion.poured")
                repeat = Repeat(in_process=True)
                made = await self._files.upload(
                    principal, spool, upload.filename, form, repeat, completes=completion
                )
            span.about(made.object.file)
        return made.object

    async def _completed_otherwise(
        self, principal: Principal, upload_id: str, completion: Completion, error: LiteBatchError
    ) -> Completed:
        """What there is where a completion failed, maybe for another one that has taken its parts away.

        Raises the error where that is not so.
        """
        upload = await self._current(principal, upload_id)
        if upload.status is UploadStatus.PENDING:
            if not isinstance(error, StateConflict):
                raise error
            try:  # somebody has made its file, and has not said yet that it has ended
                upload = await self._end(upload, UploadStatus.COMPLETED)
            except (StateConflict, RequestUnderWay):
                raise Unavailable("The upload is being changed. Complete it again.") from error
        if upload.status is not UploadStatus.COMPLETED:
            raise self._ended(upload)
        return await self._completed(principal, upload, completion)

    async def _end(self, upload: Upload, status: UploadStatus) -> Upload:
        return await self._runtime.storage.uploads.end(upload.id, status, self._runtime.now())

    async def cancel(self, principal: Principal, upload_id: str) -> Upload:
        """Drop an upload with its parts; once more changes nothing.

        Raises `NotFound`, or `InvalidRequest` for one that is completed or expired.
        """
        upload = await self._current(principal, upload_id)
        if upload.status is UploadStatus.PENDING:
            try:
                upload = await self._end(upload, UploadStatus.CANCELLED)
            except RequestUnderWay as error:
                raise InvalidRequest(f"Upload '{upload.id}' is being completed.") from error
            except StateConflict as error:
                raise unknown_upload(upload_id) from error
        if upload.status is not UploadStatus.CANCELLED:
            raise self._ended(upload)
        return upload

    async def _owned(self, principal: Principal, upload_id: str) -> Upload:
        upload = await self._runtime.storage.uploads.get(upload_id_in(upload_id))
        if upload is None or not principal.may_see(upload.owner):
            raise unknown_upload(upload_id)
        return upload

    async def _current(self, principal: Principal, upload_id: str) -> Upload:
        """An upload as it really is: nobody may have said yet that it has expired, or has its file."""
        upload = await self._owned(principal, upload_id)
        if upload.status is not UploadStatus.PENDING or not upload.is_expired(self._runtime.now()):
            return upload
        if upload.file_id is None:  # its parts stay a little longer, for a completion that reads them
            raise self._ended(upload)
        try:
            return await self._end(upload, UploadStatus.EXPIRED)
        except RequestUnderWay:
            return upload

    async def _completed(self, principal: Principal, upload: Upload, completion: Completion) -> Completed:
        if upload.completion != completion.fingerprint:
            raise InvalidRequest(
                f"Upload '{upload.id}' is completed already, with other parts. Create another upload."
            )
        try:
            return Completed(upload, await self._files.state(principal, upload.file_id or ""))
        except NotFound:
            return Completed(upload, None)

    async def _parts(self, upload: Upload, part_ids: Sequence[str]) -> list[UploadPart]:
        known = {part.id: part for part in await self._runtime.storage.uploads.parts(upload.id)}
        for part_id in part_ids:
            if part_id not in known:
                raise InvalidRequest(
                    f"Upload '{upload.id}' has no part '{part_id[:100]}'.",
                    param="part_ids",
                    code="invalid_value",
                )
        parts = [known[part_id] for part_id in part_ids]
        size = sum(part.bytes for part in parts)
        if size != upload.bytes:
            raise InvalidRequest(
                f"The parts have {size} bytes together, and upload '{upload.id}' was created for "
                f"{upload.bytes}. Add what is missing, or name other parts.",
                param="part_ids",
                code="invalid_value",
            )
        return parts

    async def _pour(self, parts: Sequence[UploadPart], spool: Spool, md5: str | None) -> None:
        for part in parts:
            async with aclosing(stored_blocks(self._runtime, part)) as blocks:
                async for block in blocks:
                    await spool.write(block)
        await spool.finish()
        if md5 is None:
            return
        digest = hashlib.md5(usedforsecurity=False)
        await spool.scan(digest.update)
        if digest.hexdigest() != md5.lower():
            raise InvalidRequest(
                f"The md5 of the parts in this order is {digest.hexdigest()}, not {md5}.",
                param="md5",
                code="invalid_value",
            )

    def _ended(self, upload: Upload) -> InvalidRequest:
        status = UploadStatus.EXPIRED if upload.is_expired(self._runtime.now()) else upload.status
        return InvalidRequest(
            f"Upload '{upload.id}' is {status}. Create another upload.", code=_CODES[status]
        )


_CODES = {
    UploadStatus.COMPLETED: "upload_completed",
    UploadStatus.CANCELLED: "upload_cancelled",
    UploadStatus.EXPIRED: "upload_expired",
}


def unknown_upload(upload_id: str) -> NotFound:
    """What is said of an upload that is not there, or not the caller's."""
    return NotFound(f"No such Upload object: {upload_id[:100]}", param="id")
