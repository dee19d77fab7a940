"""Files as callers see them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from pathlib import Path

import anyio

from litebatch_asgi.errors import FileTooLarge, InvalidRequest, NotFound, StateConflict
from litebatch_asgi.files.admission import Admission, Admitted
from litebatch_asgi.files.content import ContentReader
from litebatch_asgi.files.removal import deletion
from litebatch_asgi.files.uploading import Uploader
from litebatch_asgi.models import File, FileChange, FileCopy, FileKind, FileState, Page, Principal
from litebatch_asgi.models.ids import FILE_PREFIX, new_id
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.spool import BUFFER_BYTES, Spool
from litebatch_asgi.storage import FileQuery
from litebatch_asgi.wire import UPLOAD_PURPOSES

BATCH_LIVES_SECONDS = 2_592_000
"""30 days, as long as OpenAI keeps files of purpose `batch` and batch results unless told otherwise."""


class FileService:
    """Upload, look at, list, read and delete files on behalf of a principal.

    Raises `RequestError`s. An object of another owner is `NotFound`, just like one that never was.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._uploader = Uploader(runtime)
        self._reader = ContentReader(runtime)

    async def create(
        self,
        principal: Principal,
        content: Spool | bytes | Path | AsyncIterable[bytes],
        *,
        filename: str,
        purpose: str,
        target_model_names: Sequence[str] = (),
        expires_after_seconds: int | None = None,
    ) -> File:
        """Check a file and give it to every deployment of its model.

        `target_model_names` are virtual models; without any the model that the lines name decides.
        `expires_after_seconds` counts from now. Returns the accepted file: at least one deployment has it.
        Raises `InvalidFile` with all problems of its lines, `ModelAccessDenied`, `FileTooLarge`, or
        `Unavailable` when no deployment took it; then nothing stays behind.
        """
        if purpose not in UPLOAD_PURPOSES:
            known = ", ".join(f"'{each}'" for each in UPLOAD_PURPOSES)
            raise InvalidRequest(
                f"Invalid value: '{purpose}'. Supported values are: {known}.",
                param="purpose",
                code="invalid_value",
            )
        admission = Admission(self._runtime, principal, target_model_names)
        async with await self._spooled(content) as spool:
            admitted = await admission.check(spool, has_lines=purpose == "batch")
            lines = admitted.lines
            now = self._runtime.now()
            file = File(
                id=new_id(FILE_PREFIX),
                owner=principal.owner,
                created_by=principal.key_id,
                kind=FileKind.INPUT,
                purpose=purpose,
                filename=filename,
                bytes=spool.size,
                sha256=admitted.sha256,
                models=admitted.models,
                endpoint=lines.url if lines else None,
                lines=lines.lines if lines else 0,
                id_count=lines.id_count if lines else 0,
                id_sum=lines.id_sum if lines else 0,
                created_at=now,
                expires_at=_expiry(now, purpose, expires_after_seconds),
            )
            await self._uploader.upload(file, self._intents(admitted, file, now), spool, lines)
        return await self.retrieve(principal, file.id)

    async def retrieve(self, principal: Principal, file_id: str) -> File:
        """A file. Raises `NotFound`."""
        return (await self._visible(principal, file_id)).file

    async def list(
        self,
        principal: Principal,
        *,
        limit: int = 10_000,
        after: str | None = None,
        order: str = "desc",
        purpose: str | None = None,
        target_model_names: Sequence[str] = (),
    ) -> Page[File]:
        """Files of the principal's owner, newest first unless `order` is `asc`; an admin sees everybody's.

        `after` is the id of the last file of the page before; `InvalidRequest` if it is not a visible one.
        """
        query = FileQuery(
            owner=None if principal.is_admin else principal.owner,
            now=self._runtime.now(),
            purpose=purpose,
            models=tuple(target_model_names),
            after=await self._after(principal, after),
            descending=order != "asc",
            limit=limit + 1,
        )
        found = await self._runtime.storage.list_files(query)
        return Page(items=found[:limit], has_more=len(found) > limit)

    async def content(self, principal: Principal, file_id: str) -> AsyncGenerator[bytes]:
        """The bytes of a file; of an input exactly those that were uploaded.

        Raises `NotFound`, `DeploymentGone` or `Unavailable`: at the first block, or in the middle when a
        provider breaks off. It never ends short.
        """
        state = await self._visible(principal, file_id)
        async with aclosing(self._reader.blocks(state)) as blocks:
            async for block in blocks:
                yield block

    async def delete(self, principal: Principal, file_id: str) -> None:
        """Hide a file at once; its copies are removed once no batch needs them. Raises `NotFound`."""
        await self._visible(principal, file_id)
        now = self._runtime.now()

        def decide(current: FileState) -> FileChange:
            if not current.file.is_visible(now):
                raise unknown_file(file_id)
            return deletion(current, now)

        try:
            await self._runtime.storage.change_file(file_id, decide)
        except StateConflict as error:
            raise unknown_file(file_id) from error
        self._runtime.wake()

    async def _visible(self, principal: Principal, file_id: str) -> FileState:
        state = await self._runtime.storage.get_file(file_id)
        if state is None or not principal.may_see(state.file.owner):
            raise unknown_file(file_id)
        if not state.file.is_visible(self._runtime.now()):
            raise unknown_file(file_id)
        return state

    async def _after(self, principal: Principal, file_id: str | None) -> File | None:
        if file_id is None:
            return None
        try:
            return await self.retrieve(principal, file_id)
        except NotFound as error:
            raise InvalidRequest(f"No file with id '{file_id}' to go on after.", param="after") from error

    def _intents(self, admitted: Admitted, file: File, now: datetime) -> Sequence[FileCopy]:
        return [
            FileCopy(
                file_id=file.id,
                deployment_id=deployment_id,
                started_at=now,
                next_check_at=now,
                claimed_by=self._runtime.worker,
                claimed_until=self._runtime.lease_until(now),
            )
            for deployment_id in admitted.deployment_ids
        ]

    async def _spooled(self, content: Spool | bytes | Path | AsyncIterable[bytes]) -> Spool:
        if isinstance(content, Spool):
            return content.share()  # noqa: ASYNC240 - a spool, not a path
        spool = self._runtime.spooler.new()
        try:
            await _pour(content, spool, self._runtime.settings.max_file_bytes)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await spool.aclose()
            raise
        return spool


async def _pour(content: bytes | Path | AsyncIterable[bytes], spool: Spool, most: int) -> None:
    """Write content into a spool. Raises `FileTooLarge` past `most` bytes."""
    async for block in _blocks(content):
        if spool.size + len(block) > most:
            raise FileTooLarge(
                f"The file is larger than {most} bytes, the most this gateway takes.", param="file"
            )
        await spool.write(block)
    await spool.finish()


async def _blocks(content: bytes | Path | AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    if isinstance(content, bytes):
        yield content
    elif isinstance(content, Path):
        async with await anyio.open_file(content, "rb") as file:
            while block := await file.read(BUFFER_BYTES):
                yield block
    else:
        async for block in content:
            yield block


def _expiry(now: datetime, purpose: str, seconds: int | None) -> datetime | None:
    if seconds is None and purpose == "batch":
        seconds = BATCH_LIVES_SECONDS
    return now + timedelta(seconds=seconds) if seconds is not None else None


def unknown_file(file_id: str) -> NotFound:
    """What is said of a file that is not there, or not the caller's."""
    return NotFound(f"No such File object: {file_id[:100]}", param="id")
