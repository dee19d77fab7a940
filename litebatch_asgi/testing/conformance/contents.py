"""Contents: a row before the bytes, and what becomes of those that nothing names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import BatchStatus, Content, ContentState, CopyState, File, FilePart
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import (
    StorageTests,
    file_writing,
    state_of,
    stored_batch,
    stored_file,
    writing,
)
from litebatch_asgi.testing.samples import a_batch, a_content, a_copy, a_file, a_part, a_stored_part

HOUR = 3600.0
DAY = 86_400.0
ELSEWHERE = "s3://bucket/prefix"


async def begun(storage: Storage, *, lease_seconds: float = HOUR, **fields: Any) -> Content:
    """A content that is being written."""
    return await storage.contents.begin(a_content(**fields), lease_seconds=lease_seconds)


async def kept(storage: Storage, file: File | None = None) -> tuple[File, Content]:
    """A file, and a content that its only part names."""
    file = file or await stored_file(storage)
    content = await begun(storage)
    await storage.change_file(file.id, file_writing(parts=(a_stored_part(file, content),)))
    return file, content


async def row(storage: Storage, content: Content) -> Content:
    """The content as it is in the database."""
    found = await storage.contents.get(content.key)
    assert found is not None
    return found


async def due(storage: Storage, *stores: str, limit: int = 9, lease_seconds: float = HOUR) -> list[Content]:
    """What there is to be deleted, claimed."""
    return await storage.contents.claim_due(
        "sweeper",
        stores=stores or ("database",),
        limit=limit,
        lease_seconds=lease_seconds,
        watch_seconds=DAY,
    )


async def parts_of(storage: Storage, file: File) -> list[FilePart]:
    """The parts of a file."""
    return [part async for part in storage.file_parts(file.id)]


class ContentTests(StorageTests):
    """Contents: a row before the bytes, and what becomes of those that nothing names."""

    async def test_a_content_begins_claimed(self, storage: Storage) -> None:
        """Its row comes back as it was written; unknown ones are None."""
        before = await storage.now()
        content = a_content(store=ELSEWHERE)
        written = await storage.contents.begin(content, lease_seconds=HOUR)
        assert written.claimed_until is not None
        assert abs(written.claimed_until - before - timedelta(hours=1)) < timedelta(minutes=1)
        assert written == replace(content, claimed_until=written.claimed_until)
        assert await row(storage, content) == written
        assert await storage.contents.get("content-lb0") is None
        with pytest.raises(StateConflict):
            await storage.contents.begin(content, lease_seconds=HOUR)

    async def test_a_content_is_not_due_while_its_writer_renews(self, storage: Storage) -> None:
        """Once the lease lapses it is given out, to be deleted, and the claim is held no more."""
        content = await begun(storage, lease_seconds=0)
        (renewed,) = await storage.claims.renew([content], lease_seconds=HOUR)
        assert await due(storage) == []
        assert await storage.claims.renew([renewed], lease_seconds=0)
        (claimed,) = await due(storage)
        assert claimed.state is ContentState.DELETING
        assert (claimed.claimed_by, claimed.epoch) == ("sweeper", content.epoch + 1)
        assert claimed == await row(storage, content)
        assert await storage.claims.renew([content], lease_seconds=HOUR) == []
        assert await storage.claims.renew([claimed], lease_seconds=HOUR)
        assert await due(storage) == []

    async def test_a_content_whose_writer_was_lost_is_watched(self, storage: Storage) -> None:
        """Its writer may wake up; claimed again the time is not put off."""
        before = await storage.now()
        content = await begun(storage, lease_seconds=0)
        (claimed,) = await due(storage, lease_seconds=0)
        assert claimed.watch_until is not None
        assert abs(claimed.watch_until - before - timedelta(seconds=DAY)) < timedelta(minutes=1)
        (again,) = await due(storage)
        assert again.watch_until == claimed.watch_until
        later = before + timedelta(hours=2)
        await storage.contents.postpone(again, later)
        assert await row(storage, content) == replace(
            again, next_check_at=later, claimed_by=None, claimed_until=None
        )
        assert await due(storage) == []
        with pytest.raises(StateConflict):
            await storage.contents.postpone(claimed, later)

    async def test_an_abandoned_content_is_due_and_not_watched(self, storage: Storage) -> None:
        """Only one that is still held."""
        content, lost = await begun(storage), await begun(storage, lease_seconds=0)
        (taken,) = await due(storage)
        await storage.contents.abandon([])
        await storage.contents.abandon([content, lost])
        assert await row(storage, lost) == taken
        (claimed,) = await due(storage)
        assert (claimed.key, claimed.state, claimed.watch_until) == (content.key, ContentState.DELETING, None)

    async def test_due_contents_are_given_out_in_order(self, storage: Storage) -> None:
        """Those longest due first, of these stores alone, so many at a time."""
        now = datetime.now(UTC)
        made = [
            await begun(storage, lease_seconds=0, next_check_at=now - timedelta(seconds=seconds))
            for seconds in (1, 3, 2)
        ]
        other = await begun(storage, lease_seconds=0, store=ELSEWHERE)
        await begun(storage, lease_seconds=0, next_check_at=now + timedelta(hours=1))
        assert [each.key for each in await due(storage, limit=2)] == [made[1].key, made[2].key]
        assert [each.key for each in await due(storage)] == [made[0].key]
        assert [each.key for each in await due(storage, "database", ELSEWHERE)] == [other.key]

    async def test_no_content_is_given_out_twice(self, storages: Sequence[Storage]) -> None:
        """However many ask at once."""
        made = [await begun(storages[0], lease_seconds=0) for _ in range(9)]
        found: list[str] = []

        async def claim(storage: Storage) -> None:
            found.extend([each.key for each in await due(storage, limit=3)])

        async with anyio.create_task_group() as group:
            for storage in (*storages, *storages, *storages):
                group.start_soon(claim, storage)
        assert len(found) == len(set(found))
        assert set(found) <= {each.key for each in made}

    async def test_a_part_keeps_the_content_that_it_names(self, storage: Storage) -> None:
        """Of a file that is there; with the bytes of the part, and nobody's claim."""
        file, content = await kept(storage)
        assert await parts_of(storage, file) == [a_stored_part(file, content)]
        expected = replace(content, state=ContentState.KEPT, bytes=5, next_check_at=None, claimed_by=None)
        assert await row(storage, content) == replace(expected, claimed_until=None)
        assert await due(storage) == []

    async def test_a_part_of_results_keeps_the_content_that_it_names(self, storage: Storage) -> None:
        """Between others; parts may be made while they are written."""
        batch, content = await stored_batch(storage), await begun(storage)
        output = a_file()
        parts = [a_part(output, seq=0), a_stored_part(output, content, seq=1), a_part(output, seq=2)]
        await storage.change_batch(batch.id, writing(files=(output,), parts=iter(parts)))
        assert await parts_of(storage, output) == parts
        assert (await row(storage, content)).state is ContentState.KEPT

    async def test_a_content_that_is_not_being_written_cannot_be_named(self, storage: Storage) -> None:
        """Neither one that is named, nor one that is to be deleted, nor one without a row, nor one elsewhere.

        Nothing is written then.
        """
        _, named = await kept(storage)
        deleting = await begun(storage, lease_seconds=0)
        await due(storage)
        elsewhere = replace(await begun(storage), store=ELSEWHERE)
        for content in (named, deleting, a_content(), elsewhere):
            file, batch = await stored_file(storage), await stored_batch(storage)
            change = file_writing(file=replace(file, lines=7), parts=(a_stored_part(file, content),))
            with pytest.raises(StateConflict):
                await storage.change_file(file.id, change)
            assert await parts_of(storage, file) == []
            output = a_file()
            parts = (a_part(output), a_stored_part(output, content, seq=1))
            status = replace(batch, status=BatchStatus.COMPLETED)
            with pytest.raises(StateConflict):
                await storage.change_batch(batch.id, writing(batch=status, files=(output,), parts=parts))
            assert (await state_of(storage, batch)).batch == batch
            assert await storage.get_file(output.id) is None
        assert (await row(storage, named)).state is ContentState.KEPT

    async def test_a_content_cannot_be_named_twice_at_once(self, storage: Storage) -> None:
        """By two parts of one change."""
        file, content = await stored_file(storage), await begun(storage)
        parts = (a_stored_part(file, content), a_stored_part(file, content, seq=1))
        with pytest.raises(StateConflict):
            await storage.change_file(file.id, file_writing(parts=parts))
        assert await row(storage, content) == content

    async def test_a_content_goes_with_its_file(self, storage: Storage) -> None:
        """It is due at once, to be deleted; nobody is to be waited for."""
        file, content = await kept(storage)
        _, other = await kept(storage)
        await storage.change_file(file.id, file_writing(remove=True))
        (claimed,) = await due(storage)
        assert (claimed.key, claimed.state, claimed.watch_until) == (content.key, ContentState.DELETING, None)
        assert (await row(storage, other)).state is ContentState.KEPT

    async def test_a_content_goes_as_soon_as_its_file_is_hidden(self, storage: Storage) -> None:
        """Its copies may take long to be deleted. The part is gone, no other part is."""
        file, content = await kept(storage, await stored_file(storage, a_copy(a_file())))
        await storage.change_file(file.id, file_writing(parts=(a_part(file, seq=1),)))
        await storage.change_file(file.id, file_writing(file=file))
        assert await due(storage) == []
        hidden = replace(file, deleted_at=file.created_at)
        await storage.change_file(file.id, file_writing(file=hidden))
        assert [each.key for each in await due(storage)] == [content.key]
        assert await parts_of(storage, file) == [a_part(file, seq=1)]

    async def test_a_content_stays_while_a_batch_reads_its_file(self, storage: Storage) -> None:
        """It goes with the next write of the hidden file after that."""
        file, content = await kept(storage, await stored_file(storage, a_copy(a_file())))
        batch = await stored_batch(storage, batch=a_batch(file))
        hidden = replace(file, deleted_at=file.created_at)
        await storage.change_file(file.id, file_writing(file=hidden))
        assert await due(storage) == []
        ended = replace(batch, status=BatchStatus.FAILED)
        await storage.change_batch(batch.id, writing(batch=ended))
        await storage.change_file(file.id, file_writing(file=hidden))
        assert [each.key for each in await due(storage)] == [content.key]

    async def test_a_content_goes_with_the_row_of_an_old_deleted_file(self, storage: Storage) -> None:
        """That was hidden while a batch read it."""
        copy = a_copy(a_file(), state=CopyState.DELETED, next_check_at=None)
        file, content = await kept(storage, await stored_file(storage, copy))
        batch = await stored_batch(storage, batch=a_batch(file))
        hidden = replace(file, deleted_at=file.created_at)
        await storage.change_file(file.id, file_writing(file=hidden))
        await storage.change_batch(batch.id, writing(batch=replace(batch, status=BatchStatus.FAILED)))
        before = file.created_at + timedelta(seconds=1)
        assert (await storage.pruning.deleted_files(before, after=None, limit=9)).removed == 1
        assert [each.key for each in await due(storage)] == [content.key]

    async def test_the_row_of_a_content_goes_last(self, storage: Storage) -> None:
        """By whoever holds it, and once no chunk is left; one that is kept never."""
        content = await begun(storage, lease_seconds=0)
        await storage.contents.put_chunk(content.key, 0, b"chunk")
        (claimed,) = await due(storage)
        for wrong in (content, claimed):
            with pytest.raises(StateConflict):
                await storage.contents.remove(wrong)
        assert await storage.contents.delete_chunks(content.key, limit=9) == 1
        with pytest.raises(StateConflict):
            await storage.contents.remove(content)
        await storage.contents.remove(claimed)
        assert await storage.contents.get(content.key) is None
        with pytest.raises(StateConflict):
            await storage.contents.remove(claimed)
        _, named = await kept(storage)
        with pytest.raises(StateConflict):
            await storage.contents.remove(await row(storage, named))

    async def test_chunks_come_back_as_they_were(self, storage: Storage) -> None:
        """Each once; of no other content."""
        content, other = await begun(storage), await begun(storage)
        chunks = [bytes(range(256)) * 5, b"\0", b"x"]
        for seq, chunk in enumerate(chunks):
            await storage.contents.put_chunk(content.key, seq, chunk)
        await storage.contents.put_chunk(other.key, 0, b"other")
        for seq, chunk in enumerate(chunks):
            assert await storage.contents.get_chunk(content.key, seq) == chunk
        assert await storage.contents.get_chunk(content.key, 3) is None
        with pytest.raises(StateConflict):
            await storage.contents.put_chunk(content.key, 1, b"again")
        assert await storage.contents.get_chunk(content.key, 1) == b"\0"
        counts = [await storage.contents.delete_chunks(content.key, limit=2) for _ in range(3)]
        assert counts == [2, 1, 0]
        assert await storage.contents.get_chunk(content.key, 0) is None
        assert await storage.contents.get_chunk(other.key, 0) == b"other"

    async def test_only_what_is_being_written_takes_chunks(self, storage: Storage) -> None:
        """Neither what is kept, nor what is to be deleted, nor what is not there."""
        _, named = await kept(storage)
        lapsed = await begun(storage, lease_seconds=0)
        await due(storage)
        for content in (named, lapsed, a_content()):
            with pytest.raises(StateConflict):
                await storage.contents.put_chunk(content.key, 0, b"chunk")
            assert await storage.contents.get_chunk(content.key, 0) is None

    async def test_a_database_is_not_outgrown_by_little(self, storage: Storage) -> None:
        """Whatever it says of more; other stores' contents are not counted."""
        file, elsewhere = await stored_file(storage), await begun(storage, store=ELSEWHERE)
        await storage.change_file(file.id, file_writing(parts=(a_stored_part(file, elsewhere, bytes=2**40),)))
        await kept(storage)
        assert await storage.contents.outgrown("database") is None
