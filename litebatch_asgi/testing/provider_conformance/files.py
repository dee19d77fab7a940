"""Files: sent whole and once, found, listed, read back and deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import anyio
import msgspec
import pytest

from litebatch_asgi.errors import ProviderError, ProviderNotFound
from litebatch_asgi.models import ProviderFileStatus
from litebatch_asgi.provider import ProviderAdapter
from litebatch_asgi.testing.provider_conformance.base import (
    BLOCK,
    ProviderTests,
    Uploader,
    blocks_of,
    content_of,
    upload_of,
)


class TornContent(Exception):
    """Raised by content that breaks off."""


class FileTests(ProviderTests):
    """What holds for files."""

    async def test_an_uploaded_file_is_found_with_its_name_and_size(
        self, adapter: ProviderAdapter, upload: Uploader
    ) -> None:
        """The id of the answer leads to the file, and the file is ready sooner or later."""
        self.skip_without_files(adapter)
        content = self.requests(adapter)
        file = await upload(content)
        assert file.id
        found = await self.ready(adapter, await adapter.retrieve_file(file.id))
        assert found.id == file.id
        assert found.filename == file.filename
        assert found.filename.startswith("conformance-")
        assert found.bytes in (None, len(content))

    async def test_content_comes_back_byte_for_byte(self, adapter: ProviderAdapter, upload: Uploader) -> None:
        """Also where it is longer than a block and ends without a newline."""
        self.skip_without_files(adapter)
        line = msgspec.json.encode(self.request("ä\u2028😀") | {"padding": "x" * BLOCK})
        content = line + b"\r\n" + line.replace(b"\xc3\xa4", b"\\u00e4")
        file = await self.ready(adapter, await upload(content))
        async with adapter.stream_file(file.id) as stream:
            assert stream.size in (None, len(content))
            assert b"".join([block async for block in stream.blocks]) == content

    @pytest.mark.parametrize("seconds", [None, 1, 100_000_000])
    async def test_any_lifetime_becomes_one_that_the_provider_allows(
        self, adapter: ProviderAdapter, seconds: int | None
    ) -> None:
        """The adapter knows the provider's bounds; nobody else has to."""
        self.skip_without_files(adapter)
        upload = msgspec.structs.replace(upload_of(self.requests(adapter)), expires_after_seconds=seconds)
        file = await adapter.upload_file(upload)
        assert (await adapter.retrieve_file(file.id)).id == file.id
        await adapter.delete_file(file.id)

    async def test_content_is_begun_once(self, adapter: ProviderAdapter) -> None:
        """A second sending could make a second file."""
        self.skip_without_files(adapter)
        begun: list[AsyncIterator[bytes]] = []
        content = self.requests(adapter)

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
        self.skip_without_files(adapter)
        upload = upload_of(self.requests(adapter))
        with pytest.raises(ProviderError):
            await adapter.upload_file(msgspec.structs.replace(upload, size=upload.size + difference))
        assert upload.filename not in await self.file_names(adapter)

    async def test_content_that_breaks_off_makes_no_file(self, adapter: ProviderAdapter) -> None:
        """Neither by an error of its own nor by the cancellation of the upload."""
        self.skip_without_files(adapter)
        stuck = anyio.Event()
        upload = upload_of(self.requests(adapter))

        async def torn() -> AsyncIterator[bytes]:
            yield self.requests(adapter, 1)
            raise TornContent

        async def endless() -> AsyncIterator[bytes]:
            yield self.requests(adapter, 1)
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
        self.skip_without_files(adapter)
        files = [await upload(self.requests(adapter)) for _ in range(self.several_pages)]
        names = await self.file_names(adapter)
        assert [names.count(file.filename) for file in files] == [1] * len(files)

    async def test_older_files_are_not_listed(self, adapter: ProviderAdapter, upload: Uploader) -> None:
        """Those made before `since`."""
        self.skip_without_files(adapter)
        file = await upload(self.requests(adapter))
        assert file.filename not in await self.file_names(adapter, since=timedelta(days=1))

    async def test_a_deleted_file_is_gone(self, adapter: ProviderAdapter, upload: Uploader) -> None:
        """And deleting it again is no error."""
        self.skip_without_files(adapter)
        file = await upload(self.requests(adapter))
        await adapter.delete_file(file.id)
        await adapter.delete_file(file.id)
        with pytest.raises(ProviderNotFound):
            await adapter.retrieve_file(file.id)
        with pytest.raises(ProviderNotFound):
            await content_of(adapter, file.id)
        assert file.filename not in await self.file_names(adapter)

    async def test_a_reader_that_leaves_early_disturbs_nobody(
        self, adapter: ProviderAdapter, upload: Uploader
    ) -> None:
        """The adapter goes on as if nothing had happened."""
        self.skip_without_files(adapter)
        content = self.requests(adapter, 20_000)
        file = await upload(content)
        async with adapter.stream_file(file.id) as stream:
            async for _ in stream.blocks:
                break
        assert await content_of(adapter, file.id) == content

    async def test_a_provider_without_files_is_given_none(self, adapter: ProviderAdapter) -> None:
        """Nothing is read or sent; the name alone stands for the file, which is ready and in no list."""
        if adapter.keeps_files:
            pytest.skip("the provider keeps files")
        begun: list[AsyncIterator[bytes]] = []
        content = self.requests(adapter)

        def begin() -> AsyncIterator[bytes]:
            begun.append(blocks_of(content))
            return begun[-1]

        upload = msgspec.structs.replace(upload_of(content), content=begin)
        file = await adapter.upload_file(upload)
        found = await adapter.retrieve_file(file.id)
        assert file.id == found.id == upload.filename
        assert file.status is found.status is ProviderFileStatus.READY
        await adapter.delete_file(file.id)
        assert upload.filename not in await self.file_names(adapter)
        assert begun == []
