"""OpenAI's Files and Batches API, as all its dialects speak it."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from urllib.parse import quote

import anyio
from msgspec.structs import replace

from litebatch_asgi.dialects import Dialect
from litebatch_asgi.errors import (
    ContentRefused,
    CopyRefused,
    DeploymentRefused,
    ProviderError,
    ProviderNotFound,
)
from litebatch_asgi.lifetimes import FileLife
from litebatch_asgi.models import BatchError, ProviderBatch, ProviderFile
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.provider import BatchSubmission, FileUpload, ProviderStream
from litebatch_asgi.providers._bodies import JSONBody, MultipartBody
from litebatch_asgi.providers._http import AnswerTooLong, ProviderHTTP, Query, work_on
from litebatch_asgi.providers.openai.forms import form_fields
from litebatch_asgi.providers.openai.listing import list_since
from litebatch_asgi.providers.openai.objects import OPENAI_READY, known_status, parse_batch, parse_file
from litebatch_asgi.providers.openai.reading import ListPage, Object, parse_object, parse_page

logger: logging.Logger = logging.getLogger(__name__)

_LONGEST_SHOWN = 200
_MOST_WARNINGS = 20


class FilesAndBatches:
    """The calls of a `ProviderAdapter` over a connection to `/files` and `/batches`.

    The attributes are OpenAI's own; an adapter for a dialect sets what differs.
    """

    min_poll_seconds: float = 5.0
    max_metadata_pairs: int = 16
    keeps_files: bool = True
    tells_tags: bool = True
    is_exclusive: bool = False
    tells_progress: bool = True
    ends_at_expiry: bool = True
    max_requests: int | None = None
    max_bytes: int | None = None
    purposes: Collection[str] = frozenset({"batch"})
    page_size: int = 100
    """how many objects to ask for at once when listing: the most OpenAI allows for batches"""
    file_life: FileLife | None = FileLife(shortest=3_600, longest=2_592_000)
    """None: the provider keeps files as it likes"""
    ready: Collection[str] = OPENAI_READY
    """file statuses with which a batch may start"""
    batches_path: str = "/batches"
    may_mean_lost_file: Collection[int] = frozenset()
    """statuses of a create after which the input file is looked for, since they do not say what is missing"""

    def __init__(self, http: ProviderHTTP) -> None:
        self._http = http
        self._warned: set[str] = set()

    def dialect(self, model: str) -> Dialect | None:
        """None: requests and answers are OpenAI's."""
        return None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def upload_file(self, upload: FileUpload) -> ProviderFile:
        """Send a file, once.

        A connection or a content that breaks before the last byte was sent is a `DeploymentRefused`: a torn
        body cannot have become a file. An error of the content that is no `ProviderError` goes on as it is.
        """
        fields = [("purpose", upload.purpose)]
        if self.file_life is not None:
            seconds = self.file_life.granted(upload.expires_after_seconds, purpose=upload.purpose)
            if seconds is not None:
                fields += [("expires_after[anchor]", "created_at"), ("expires_after[seconds]", str(seconds))]
        fields += form_fields(upload.extra)
        answer = await self._http.send("/files", MultipartBody(fields, upload))
        return self._file(await work_on(answer, parse_object))

    async def retrieve_file(self, file_id: str) -> ProviderFile:
        """Look at a file."""
        return self._file(await self._read("GET", self._file_path(file_id)))

    def list_files(self, *, since: datetime) -> AsyncIterator[ProviderFile]:
        """All files made at or after `since`, newest first; ends normally only if the list was complete."""
        return list_since(self._page_of_files, self._file, since)

    async def delete_file(self, file_id: str) -> None:
        """Delete a file; one that is gone already is no error."""
        try:
            await self._http.read("DELETE", self._file_path(file_id))
        except ProviderNotFound:
            return

    def stream_file(self, file_id: str) -> AbstractAsyncContextManager[ProviderStream]:
        """The content of a file."""
        return self._http.download(self._file_path(file_id) + "/content")

    async def create_batch(self, submission: BatchSubmission) -> ProviderBatch:
        """Make a batch, in one request.

        OpenAI accepts any input file and fails the batch later if it cannot find it. A server that says so
        at once, and Azure for a file that is not processed yet, gives a `CopyRefused`; of those that do not
        say what they miss (`may_mean_lost_file`) the file is looked for.
        """
        deadline = anyio.current_time() + (submission.timeout_seconds or math.inf)
        body = JSONBody(self._batch_fields(submission))
        try:
            answer = await self._http.send(self.batches_path, body, timeout=submission.timeout_seconds)
        except (ContentRefused, DeploymentRefused) as exc:
            may_be_lost = exc.status in self.may_mean_lost_file and not isinstance(exc, CopyRefused)
            if may_be_lost and await self._is_gone(submission.input_file_id, deadline):
                raise CopyRefused(f"the input file is gone: {exc.message}", status=exc.status) from exc
            raise
        return self._batch(await work_on(answer, parse_object))

    def _batch_fields(self, submission: BatchSubmission) -> dict[str, object]:
        """What a create is told."""
        fields: dict[str, object] = {
            "input_file_id": submission.input_file_id,
            "endpoint": submission.endpoint,
            "completion_window": submission.completion_window,
        }
        if submission.metadata:
            fields["metadata"] = submission.metadata
        fields |= submission.extra
        return fields

    async def _is_gone(self, file_id: str, deadline: float) -> bool:
        with anyio.CancelScope(deadline=deadline):
            try:
                await self.retrieve_file(file_id)
            except ProviderError as exc:
                return isinstance(exc, ProviderNotFound)
        return False

    async def retrieve_batch(self, batch_id: str) -> ProviderBatch:
        """Look at a batch."""
        return self._batch(await self._read("GET", self._batch_path(batch_id)))

    def list_batches(self, *, since: datetime) -> AsyncIterator[ProviderBatch]:
        """All batches made at or after `since`, newest first; ends normally only if the list was complete."""
        return list_since(self._page_of_batches, self._batch, since)

    async def cancel_batch(self, batch_id: str) -> ProviderBatch:
        """Ask for a batch to be cancelled and return it as it is then; one that has ended is no error.

        Source: OpenAI answers 409 for a batch that is completed or failed.
        """
        try:
            content = await self._read("POST", self._batch_path(batch_id) + "/cancel")
        except ContentRefused as exc:
            batch = await self.retrieve_batch(batch_id)
            if exc.status != 409 and not batch.status.is_final:
                raise
            return batch
        return self._batch(content)

    async def is_tagged(self, batch: ProviderBatch, metadata: Mapping[str, str]) -> bool | None:
        """Whether the batch carries the tag in this metadata."""
        return all(batch.metadata.get(key) == metadata.get(key) for key in (TAG_JOB, TAG_INSTALLATION))

    def _file_path(self, file_id: str) -> str:
        return f"/files/{quote(file_id, safe='')}"

    def _batch_path(self, batch_id: str) -> str:
        return f"{self.batches_path}/{quote(batch_id, safe='')}"

    async def _read(self, method: str, path: str) -> Object:
        return await work_on(await self._http.read(method, path), parse_object)

    def _file(self, content: Object) -> ProviderFile:
        file = parse_file(content, ready=self.ready)
        return replace(file, status_details=self._shown(file.status_details))

    def _batch(self, content: Object) -> ProviderBatch:
        batch = parse_batch(content)
        status = content.get("status")
        if known_status(status) is None:
            shown = self._http.hide(str(status))[:_LONGEST_SHOWN]
            self._warn_once("a batch has an unknown status, which counts as in_progress", shown)
        return replace(batch, errors=tuple(map(self._error, batch.errors)))

    def _error(self, error: BatchError) -> BatchError:
        code, message, param = map(self._shown, (error.code, error.message, error.param))
        return BatchError(code=code, line=error.line, message=message, param=param)

    def _shown(self, text: str | None) -> str | None:
        return None if text is None else self._http.hide(text)

    async def _page_of_files(self, after: str | None) -> ListPage:
        return await self._page("/files", {"order": "desc", "limit": self.page_size}, after)

    async def _page_of_batches(self, after: str | None) -> ListPage:
        return await self._page(self.batches_path, {"limit": self.page_size}, after)

    async def _whole_list(self, path: str, after: str | None) -> ListPage:
        """A list that comes whole, knows no `limit` and says nothing of more."""
        page = await self._page(path, {}, after)
        return replace(page, has_more=bool(page.has_more))

    async def _page(self, path: str, query: Query, after: str | None) -> ListPage:
        params = query if after is None else {**query, "after": after}
        try:
            answer = await self._http.read("GET", path, params=params, names_object=False)
        except AnswerTooLong:
            limit = int(query.get("limit", 1))
            if limit == 1:
                raise
            return await self._page(path, {**query, "limit": max(1, limit // 8)}, after)
        page = await work_on(answer, parse_page)
        if page.passed_over:
            ids = repr(page.passed_over)[:_LONGEST_SHOWN]
            self._warn_once("objects without an id are passed over in a list", path, ids=ids)
        return page

    def _warn_once(self, message: str, about: str, **fields: str) -> None:
        """What one look meets, all later ones meet as well."""
        if about not in self._warned and len(self._warned) < _MOST_WARNINGS:
            self._warned.add(about)
            logger.warning(message, extra={"deployment": self._http.deployment, "about": about, **fields})
