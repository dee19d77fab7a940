"""What the tests of adapters share."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

import anyio
import msgspec
import pytest

from litebatch_asgi.models import ProviderBatch, ProviderFile, ProviderFileStatus
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.provider import BatchSubmission, FileUpload, ProviderAdapter

Uploader: TypeAlias = Callable[[bytes], Awaitable[ProviderFile]]
BLOCK = 262_144


class Capability(StrEnum):
    """What not every provider can be asked for in a test."""

    RUNS_BATCHES = "runs_batches"
    """a batch of two requests is completed, and a wrong one failed, within `patience_seconds`"""


@pytest.mark.anyio
class ProviderTests:
    """Fixtures, and what most tests begin with."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    model: ClassVar[str] = "gpt-4o-mini"
    endpoint: ClassVar[str] = "/v1/chat/completions"
    patience_seconds: ClassVar[float] = 60.0
    """how long a file may be pending, and a batch may run"""
    poll_seconds: ClassVar[float | None] = None
    """time between two looks; None: the adapter's own floor"""
    several_pages: ClassVar[int] = 3
    """so many files or batches that a list of them takes more than one page"""

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Adapters run on asyncio."""
        return "asyncio"

    @pytest.fixture
    async def upload(self, adapter: ProviderAdapter) -> AsyncGenerator[Uploader]:
        """Uploads content and deletes the files in the end."""
        made: list[str] = []

        async def upload(content: bytes) -> ProviderFile:
            file = await adapter.upload_file(upload_of(content))
            made.append(file.id)
            return file

        yield upload
        for name in made:
            await adapter.delete_file(name)

    def requests(self, adapter: ProviderAdapter, count: int = 2) -> bytes:
        """A batch input of `count` lines, in the form that the adapter is given."""
        dialect = adapter.dialect(self.model)
        lines = [msgspec.json.encode(self.request(f"request-{index}")) for index in range(count)]
        if dialect is not None:
            encoded = [dialect.encode(line, number) for number, line in enumerate(lines, 1)]
            lines = [line for line in encoded if isinstance(line, bytes)]
            assert len(lines) == count, encoded
        return b"".join(line + b"\n" for line in lines)

    def answered(self, adapter: ProviderAdapter, row: bytes) -> str:
        """The `custom_id` of the line of `requests` that a row of results answers."""
        dialect = adapter.dialect(self.model)
        if dialect is None:
            custom_id = msgspec.json.decode(row)["custom_id"]
            assert isinstance(custom_id, str)
            return custom_id
        line = dialect.decode(row).line
        assert line is not None, row
        return f"request-{line - 1}"

    def request(self, custom_id: str) -> dict[str, Any]:
        """One line of a batch input."""
        body = {"model": self.model, "messages": [{"role": "user", "content": "Say yes."}], "max_tokens": 5}
        return {"custom_id": custom_id, "method": "POST", "url": self.endpoint, "body": body}

    async def ready(self, adapter: ProviderAdapter, file: ProviderFile) -> ProviderFile:
        """The file, once a batch may read it."""
        with anyio.fail_after(self.patience_seconds):
            while file.status is ProviderFileStatus.PENDING:
                await self.pause(adapter)
                file = await adapter.retrieve_file(file.id)
        assert file.status is ProviderFileStatus.READY
        return file

    async def batch_of(
        self, adapter: ProviderAdapter, file: ProviderFile, job: str, **pairs: str
    ) -> ProviderBatch:
        """A new batch that carries the tag `job`, and further pairs, once its file is ready."""
        file = await self.ready(adapter, file)
        return await adapter.create_batch(self.submission(adapter, file.id, job, **pairs))

    async def ended(self, adapter: ProviderAdapter, batch: ProviderBatch) -> ProviderBatch:
        """The batch, once nothing can follow."""
        with anyio.fail_after(self.patience_seconds):
            while not batch.status.is_final:
                await self.pause(adapter)
                batch = await adapter.retrieve_batch(batch.id)
        return batch

    def submission(
        self, adapter: ProviderAdapter, file_id: str, job: str = "job", **pairs: str
    ) -> BatchSubmission:
        """What asks for a batch of `requests` that carries the tag `job`."""
        lines = self.requests(adapter)
        return BatchSubmission(
            input_file_id=file_id,
            endpoint=self.endpoint,
            completion_window="24h",
            metadata=tag(job, **pairs),
            timeout_seconds=self.patience_seconds,
            model=self.model,
            requests=2,
            size=len(lines),
            content=None if adapter.keeps_files else lambda: blocks_of(lines),
        )

    async def pause(self, adapter: ProviderAdapter) -> None:
        """Wait until it is time for another look."""
        await anyio.sleep(adapter.min_poll_seconds if self.poll_seconds is None else self.poll_seconds)

    def skip_without(self, capability: Capability) -> None:
        """Skip the test where the provider cannot do it."""
        if capability not in self.capabilities:
            pytest.skip(f"not offered: {capability}")

    def skip_without_files(self, adapter: ProviderAdapter) -> None:
        """Skip the test where the provider has no place for files."""
        if not adapter.keeps_files:
            pytest.skip("the provider keeps no files")

    async def file_names(
        self, adapter: ProviderAdapter, since: timedelta = timedelta(minutes=-5)
    ) -> list[str]:
        """The names in the list of files made since that long from now."""
        return [file.filename async for file in adapter.list_files(since=made_since(since))]


def tag(job: str, **pairs: str) -> dict[str, str]:
    """The metadata of a batch for a job."""
    return {TAG_JOB: job, TAG_INSTALLATION: "conformance", **pairs}


def made_since(distance: timedelta) -> datetime:
    """A moment so far from now."""
    return datetime.now(UTC) + distance


def upload_of(content: bytes) -> FileUpload:
    """An upload under a name of its own."""
    return FileUpload(
        filename=f"conformance-{uuid.uuid4().hex}.jsonl",
        purpose="batch",
        size=len(content),
        content=lambda: blocks_of(content),
        expires_after_seconds=86_400,
    )


async def blocks_of(content: bytes) -> AsyncIterator[bytes]:
    """The content in blocks."""
    for start in range(0, len(content), BLOCK):
        yield content[start : start + BLOCK]


async def content_of(adapter: ProviderAdapter, file_id: str) -> bytes:
    """A provider's file as a whole."""
    async with adapter.stream_file(file_id) as stream:
        return b"".join([block async for block in stream.blocks])
