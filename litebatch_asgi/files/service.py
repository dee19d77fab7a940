"""Files as callers see them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, NamedTuple

import anyio
import msgspec
from msgspec.structs import replace

from litebatch_asgi import tracing
from litebatch_asgi.copy_lifecycle import deletion
from litebatch_asgi.errors import (
    InvalidRequest,
    NotFound,
    StateConflict,
    Unavailable,
)
from litebatch_asgi.files.admission import Admitted, FileCheck
from litebatch_asgi.files.content import ContentReader
from litebatch_asgi.files.cutting import cut, shard_limits
from litebatch_asgi.files.forms import ReceivedForms
from litebatch_asgi.files.providers import check_provider
from litebatch_asgi.files.room import CHECK_BYTES, Room, check_bytes
from litebatch_asgi.files.sources import UploadContent
from litebatch_asgi.files.spooling import spooled
from litebatch_asgi.files.uploading import Uploader
from litebatch_asgi.lifetimes import RESULTS_LIVE_SECONDS
from litebatch_asgi.models import (
    CreateRequest,
    File,
    FileChange,
    FileKind,
    FileState,
    Page,
    Principal,
    Shard,
)
from litebatch_asgi.models.files import whole_of
from litebatch_asgi.models.ids import FILE_PREFIX, file_id_in, new_id
from litebatch_asgi.models.limits import check_requests, file_cap, file_holds
from litebatch_asgi.models.principal import owner_to_list
from litebatch_asgi.repeats import SENDING_SECONDS, Made, fingerprint
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.spool import Spool
from litebatch_asgi.storage import FileQuery
from litebatch_asgi.wire import FileListQuery, Repeat, UploadForm
from litebatch_asgi.wire.filenames import clean_filename


class Completion(NamedTuple):
    """What makes a file of an upload that was sent in parts."""

    upload_id: str
    fingerprint: str
    """equal for completions of the upload that ask for the same"""


class FileService:
    """Upload, look at, list, read and delete files on behalf of a principal.

    Raises `RequestError`s. An object of another owner is `NotFound`, just like one that never was.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._uploader = Uploader(runtime)
        self._reader = ContentReader(runtime)
        self._room = Room(CHECK_BYTES)

    async def create(
        self,
        principal: Principal,
        content: UploadContent,
        *,
        filename: str,
        purpose: str,
        target_model_names: Sequence[str] = (),
        expires_after_seconds: int | None = None,
        custom_llm_provider: str | None = None,
        idempotency_key: str | None = None,
    ) -> File:
        """Check a file and give it to every deployment of its model.

        One of another purpose than `batch` goes to the first deployment that takes it, of those that can use
        such files.

        `content` is bytes, a path, a binary file object, or an iterable of bytes: see `UploadContent`.
        `target_model_names` are virtual models; without any the model that the lines name decides. With
        `custom_llm_provider`, such as `azure`, the lines have that provider's own name of it.
        `expires_after_seconds` counts from now: an hour to 30 days. Returns the accepted file: at least one
        deployment has it. The same `idempotency_key` (at most 255 printable characters) with the same content
        and values gives the same file for 24 hours. Raises `InvalidFile` with all problems of its lines,
        `InvalidRequest`, `ModelAccessDenied`, `FileTooLarge`, `SpoolFull`, `AboveLimit`, `LimitExceeded`,
        `KeyReused` for a key that came with another file, `NotTaken` or `DeploymentsBusy` when no deployment
        took it, and whatever reading the content raises; then nothing stays behind.
        """
        form = UploadForm(
            purpose=purpose,
            target_model_names=names_of(target_model_names),
            expires_after_seconds=expires_after_seconds,
            custom_llm_provider=custom_llm_provider,
        )
        repeat = Repeat(key=idempotency_key, in_process=True)
        cap = file_cap(principal.limits, self._runtime.settings.largest_file_bytes)
        with tracing.span("upload") as span:
            async with await spooled(self._runtime, content, cap) as spool:
                made = await self.upload(principal, spool, clean_filename(filename), form, repeat)
            span.about(made.object.file)
        return made.object.file

    async def upload(
        self,
        principal: Principal,
        spool: Spool,
        filename: str,
        form: UploadForm,
        repeat: Repeat,
        *,
        completes: Completion | None = None,
    ) -> Made[FileState]:
        """`create`, of what was received and checked already; the spool stays the caller's to close.

        One that comes again leads to the file that it led to before, as does any other that `completes` the
        same upload. Raises `StateConflict` if that has ended, or was completed in another way.
        """
        began = anyio.current_time()
        with self._runtime.call():
            check = FileCheck(self._runtime, principal, form.target_model_names, form.custom_llm_provider)
            most = self._runtime.settings.max_file_lines
            async with self._room.hold(check_bytes(spool.size, most_lines=most), principal.owner):
                with tracing.span("check"):
                    admitted = await check.run(spool, purpose=form.purpose)
            file = self._file(principal, spool.size, filename, form, admitted)
            check_requests(principal.limits, file.lines)
            request = self._request(principal, file, form, repeat)
            if completes is not None:
                request = replace(
                    request, upload_id=completes.upload_id, fingerprint=completes.fingerprint, key=None
                )
            if repeat.may_miss_answer:
                file = replace(file, request_fingerprint=request.fingerprint)
            holds = file_holds(principal.limits)
            async with ReceivedForms(self._runtime, spool, admitted.lines) as forms:
                tiles = await self._tiles(file, spool, admitted)
                plan = await self._uploader.plan(file, tiles, admitted.deployment_ids, forms)
                earlier = await self._uploader.upload(file, plan, spool, forms, request, holds)
            if earlier is not None:
                return Made(earlier, is_repeated=True)
            self._runtime.metrics.file_uploaded(form.purpose, spool.size, anyio.current_time() - began)
            return Made(await self.state(principal, file.id), is_repeated=False)

    async def _tiles(self, file: File, spool: Spool, admitted: Admitted) -> tuple[Shard, ...]:
        """What the file is cut into; one tile that is the whole of it where it has no lines."""
        if admitted.lines is None:
            return (whole_of(file),)
        limits = shard_limits(
            self._runtime.fleet,
            self._runtime.settings,
            admitted.deployment_ids,
            model=file.models[0],
            written=admitted.lines.model,
        )
        return await cut(self._runtime, file, admitted.lines, spool, limits)

    def answered(self, file_id: str, *, was_sent: bool) -> None:
        """Note, in the background, whether the answer to an upload was sent: if not, a retry gets it."""

        def decide(current: FileState) -> FileChange:
            answered_at = self._runtime.now() if was_sent else current.file.answered_at
            return FileChange(file=replace(current.file, answered_at=answered_at, answering_until=None))

        with suppress(Unavailable), self._runtime.call():
            self._runtime.start(partial(self._runtime.storage.change_file, file_id, decide))

    def _request(self, principal: Principal, file: File, form: UploadForm, repeat: Repeat) -> CreateRequest:
        *given, provider = msgspec.structs.astuple(form)
        if provider is not None:  # what is not given is left out: a newer version is asked the same
            given.append(provider)
        asked = (file.sha256, file.filename, *given)
        return CreateRequest(
            owner=file.owner,
            fingerprint=fingerprint("file", principal, *asked),
            object_id=file.id,
            at=file.created_at,
            key=repeat.key,
            is_retry=repeat.is_retry,
            answer_seconds=self._runtime.settings.place_budget_seconds + SENDING_SECONDS,
        )

    def _file(
        self, principal: Principal, size: int, filename: str, form: UploadForm, admitted: Admitted
    ) -> File:
        now, lines = self._runtime.now(), admitted.lines
        return File(
            id=new_id(FILE_PREFIX),
            owner=principal.owner,
            created_by=principal.key_id,
            kind=FileKind.INPUT,
            purpose=form.purpose,
            filename=filename,
            bytes=size,
            sha256=admitted.sha256,
            models=admitted.models,
            endpoint=lines.url if lines else None,
            lines=lines.lines if lines else 0,
            id_count=lines.id_count if lines else 0,
            id_sum=lines.id_sum if lines else 0,
            created_at=now,
            expires_at=_expiry(now, form.purpose, form.expires_after_seconds),
            traceparent=tracing.traceparent(),
            tokens=lines.tokens if lines else 0,
            output_tokens=lines.output_tokens if lines else None,
            unlimited_answers=lines.unlimited_answers if lines else None,
            guessed_tokens=lines.guessed_tokens if lines else 0,
            long_requests=lines.long_requests if lines else None,
        )

    async def retrieve(self, principal: Principal, file_id: str) -> File:
        """A file. Raises `NotFound`."""
        return (await self.state(principal, file_id)).file

    async def list(
        self,
        principal: Principal,
        *,
        limit: int = 10_000,
        after: str | None = None,
        order: Literal["asc", "desc"] = "desc",
        purpose: str | None = None,
        target_model_names: Sequence[str] = (),
        owner: str | None = None,
        custom_llm_provider: str | None = None,
    ) -> Page[File]:
        """Files of the principal's owner, newest first unless `order` is `asc`.

        Those for models of `custom_llm_provider`, where it is named.

        An admin sees everybody's, or those of `owner`, which is `PermissionDenied` to anybody else. At most
        `limit` of them, 1 to 10,000. `after` is the id of the last file of the page before;
        `InvalidRequest` if it is not a visible one, or for values that cannot be.
        """
        asked = FileListQuery(
            limit=limit,
            after=after,
            order=order,
            purpose=purpose,
            target_model_names=names_of(target_model_names),
            owner=owner,
            custom_llm_provider=custom_llm_provider,
        )
        return await self.page(principal, asked)

    async def page(self, principal: Principal, asked: FileListQuery) -> Page[File]:
        """`list`, of a query that was checked already."""
        provider, catalog = asked.custom_llm_provider, self._runtime.fleet.catalog
        check_provider(catalog, provider, ())
        query = FileQuery(
            owner=owner_to_list(principal, asked.owner),
            now=self._runtime.now(),
            purpose=asked.purpose,
            models=asked.target_model_names,
            patterns=catalog.patterns_of(provider) if provider is not None else (),
            after=await self._after(principal, asked.after),
            descending=asked.order != "asc",
            limit=asked.limit + 1,
        )
        found = await self._runtime.storage.list_files(query)
        return Page(items=found[: asked.limit], has_more=len(found) > asked.limit)

    async def content(self, principal: Principal, file_id: str) -> AsyncGenerator[bytes]:
        """The bytes of a file; of an input exactly those that were uploaded.

        Raises `NotFound`, `DeploymentGone` or `Unavailable`: at the first block, or in the middle when a
        provider breaks off. It never ends short.
        """
        state = await self.state(principal, file_id)
        async with aclosing(self._reader.blocks(state)) as blocks:
            async for block in blocks:
                yield block

    async def delete(self, principal: Principal, file_id: str) -> None:
        """Hide a file at once; its copies are removed once no batch needs them. Raises `NotFound`."""
        await self.state(principal, file_id)
        now = self._runtime.now()

        def decide(current: FileState) -> FileChange:
            if not current.file.is_visible(now):
                raise unknown_file(file_id)
            return deletion(current, now)

        try:
            await self._runtime.storage.change_file(file_id, decide)
        except StateConflict as error:
            raise unknown_file(file_id) from error
        self._runtime.metrics.file_deleted()
        self._runtime.wake()

    async def check_provider(self, principal: Principal, file_id: str, provider: str | None) -> None:
        """Raises `InvalidRequest` for a file that is not of a provider (None: any), and `NotFound`."""
        if provider is not None:
            state = await self.state(principal, file_id)
            check_provider(self._runtime.fleet.catalog, provider, state.file.models[:1])

    async def state(self, principal: Principal, file_id: str) -> FileState:
        """A file with its copies, by one read. Raises `NotFound`."""
        state = await self._runtime.storage.get_file(file_id_in(file_id))
        if state is None or not principal.may_see(state.file.owner):
            raise unknown_file(file_id)
        if not state.file.is_visible(self._runtime.now()):
            raise unknown_file(file_id)
        return state

    async def _after(self, principal: Principal, file_id: str | None) -> File | None:
        """The last file of the page before, which may have been deleted or have expired since."""
        if file_id is None:
            return None
        state = await self._runtime.storage.get_file(file_id_in(file_id))
        if state is None or state.file.accepted_at is None or not principal.may_see(state.file.owner):
            raise InvalidRequest(f"No file with id '{file_id[:100]}' to go on after.", param="after")
        return state.file


def _expiry(now: datetime, purpose: str, seconds: int | None) -> datetime | None:
    if seconds is None and purpose == "batch":
        seconds = RESULTS_LIVE_SECONDS
    return now + timedelta(seconds=seconds) if seconds is not None else None


def names_of(given: Sequence[str]) -> tuple[str, ...]:
    """The models that a call in process names. Raises `InvalidRequest` for one name in place of several."""
    if isinstance(given, str):
        raise InvalidRequest(
            "'target_model_names' is a sequence of names, not one name.",
            param="target_model_names",
            code="invalid_type",
        )
    return tuple(given)


def unknown_file(file_id: str) -> NotFound:
    """What is said of a file that is not there, or not the caller's."""
    return NotFound(f"No such File object: {file_id[:100]}", param="id")
