"""The adapter for Anthropic."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from datetime import datetime
from functools import partial
from urllib.parse import quote

import httpx2

from litebatch_asgi.dialects import Dialect
from litebatch_asgi.dialects.anthropic import AnthropicDialect, ClaudeModel
from litebatch_asgi.errors import ConfigError, ContentRefused, ProviderNotFound
from litebatch_asgi.jsonl.frames import LineFramer
from litebatch_asgi.jsonl.rows import MAX_ROW_BYTES
from litebatch_asgi.models import Deployment, ProviderBatch, ProviderFile, Settings
from litebatch_asgi.provider import BatchSubmission, ProviderStream
from litebatch_asgi.providers._connection import Access, base_url, connection, named
from litebatch_asgi.providers._http import AnswerTooLong, work_on
from litebatch_asgi.providers._no_files import NoFiles
from litebatch_asgi.providers.anthropic.bodies import RequestsBody, body_bytes
from litebatch_asgi.providers.anthropic.marks import RowUnmarker, mark_in, mark_of
from litebatch_asgi.providers.anthropic.objects import FIELDS, parse_message_batch
from litebatch_asgi.providers.openai.listing import list_since
from litebatch_asgi.providers.openai.reading import ListPage, parse_object, parse_page
from litebatch_asgi.threads import in_thread

ANTHROPIC_BASE = "https://api.anthropic.com"
VERSION = "2023-06-01"
MOST_REQUESTS = 100_000
MOST_BYTES = 256_000_000
_BATCHES = "/v1/messages/batches"
_BATCH_ID = re.compile(r"msgbatch_\w+")


class AnthropicAdapter(NoFiles):
    """Message Batches in the workspace of a key. There are no files: a create has the requests in its body.

    What it takes for a file that was uploaded is a name that nobody knows. Results are a file with their
    batch's id; to delete them deletes the batch. Batches show no tags: a mark in each custom id tells whose a
    batch is, once it has results. The address defaults to Anthropic's own. Raises `ConfigError` for what is
    missing or cannot be used.

    Sources: Anthropic's reference and guide of Message Batches (100,000 requests or 256 MB a batch; custom
    ids of 64 letters, digits, underscores and dashes; results for 29 days; at most 1,000 batches a page).
    """

    min_poll_seconds: float = 10.0
    max_metadata_pairs: int = 2
    """our tag: the mark stands for it"""
    tells_tags: bool = False
    tells_progress: bool = False
    """counts stay 0 until the end"""
    ends_at_expiry: bool = True
    max_requests: int | None = MOST_REQUESTS
    max_bytes: int | None = MOST_BYTES - body_bytes(0, MOST_REQUESTS)
    """of the lines: there is always room for what the body has beside them"""
    purposes: Collection[str] = frozenset({"batch"})
    page_size: int = 100
    """how many batches to ask for at once when listing"""

    def __init__(self, deployment: Deployment, settings: Settings) -> None:
        base = _base_url(deployment)
        self.is_exclusive: bool = deployment.exclusive
        self._virtual_model = None if deployment.is_wildcard else deployment.model_name
        self._http = connection(deployment, settings, Access(base=base, headers=_headers(deployment)))

    def dialect(self, model: str) -> Dialect | None:
        """Claude's form; what Anthropic calls the model is written as its clients call it."""
        names = {} if self._virtual_model is None else {model: self._virtual_model}
        return AnthropicDialect(ClaudeModel.named(model), names=names)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def retrieve_file(self, file_id: str) -> ProviderFile:
        """A file of any name is ready; results are once they are there."""
        if _BATCH_ID.fullmatch(file_id) and (await self.retrieve_batch(file_id)).output_file_id is None:
            raise ProviderNotFound(f"the batch {file_id} has no results")
        return await super().retrieve_file(file_id)

    async def delete_file(self, file_id: str) -> None:
        """Delete results with their batch, which must have ended; any other file is gone already."""
        if not _BATCH_ID.fullmatch(file_id):
            return
        try:
            await self._http.read("DELETE", _path(file_id))
        except ProviderNotFound:
            return

    def stream_file(self, file_id: str) -> AbstractAsyncContextManager[ProviderStream]:
        """The results of a batch, without the marks; how many bytes are left is not known beforehand."""
        return self._results(file_id) if _BATCH_ID.fullmatch(file_id) else super().stream_file(file_id)

    async def create_batch(self, submission: BatchSubmission) -> ProviderBatch:
        """Make a batch, in one request that has all lines, with marked custom ids.

        A connection or a content that breaks before the last byte was sent is a `DeploymentRefused`: a torn
        body cannot have become a batch.
        """
        if submission.content is None or submission.size is None or not submission.requests:
            raise ContentRefused("the batch has no requests to be sent")
        body = RequestsBody(
            submission.content,
            size=submission.size,
            requests=submission.requests,
            mark=mark_of(submission.metadata),
        )
        answer = await self._http.send(_BATCHES, body, timeout=submission.timeout_seconds)
        return parse_message_batch(parse_object(answer, FIELDS))

    async def retrieve_batch(self, batch_id: str) -> ProviderBatch:
        """Look at a batch."""
        return parse_message_batch(parse_object(await self._http.read("GET", _path(batch_id)), FIELDS))

    def list_batches(self, *, since: datetime) -> AsyncIterator[ProviderBatch]:
        """All batches made at or after `since`, newest first; ends normally only if the list was complete."""
        return list_since(self._page, parse_message_batch, since)

    async def cancel_batch(self, batch_id: str) -> ProviderBatch:
        """Ask for a batch to be cancelled and return it as it is then; one that has ended is no error."""
        try:
            answer = await self._http.read("POST", f"{_path(batch_id)}/cancel")
        except ContentRefused:
            batch = await self.retrieve_batch(batch_id)
            if not batch.status.is_final:
                raise
            return batch
        return parse_message_batch(parse_object(answer, FIELDS))

    async def is_tagged(self, batch: ProviderBatch, metadata: Mapping[str, str]) -> bool | None:
        """Whether the first result of a batch has the mark of this metadata; None while there are none."""
        if batch.output_file_id is None:
            return None
        first = await self._first_row(batch.output_file_id)
        return None if first is None else mark_in(first) == mark_of(metadata)

    async def _first_row(self, batch_id: str) -> bytes | None:
        framer = LineFramer(MAX_ROW_BYTES)
        async with self._http.download(f"{_path(batch_id)}/results") as stream:
            async for block in stream.blocks:
                for run in framer.feed(block):
                    return next(iter(run.lines()), b"")
        return next((row for run in framer.finish() for row in run.lines()), None)

    @asynccontextmanager
    async def _results(self, file_id: str) -> AsyncGenerator[ProviderStream]:
        async with (
            self._http.download(f"{_path(file_id)}/results") as stream,
            aclosing(_unmarked(stream.blocks)) as blocks,
        ):
            yield ProviderStream(size=None, blocks=blocks)

    async def _page(self, after: str | None, limit: int | None = None) -> ListPage:
        limit = self.page_size if limit is None else limit
        params: dict[str, str | int] = (
            {"limit": limit} if after is None else {"limit": limit, "after_id": after}
        )
        try:
            answer = await self._http.read("GET", _BATCHES, params=params, names_object=False)
        except AnswerTooLong:
            if limit == 1:
                raise
            return await self._page(after, max(1, limit // 8))
        return await work_on(answer, _parse_page)


async def _unmarked(blocks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    unmarker = RowUnmarker()
    async for block in blocks:
        if rows := await in_thread(partial(unmarker.feed, block)):  # a row may have megabytes
            yield rows
    if rows := unmarker.finish():
        yield rows


def _parse_page(answer: bytes) -> ListPage:
    return parse_page(answer, FIELDS)


def _path(batch_id: str) -> str:
    return f"{_BATCHES}/{quote(batch_id, safe='')}"


def _base_url(deployment: Deployment) -> httpx2.URL:
    url = base_url(deployment, deployment.api_base or ANTHROPIC_BASE, example=ANTHROPIC_BASE)
    path = url.path.rstrip("/").removesuffix("/batches").removesuffix("/messages").removesuffix("/v1")
    return url.copy_with(path=path or "/")


def _headers(deployment: Deployment) -> dict[str, str]:
    headers = {"anthropic-version": VERSION}
    if deployment.api_key:
        headers["x-api-key"] = deployment.api_key
    elif not (deployment.sends("x-api-key") or deployment.sends("authorization") or deployment.api_base):
        raise ConfigError(
            f"{named(deployment)} needs an `api_key`, such as `api_key: os.environ/ANTHROPIC_API_KEY`"
        )
    return headers
