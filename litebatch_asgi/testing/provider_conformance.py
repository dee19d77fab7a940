"""What every provider adapter has to do, as tests for whoever writes one.

Derive from `ProviderConformance`, say where the adapter comes from, and run pytest::

    class TestMyAdapter(ProviderConformance):
        @pytest.fixture
        async def adapter(self) -> AsyncGenerator[ProviderAdapter]:
            async with aclosing(MyAdapter(deployment, Settings())) as adapter:
                yield adapter

The tests make small files and batches at the provider, and delete the files again. Put
`pytest.register_assert_rewrite("litebatch_asgi.testing.provider_conformance")` into your `conftest.py` to
see values in failures. This module imports pytest and is therefore not part of `litebatch_asgi.testing`.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

import anyio
import msgspec
import pytest

from litebatch_asgi.errors import ProviderError, ProviderNotFound
from litebatch_asgi.models import BatchStatus, ProviderBatch, ProviderFile, ProviderFileStatus
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.provider import BatchSubmission, FileUpload, ProviderAdapter

Uploader: TypeAlias = Callable[[bytes], Awaitable[ProviderFile]]
BLOCK = 262_144


class Capability(StrEnum):
    """What not every provider can be asked for in a test."""

    RUNS_BATCHES = "runs_batches"
    """a batch of two requests is completed within `patience_seconds`"""


class TornContent(Exception):
    """Raised by content that breaks off."""


@pytest.mark.anyio
class ProviderConformance:
    """The tests. A subclass defines the fixture `adapter`; the rest has defaults."""

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

    def requests(self, count: int = 2) -> bytes:
        """A batch input of `count` lines."""
        return b"".join(
            msgspec.json.encode(self.request(f"request-{index}")) + b"\n" for index in range(count)
        )

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

    async def batch_of(self, adapter: ProviderAdapter, file: ProviderFile, job: str) -> ProviderBatch:
        """A new batch that carries the tag `job`."""
        file = await self.ready(adapter, file)
        return await adapter.create_batch(
            BatchSubmission(
                input_file_id=file.id,
                endpoint=self.endpoint,
                completion_window="24h",
                metadata={TAG_JOB: job, TAG_INSTALLATION: "conformance"},
                timeout_seconds=self.patience_seconds,
            )
        )

    async def pause(self, adapter: ProviderAdapter) -> None:
        """Wait until it is time for another look."""
        await anyio.sleep(adapter.min_poll_seconds if self.poll_seconds is None else self.poll_seconds)

    def skip_without(self, capability: Capability) -> None:
        """Skip the test where the provider cannot do it."""
        if capability not in self.capabilities:
            pytest.skip(f"not offered: {capability}")

    async def test_an_uploaded_file_is_found_with_its_name_and_size(
        self, adapter: ProviderAdapter, upload: Uploader
    ) -> None:
        """The id of the answer leads to the file, and the file is ready sooner or later."""
        content = self.requests()
        file = await upload(content)
        assert file.id
        found = await self.ready(adapter, await adapter.retrieve_file(file.id))
        assert found.id == file.id
        assert found.filename == file.filename
        assert found.filename.startswith("conformance-")
        assert found.bytes in (None, len(content))

    async def test_content_comes_back_byte_for_byte(self, adapter: ProviderAdapter, upload: Uploader) -> None:
        """Also where it is longer than a block and ends without a newline."""
        line = msgspec.json.encode(self.request("ä\u2028😀") | {"padding": "x" * BLOCK})
        content = line + b"\r\n" + line.replace(b"\xc3\xa4", b"\\u00e4")
        file = await upload(content)
        async with adapter.stream_file(file.id) as stream:
            assert stream.size in (None, len(content))
            assert b"".join([block async for block in stream.blocks]) == content

    async def test_content_is_begun_once(self, adapter: ProviderAdapter) -> None:
        """A second sending could make a second file."""
        begun: list[AsyncIterator[bytes]] = []
        content = self.requests()

        def begin() -> AsyncIterator[bytes]:
            begun.append(blocks_of(content))
            return begun[-1]

        file = await adapter.upload_file(msgspec.structs.replace(upload_of(content), content=begin))
        await adapter.delete_file(file.id)
        assert len(begun) == 1

    @pytest.mark.parametrize("difference", [-1, 1])
    async def test_content_of_another_size_makes_no_file(
        self, adapter: ProviderAdapter, difference: int
    ) -> None:
        """More or fewer bytes than announced never arrive as a whole."""
        upload = upload_of(self.requests())
        with pytest.raises(ProviderError):
            await adapter.upload_file(msgspec.structs.replace(upload, size=upload.size + difference))
        assert upload.filename not in await self.file_names(adapter)

    async def test_content_that_breaks_off_makes_no_file(self, adapter: ProviderAdapter) -> None:
        """Neither by an error of its own nor by the cancellation of the upload."""
        stuck = anyio.Event()
        upload = upload_of(self.requests())

        async def torn() -> AsyncIterator[bytes]:
            yield self.requests(1)
            raise TornContent

        async def endless() -> AsyncIterator[bytes]:
            yield self.requests(1)
            stuck.set()
            await anyio.sleep_forever()

        with pytest.raises((TornContent, ProviderError)):
            await adapter.upload_file(msgspec.structs.replace(upload, content=torn))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(adapter.upload_file, msgspec.structs.replace(upload, content=endless))
            await stuck.wait()
            tasks.cancel_scope.cancel()
        assert upload.filename not in await self.file_names(adapter)

    async def test_every_file_is_listed_once(self, adapter: ProviderAdapter, upload: Uploader) -> None:
        """Over however many pages the list has."""
        files = [await upload(self.requests()) for _ in range(self.several_pages)]
        names = await self.file_names(adapter)
        assert [names.count(file.filename) for file in files] == [1] * len(files)

    async def test_older_files_are_not_listed(self, adapter: ProviderAdapter, upload: Uploader) -> None:
        """Those made before `since`."""
        file = await upload(self.requests())
        assert file.filename not in await self.file_names(adapter, since=timedelta(days=1))

    async def test_a_deleted_file_is_gone(self, adapter: ProviderAdapter, upload: Uploader) -> None:
        """And deleting it again is no error."""
        file = await upload(self.requests())
        await adapter.delete_file(file.id)
        await adapter.delete_file(file.id)
        with pytest.raises(ProviderNotFound):
            await adapter.retrieve_file(file.id)
        with pytest.raises(ProviderNotFound):
            await content_of(adapter, file.id)
        assert file.filename not in await self.file_names(adapter)

    async def test_an_unknown_batch_is_not_found(self, adapter: ProviderAdapter) -> None:
        """Neither to look at nor to cancel."""
        unknown = f"batch_{uuid.uuid4().hex}"
        with pytest.raises(ProviderNotFound):
            await adapter.retrieve_batch(unknown)
        with pytest.raises(ProviderNotFound):
            await adapter.cancel_batch(unknown)

    async def test_a_batch_is_found_by_its_tag(self, adapter: ProviderAdapter, upload: Uploader) -> None:
        """The metadata of the creation comes back when looking at the batch and when listing."""
        file = await upload(self.requests())
        jobs = [f"job-{uuid.uuid4().hex}" for _ in range(self.several_pages)]
        made = [await self.batch_of(adapter, file, job) for job in jobs]
        for job, batch in zip(jobs, made, strict=True):
            found = await adapter.retrieve_batch(batch.id)
            assert (found.id, found.metadata[TAG_JOB]) == (batch.id, job)
            assert found.metadata[TAG_INSTALLATION] == "conformance"
        listed = [batch async for batch in adapter.list_batches(since=made_since(timedelta(minutes=-5)))]
        ours = {
            batch.metadata.get(TAG_JOB): batch.id for batch in listed if batch.metadata.get(TAG_JOB) in jobs
        }
        assert ours == {job: batch.id for job, batch in zip(jobs, made, strict=True)}
        assert len({batch.id for batch in listed}) == len(listed)
        for batch in made:
            await adapter.cancel_batch(batch.id)

    async def test_older_batches_are_not_listed(self, adapter: ProviderAdapter, upload: Uploader) -> None:
        """Those made before `since`."""
        batch = await self.batch_of(adapter, await upload(self.requests()), "job")
        later = [found.id async for found in adapter.list_batches(since=made_since(timedelta(days=1)))]
        assert batch.id not in later
        await adapter.cancel_batch(batch.id)

    async def test_a_batch_can_be_cancelled_at_any_time(
        self, adapter: ProviderAdapter, upload: Uploader
    ) -> None:
        """Also while it is being cancelled and when it has ended."""
        batch = await self.batch_of(adapter, await upload(self.requests()), "job")
        with anyio.fail_after(self.patience_seconds):
            while True:
                found = await adapter.cancel_batch(batch.id)
                assert found.id == batch.id
                if found.status.is_final:
                    break
                await self.pause(adapter)
        assert (await adapter.cancel_batch(batch.id)).status is found.status

    async def test_results_can_be_read(self, adapter: ProviderAdapter, upload: Uploader) -> None:
        """Every request of a completed batch comes out once; cancelling it then is no error."""
        self.skip_without(Capability.RUNS_BATCHES)
        batch = await self.batch_of(adapter, await upload(self.requests()), "job")
        with anyio.fail_after(self.patience_seconds):
            while not batch.status.is_final:
                await self.pause(adapter)
                batch = await adapter.retrieve_batch(batch.id)
        assert batch.status is BatchStatus.COMPLETED
        assert batch.counts is None or batch.counts.total == 2
        results = [name for name in (batch.output_file_id, batch.error_file_id) if name is not None]
        rows = [row for name in results for row in (await content_of(adapter, name)).splitlines()]
        assert sorted(msgspec.json.decode(row)["custom_id"] for row in rows) == ["request-0", "request-1"]
        assert (await adapter.cancel_batch(batch.id)).status is BatchStatus.COMPLETED

    async def test_a_reader_that_leaves_early_disturbs_nobody(
        self, adapter: ProviderAdapter, upload: Uploader
    ) -> None:
        """The adapter goes on as if nothing had happened."""
        content = self.requests(20_000)
        file = await upload(content)
        async with adapter.stream_file(file.id) as stream:
            async for _ in stream.blocks:
                break
        assert await content_of(adapter, file.id) == content

    async def file_names(
        self, adapter: ProviderAdapter, since: timedelta = timedelta(minutes=-5)
    ) -> list[str]:
        """The names in the list of files made since that long from now."""
        return [file.filename async for file in adapter.list_files(since=made_since(since))]


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
