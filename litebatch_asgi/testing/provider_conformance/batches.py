"""Batches: made once, found by their tag, cancelled at any time, and their results read."""

from __future__ import annotations

import uuid
from contextlib import suppress
from datetime import timedelta

import anyio
import msgspec
import pytest

from litebatch_asgi.causes import Cause, cause_of
from litebatch_asgi.errors import CopyRefused, ProviderNotFound
from litebatch_asgi.models import BatchStatus
from litebatch_asgi.models.provider import LONGEST_MESSAGE, MOST_ERRORS, TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.provider import ProviderAdapter
from litebatch_asgi.testing.provider_conformance.base import (
    Capability,
    ProviderTests,
    Uploader,
    content_of,
    made_since,
    tag,
)


class BatchTests(ProviderTests):
    """What holds for batches."""

    async def test_files_for_batches_can_be_used(self, adapter: ProviderAdapter) -> None:
        """They are among the purposes that the adapter names."""
        assert "batch" in adapter.purposes

    async def test_an_unknown_batch_is_not_found(self, adapter: ProviderAdapter) -> None:
        """Neither to look at nor to cancel."""
        unknown = f"batch_{uuid.uuid4().hex}"
        with pytest.raises(ProviderNotFound):
            await adapter.retrieve_batch(unknown)
        with pytest.raises(ProviderNotFound):
            await adapter.cancel_batch(unknown)

    async def test_a_batch_is_found_by_its_tag(self, adapter: ProviderAdapter, upload: Uploader) -> None:
        """The metadata of the creation comes back when looking at the batch and when listing."""
        self._skip_without_tags(adapter)
        file = await upload(self.requests(adapter))
        jobs = [f"job-{uuid.uuid4().hex}" for _ in range(self.several_pages)]
        made = [await self.batch_of(adapter, file, job) for job in jobs]
        for job, batch in zip(jobs, made, strict=True):
            found = await adapter.retrieve_batch(batch.id)
            assert (found.id, found.metadata[TAG_JOB]) == (batch.id, job)
            assert found.metadata[TAG_INSTALLATION] == "conformance"
            assert await adapter.is_tagged(found, tag(job)) is True
            assert await adapter.is_tagged(found, tag("another")) is False
        listed = [batch async for batch in adapter.list_batches(since=made_since(timedelta(minutes=-5)))]
        ours = {
            batch.metadata.get(TAG_JOB): batch.id for batch in listed if batch.metadata.get(TAG_JOB) in jobs
        }
        assert ours == {job: batch.id for job, batch in zip(jobs, made, strict=True)}
        assert len({batch.id for batch in listed}) == len(listed)
        for batch in made:
            await adapter.cancel_batch(batch.id)

    async def test_a_batch_that_has_ended_tells_whose_it_is(
        self, adapter: ProviderAdapter, upload: Uploader
    ) -> None:
        """Also where its metadata does not come back; it may tell earlier, but never wrongly."""
        self.skip_without(Capability.RUNS_BATCHES)
        batch = await self.batch_of(adapter, await upload(self.requests(adapter)), "job")
        assert await adapter.is_tagged(batch, tag("job")) is not False
        assert await adapter.is_tagged(batch, tag("another")) is not True
        batch = await self.ended(adapter, batch)
        assert await adapter.is_tagged(batch, tag("job")) is True
        assert await adapter.is_tagged(batch, tag("another")) is False

    async def test_a_batch_carries_as_many_pairs_as_the_adapter_says(
        self, adapter: ProviderAdapter, upload: Uploader
    ) -> None:
        """The tag and as many more as `max_metadata_pairs` leaves room for."""
        self._skip_without_tags(adapter)
        pairs = {f"key-{index}": f"value {index}" for index in range(adapter.max_metadata_pairs - 2)}
        batch = await self.batch_of(adapter, await upload(self.requests(adapter)), "job", **pairs)
        found = await adapter.retrieve_batch(batch.id)
        assert found.metadata == tag("job", **pairs)
        await adapter.cancel_batch(batch.id)

    async def test_a_file_that_is_not_ready_may_be_refused_as_a_copy_only(
        self, adapter: ProviderAdapter, upload: Uploader
    ) -> None:
        """So that nothing but that copy is doubted; once it is ready the same request is taken."""
        file = await upload(self.requests(adapter))
        try:
            batch = await adapter.create_batch(self.submission(adapter, file.id))
        except CopyRefused:
            batch = await self.batch_of(adapter, file, "job")
        await adapter.cancel_batch(batch.id)

    async def test_a_file_that_is_gone_may_be_refused_as_a_copy_only(
        self, adapter: ProviderAdapter, upload: Uploader
    ) -> None:
        """Neither the content nor the whole deployment is to blame."""
        self.skip_without_files(adapter)
        file = await upload(self.requests(adapter))
        await adapter.delete_file(file.id)
        with suppress(CopyRefused):
            batch = await adapter.create_batch(self.submission(adapter, file.id))
            await adapter.cancel_batch(batch.id)

    async def test_a_batch_whose_file_is_gone_fails_for_the_copys_sake(
        self, adapter: ProviderAdapter, upload: Uploader
    ) -> None:
        """Whether it is told at once or later: another deployment may take the batch."""
        self.skip_without_files(adapter)
        self.skip_without(Capability.RUNS_BATCHES)
        file = await self.ready(adapter, await upload(self.requests(adapter)))
        await adapter.delete_file(file.id)
        try:
            batch = await adapter.create_batch(self.submission(adapter, file.id))
        except CopyRefused:
            return
        batch = await self.ended(adapter, batch)
        assert batch.status is BatchStatus.FAILED
        assert cause_of(batch.errors, others_left=True) is Cause.COPY

    async def test_of_many_errors_the_first_are_told(
        self, adapter: ProviderAdapter, upload: Uploader
    ) -> None:
        """A provider may name each line of a file that is wrong."""
        self.skip_without(Capability.RUNS_BATCHES)
        if adapter.dialect(self.model) is not None:
            pytest.skip("not a form in which each line could be told of")
        line = msgspec.json.encode(self.request("always the same")) + b"\n"
        batch = await self.ended(adapter, await self.batch_of(adapter, await upload(150 * line), "job"))
        assert batch.status is BatchStatus.FAILED
        assert 1 <= len(batch.errors) <= MOST_ERRORS
        assert max(len(error.message or "") for error in batch.errors) <= LONGEST_MESSAGE
        assert cause_of(batch.errors, others_left=True) is Cause.CONTENT

    async def test_metadata_may_be_any_text(self, adapter: ProviderAdapter, upload: Uploader) -> None:
        """It comes back as it was, and hides nothing beside it."""
        self._skip_without_tags(adapter)
        pairs = {
            "quotes": "\"a\" \\ 'b'",
            "letters": "größe 模型 😀",
            "spaces": "a\u2028b\tc\nd",
            "markup": "</a>%s{}",
        }
        if len(tag("job", **pairs)) > adapter.max_metadata_pairs:
            pytest.skip("a batch carries fewer pairs")
        batch = await self.batch_of(adapter, await upload(self.requests(adapter)), "job", **pairs)
        assert (await adapter.retrieve_batch(batch.id)).metadata.items() >= pairs.items()
        listed = [each async for each in adapter.list_batches(since=made_since(timedelta(minutes=-5)))]
        assert [each.metadata[TAG_JOB] for each in listed if each.id == batch.id] == ["job"]
        await adapter.cancel_batch(batch.id)

    async def test_older_batches_are_not_listed(self, adapter: ProviderAdapter, upload: Uploader) -> None:
        """Those made before `since`."""
        batch = await self.batch_of(adapter, await upload(self.requests(adapter)), "job")
        later = [found.id async for found in adapter.list_batches(since=made_since(timedelta(days=1)))]
        assert batch.id not in later
        await adapter.cancel_batch(batch.id)

    async def test_a_batch_can_be_cancelled_at_any_time(
        self, adapter: ProviderAdapter, upload: Uploader
    ) -> None:
        """Also while it is being cancelled and when it has ended."""
        batch = await self.batch_of(adapter, await upload(self.requests(adapter)), "job")
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
        batch = await self.batch_of(adapter, await upload(self.requests(adapter)), "job")
        batch = await self.ended(adapter, batch)
        assert batch.status is BatchStatus.COMPLETED
        assert batch.counts is None or batch.counts.total == 2
        results = [name for name in (batch.output_file_id, batch.error_file_id) if name is not None]
        rows = [row for name in results for row in (await content_of(adapter, name)).splitlines()]
        assert sorted(self.answered(adapter, row) for row in rows) == ["request-0", "request-1"]
        assert (await adapter.cancel_batch(batch.id)).status is BatchStatus.COMPLETED

    def _skip_without_tags(self, adapter: ProviderAdapter) -> None:
        if not adapter.tells_tags:
            pytest.skip("metadata does not come back")
