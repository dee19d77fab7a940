"""An adapter whose calls are measured, whoever wrote it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime

import anyio

from litebatch_asgi.dialects import Dialect
from litebatch_asgi.errors import (
    AnswerTooLarge,
    ContentRefused,
    CopyDiffers,
    CopyRefused,
    DeploymentRefused,
    NoAnswer,
    NoClearAnswer,
    ProviderBusy,
    ProviderError,
    ProviderNotFound,
    ServerAway,
)
from litebatch_asgi.models import ProviderBatch, ProviderFile
from litebatch_asgi.provider import BatchSubmission, FileUpload, ProviderAdapter, ProviderStream

OK = "ok"
ABANDONED = "abandoned"
"""the caller was cancelled, or failed for a reason of its own"""


def outcome_of(error: BaseException) -> str:
    """What a call has come to that raised this."""
    match error:
        case CopyRefused() | CopyDiffers():
            return "copy_refused"
        case DeploymentRefused():
            return "refused"
        case ContentRefused():
            return "content_refused"
        case ProviderNotFound():
            return "not_found"
        case ProviderBusy():
            return "busy"
        case NoClearAnswer():
            return "unclear"
        case ServerAway():
            return "away"
        case NoAnswer():
            return "unanswered"
        case AnswerTooLarge():
            return "too_large"
        case ProviderError():
            return "error"
        case _:
            return ABANDONED


class MeasuredAdapter:
    """A `ProviderAdapter` around another one; `told` takes call, outcome and seconds of each call."""

    def __init__(self, adapter: ProviderAdapter, told: Callable[[str, str, float], None]) -> None:
        self._adapter = adapter
        self._told = told
        self.min_poll_seconds: float = adapter.min_poll_seconds
        self.max_metadata_pairs: int = adapter.max_metadata_pairs
        self.keeps_files: bool = adapter.keeps_files
        self.tells_tags: bool = adapter.tells_tags
        self.is_exclusive: bool = adapter.is_exclusive
        self.tells_progress: bool = adapter.tells_progress
        self.ends_at_expiry: bool = adapter.ends_at_expiry
        self.max_requests: int | None = adapter.max_requests
        self.max_bytes: int | None = adapter.max_bytes
        self.purposes: Collection[str] = adapter.purposes

    def dialect(self, model: str) -> Dialect | None:
        """See `ProviderAdapter.dialect`."""
        return self._adapter.dialect(model)

    @contextmanager
    def _measured(self, call: str) -> Generator[None]:
        began = anyio.current_time()
        outcome = OK
        try:
            yield
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            self._told(call, outcome, anyio.current_time() - began)

    async def aclose(self) -> None:
        """See `ProviderAdapter.aclose`."""
        await self._adapter.aclose()

    async def upload_file(self, upload: FileUpload) -> ProviderFile:
        """See `ProviderAdapter.upload_file`."""
        with self._measured("upload_file"):
            return await self._adapter.upload_file(upload)

    async def retrieve_file(self, file_id: str) -> ProviderFile:
        """See `ProviderAdapter.retrieve_file`."""
        with self._measured("retrieve_file"):
            return await self._adapter.retrieve_file(file_id)

    async def list_files(self, *, since: datetime) -> AsyncIterator[ProviderFile]:
        """See `ProviderAdapter.list_files`."""
        with self._measured("list_files"):
            async for file in self._adapter.list_files(since=since):
                yield file

    async def delete_file(self, file_id: str) -> None:
        """See `ProviderAdapter.delete_file`."""
        with self._measured("delete_file"):
            await self._adapter.delete_file(file_id)

    @asynccontextmanager
    async def stream_file(self, file_id: str) -> AsyncGenerator[ProviderStream]:
        """See `ProviderAdapter.stream_file`."""
        with self._measured("stream_file"):
            async with self._adapter.stream_file(file_id) as stream:
                yield stream

    async def create_batch(self, submission: BatchSubmission) -> ProviderBatch:
        """See `ProviderAdapter.create_batch`."""
        with self._measured("create_batch"):
            return await self._adapter.create_batch(submission)

    async def retrieve_batch(self, batch_id: str) -> ProviderBatch:
        """See `ProviderAdapter.retrieve_batch`."""
        with self._measured("retrieve_batch"):
            return await self._adapter.retrieve_batch(batch_id)

    async def list_batches(self, *, since: datetime) -> AsyncIterator[ProviderBatch]:
        """See `ProviderAdapter.list_batches`."""
        with self._measured("list_batches"):
            async for batch in self._adapter.list_batches(since=since):
                yield batch

    async def cancel_batch(self, batch_id: str) -> ProviderBatch:
        """See `ProviderAdapter.cancel_batch`."""
        with self._measured("cancel_batch"):
            return await self._adapter.cancel_batch(batch_id)

    async def is_tagged(self, batch: ProviderBatch, metadata: Mapping[str, str]) -> bool | None:
        """See `ProviderAdapter.is_tagged`."""
        with self._measured("is_tagged"):
            return await self._adapter.is_tagged(batch, metadata)
