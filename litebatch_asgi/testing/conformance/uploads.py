"""Uploads: files that are sent in parts, and what becomes of the parts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import (
    FileTooLarge,
    KeyReused,
    LiteBatchError,
    RequestUnderWay,
    StateConflict,
    UploadsFull,
)
from litebatch_asgi.models import (
    ContentState,
    CopyState,
    CreateRequest,
    File,
    Upload,
    UploadPart,
    UploadRoom,
    UploadStatus,
)
from litebatch_asgi.models.uploads import LEAST_PART_BYTES, LEAST_UPLOAD_BYTES, MOST_PARTS
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import StorageTests, file_writing
from litebatch_asgi.testing.samples import (
    a_content,
    a_copy,
    a_file,
    a_request,
    an_upload,
    an_upload_part,
)

ROOM = UploadRoom(bytes=1 << 40)
HOUR = 3600.0


async def begun(storage: Storage, *, room: UploadRoom = ROOM, **fields: Any) -> Upload:
    """An upload that is in the database."""
    upload = an_upload(**fields)
    return await storage.uploads.create(upload, keys_since=upload.created_at - timedelta(days=1), room=room)


async def with_part(
    storage: Storage, upload: Upload, *, room: UploadRoom = ROOM, **fields: Any
) -> UploadPart:
    """A part that was added to it."""
    content = await storage.contents.begin(a_content(), lease_seconds=HOUR)
    part = an_upload_part(upload, content, **fields)
    await storage.uploads.add_part(part, room=room)
    return part


async def made_into(
    storage: Storage, upload: Upload, *copies: Any, fingerprint: str = "1", **fields: Any
) -> File:
    """The file that a completion of it has made, or found."""
    file = a_file(**fields)
    request = completion(upload, file, fingerprint=fingerprint)
    rows = [replace(copy, file_id=file.id) for copy in copies]
    return (await storage.create_file(file, rows, request=request, lease_seconds=HOUR)).file


def completion(upload: Upload, file: File, **fields: Any) -> CreateRequest:
    """A request that makes a file of an upload."""
    return a_request(file, upload_id=upload.id, **fields)


async def state_of_content(storage: Storage, part: UploadPart) -> ContentState:
    """What is to become of the bytes of a part."""
    content = await storage.contents.get(part.content_key)
    assert content is not None
    return content.state


class UploadTests(StorageTests):
    """Uploads: files that are sent in parts, and what becomes of the parts."""

    async def test_an_upload_reads_back(self, storage: Storage) -> None:
        """As it was written; unknown ones are None, and none is inserted twice."""
        upload = await begun(storage, models=(), created_by=None, expires_after_seconds=None)
        assert await storage.uploads.get(upload.id) == upload
        assert await storage.uploads.get("upload_lb0") is None
        with pytest.raises(StateConflict):
            await begun(storage, id=upload.id)

    async def test_a_key_gives_the_upload_that_it_made(self, storage: Storage) -> None:
        """The newest of the owner, unless that is too old; another request with it is refused."""
        keyed: dict[str, Any] = {"request_key": "key", "request_fingerprint": "a"}
        upload = await begun(storage, **keyed)
        assert await begun(storage, **keyed) == upload
        assert (await begun(storage, owner="team:other", **keyed)).owner == "team:other"
        with pytest.raises(KeyReused):
            await begun(storage, request_key="key", request_fingerprint="b")
        later = upload.created_at + timedelta(days=2)
        newer = await begun(storage, created_at=later, **keyed)
        assert newer.id != upload.id
        assert await begun(storage, created_at=later, **keyed) == newer
        without = await begun(storage)
        assert (await begun(storage)).id != without.id

    async def test_a_part_is_kept(self, storage: Storage) -> None:
        """With its content; the upload counts it, and at least as some bytes."""
        upload = await begun(storage)
        small, large = await with_part(storage, upload), await with_part(storage, upload, bytes=1 << 20)
        assert await storage.uploads.parts(upload.id) == sorted((small, large), key=lambda each: each.id)
        held = LEAST_UPLOAD_BYTES + LEAST_PART_BYTES + (1 << 20)
        assert await storage.uploads.get(upload.id) == replace(upload, parts=2, held_bytes=held)
        content = await storage.contents.get(large.content_key)
        assert content is not None
        assert (content.state, content.bytes) == (ContentState.KEPT, 1 << 20)
        assert (content.next_check_at, content.claimed_by) == (None, None)
        assert await storage.uploads.parts("upload_lb0") == []

    async def test_a_part_that_cannot_be_added_leaves_its_content(self, storage: Storage) -> None:
        """To an upload that has ended or expired, is not there or full; or of a content that is named."""
        upload = await begun(storage)
        content = await storage.contents.begin(a_content(), lease_seconds=HOUR)
        part = an_upload_part(upload, content)
        ended = await begun(storage)
        await storage.uploads.end(ended.id, UploadStatus.CANCELLED, ended.created_at)
        full = await begun(storage, parts=MOST_PARTS)
        for refused in (
            replace(part, created_at=upload.expires_at),
            replace(part, upload_id=ended.id),
            replace(part, upload_id=full.id),
            replace(part, upload_id="upload_lb0"),
            replace(part, store="s3://elsewhere"),
            replace(part, content_key="content-lb0"),
        ):
            with pytest.raises(StateConflict):
                await storage.uploads.add_part(refused, room=ROOM)
        assert await state_of_content(storage, part) is ContentState.WRITING
        written = await storage.uploads.add_part(part, room=ROOM)
        for refused in (part, replace(part, id="part_lb0")):
            with pytest.raises(StateConflict):
                await storage.uploads.add_part(refused, room=ROOM)
        assert await storage.uploads.get(upload.id) == written
        assert await storage.uploads.parts(upload.id) == [part]

    async def test_owners_share_the_room(self, storage: Storage) -> None:
        """What pending uploads hold counts, each from its create on; all of what is to come is asked for."""
        mebibyte = 1 << 20
        room = UploadRoom(bytes=16 * mebibyte)
        with pytest.raises(FileTooLarge):
            await begun(storage, room=room, bytes=11 * mebibyte + 1)
        upload = await begun(storage, room=room, bytes=11 * mebibyte)
        await with_part(storage, upload, room=room, bytes=11 * mebibyte)
        with pytest.raises(UploadsFull):
            await with_part(storage, upload, room=room)
        with pytest.raises(UploadsFull):
            await begun(storage, room=room)
        other = await begun(storage, room=room, owner="team:other", bytes=2 * mebibyte)
        with pytest.raises(UploadsFull):
            await with_part(storage, other, room=room, bytes=2 * mebibyte + 1)
        await with_part(storage, other, room=room, bytes=2 * mebibyte)
        await storage.uploads.end(upload.id, UploadStatus.CANCELLED, upload.created_at)
        await begun(storage, room=room)

    async def test_parts_at_once_do_not_pass_the_room_together(self, storages: Sequence[Storage]) -> None:
        """However many processes they come to."""
        upload = await begun(storages[0])
        room = UploadRoom(bytes=4 * (LEAST_UPLOAD_BYTES + 5 * LEAST_PART_BYTES) // 3)
        outcomes: list[bool] = []

        async def add(storage: Storage) -> None:
            try:
                await with_part(storage, upload, room=room)
            except UploadsFull:
                outcomes.append(False)
            else:
                outcomes.append(True)

        async with anyio.create_task_group() as group:
            for number in range(9):
                group.start_soon(add, storages[number % len(storages)])
        assert (outcomes.count(True), outcomes.count(False)) == (5, 4)
        assert len(await storages[0].uploads.parts(upload.id)) == 5

    @pytest.mark.parametrize("status", [UploadStatus.CANCELLED, UploadStatus.EXPIRED])
    async def test_the_parts_go_when_an_upload_ends(self, storage: Storage, status: UploadStatus) -> None:
        """And their contents are due; it ends once, and holds nothing any more."""
        upload, other = await begun(storage), await begun(storage)
        part, others = await with_part(storage, upload), await with_part(storage, other)
        before = await storage.uploads.get(upload.id)
        assert before is not None
        at = upload.created_at + timedelta(minutes=5)
        ended = await storage.uploads.end(upload.id, status, at)
        assert ended == replace(before, status=status, ended_at=at)
        assert await storage.uploads.get(upload.id) == ended
        assert await storage.uploads.parts(upload.id) == []
        assert await storage.uploads.parts(other.id) == [others]
        (due,) = await storage.contents.claim_due(
            "sweeper", stores=["database"], limit=9, lease_seconds=HOUR, watch_seconds=HOUR
        )
        assert (due.key, due.state, due.watch_until) == (part.content_key, ContentState.DELETING, None)
        again = await storage.uploads.end(upload.id, UploadStatus.CANCELLED, at + timedelta(minutes=5))
        assert again == ended
        with pytest.raises(StateConflict):
            await storage.uploads.end("upload_lb0", status, at)

    async def test_an_upload_is_made_into_one_file(self, storage: Storage) -> None:
        """Which a completion that comes again is given, also once the upload is completed."""
        upload = await begun(storage)
        await with_part(storage, upload)
        with pytest.raises(StateConflict):
            await storage.uploads.end(upload.id, UploadStatus.COMPLETED, upload.created_at)
        file = await made_into(storage, upload)
        named = await storage.uploads.get(upload.id)
        assert named is not None
        assert (named.file_id, named.completion, named.status) == (file.id, "1", UploadStatus.PENDING)
        assert await made_into(storage, upload) == file
        ended = await storage.uploads.end(upload.id, UploadStatus.COMPLETED, upload.created_at)
        assert (ended.status, ended.file_id) == (UploadStatus.COMPLETED, file.id)
        assert await made_into(storage, upload) == file
        assert await storage.uploads.parts(upload.id) == []

    async def test_other_completions_are_refused(self, storage: Storage) -> None:
        """Of an upload that has a file in another way, that has ended, or that is not there."""
        upload, cancelled, expired = [await begun(storage) for _ in range(3)]
        await made_into(storage, upload)
        with pytest.raises(StateConflict):
            await made_into(storage, upload, fingerprint="2")
        await storage.uploads.end(cancelled.id, UploadStatus.CANCELLED, upload.created_at)
        await storage.uploads.end(expired.id, UploadStatus.EXPIRED, upload.created_at)
        refused = a_file()
        for each in (cancelled, expired, an_upload()):
            with pytest.raises(StateConflict):
                await storage.create_file(refused, [], request=completion(each, refused))
        assert await storage.get_file(refused.id) is None

    async def test_a_file_on_its_way_is_waited_for(self, storage: Storage) -> None:
        """By other completions, and by whatever ends the upload; one whose uploader died is made anew."""
        upload = await begun(storage)
        copy = a_copy(a_file(), state=CopyState.INTENT, claimed_by="worker")
        file = await made_into(storage, upload, copy, accepted_at=None)
        with pytest.raises(RequestUnderWay):
            await made_into(storage, upload)
        for status in (UploadStatus.CANCELLED, UploadStatus.EXPIRED, UploadStatus.COMPLETED):
            with pytest.raises(RequestUnderWay):
                await storage.uploads.end(upload.id, status, upload.created_at)
        state = await storage.get_file(file.id)
        assert state is not None
        await storage.claims.renew(list(state.copies), lease_seconds=0)
        second = await made_into(storage, upload, fingerprint="2")
        assert second.id != file.id
        found = await storage.uploads.get(upload.id)
        assert found is not None
        assert (found.file_id, found.completion) == (second.id, "2")

    async def test_an_upload_with_a_file_is_completed_however_it_ends(self, storage: Storage) -> None:
        """Its time may be over before anybody has said so."""
        upload = await begun(storage)
        await made_into(storage, upload)
        ended = await storage.uploads.end(upload.id, UploadStatus.EXPIRED, upload.expires_at)
        assert ended.status is UploadStatus.COMPLETED

    async def test_a_file_that_was_deleted_is_none(self, storage: Storage) -> None:
        """A pending upload may be made into another; a completed one may not."""
        upload, completed = await begun(storage), await begun(storage)
        file, last = await made_into(storage, upload), await made_into(storage, completed)
        await storage.uploads.end(completed.id, UploadStatus.COMPLETED, upload.created_at)
        for each in (file, last):
            gone = replace(each, deleted_at=each.created_at)
            await storage.change_file(each.id, file_writing(file=gone))
        assert (await made_into(storage, upload)).id != file.id
        with pytest.raises(StateConflict):
            await made_into(storage, completed)

    async def test_completions_at_once_make_one_file(self, storages: Sequence[Storage]) -> None:
        """However many processes they come to."""
        upload = await begun(storages[0])
        made: list[str] = []

        async def complete(storage: Storage) -> None:
            made.append((await made_into(storage, upload)).id)

        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(complete, storages[number % len(storages)])
        assert len(made) == 6
        assert len(set(made)) == 1

    async def test_one_of_completing_and_cancelling_comes_first(self, storages: Sequence[Storage]) -> None:
        """Never a file of an upload that was cancelled."""
        for _ in range(5):
            upload = await begun(storages[0])
            files: list[str] = []
            ends: list[UploadStatus] = []

            async def complete(upload: Upload, files: list[str]) -> None:
                with suppress(LiteBatchError):
                    files.append((await made_into(storages[0], upload)).id)

            async def cancel(upload: Upload, ends: list[UploadStatus]) -> None:
                at = upload.created_at
                ended = await storages[-1].uploads.end(upload.id, UploadStatus.CANCELLED, at)
                ends.append(ended.status)

            async with anyio.create_task_group() as group:
                group.start_soon(complete, upload, files)
                group.start_soon(cancel, upload, ends)
            assert ends == [UploadStatus.COMPLETED if files else UploadStatus.CANCELLED]

    async def test_overdue_uploads_are_pending_ones(self, storage: Storage) -> None:
        """The oldest first, and no more than asked for."""
        uploads = [await begun(storage) for _ in range(4)]
        now = uploads[0].created_at
        ends = [now - timedelta(minutes=minutes) for minutes in (1, 3, 2)]
        late = [await begun(storage, expires_at=end) for end in ends]
        ended = await begun(storage, expires_at=now - timedelta(minutes=9))
        await storage.uploads.end(ended.id, UploadStatus.EXPIRED, now)
        in_order = [late[1].id, late[2].id, late[0].id]
        assert await storage.uploads.overdue(now, limit=9) == in_order
        assert await storage.uploads.overdue(now, limit=2) == in_order[:2]
        assert await storage.uploads.overdue(ends[2], limit=9) == in_order[:1]

    async def test_ended_uploads_are_removed(self, storage: Storage) -> None:
        """Those that ended before, at most so many; pending ones stay."""
        pending, *ended = [await begun(storage) for _ in range(4)]
        now = pending.created_at
        for minutes, upload in enumerate(ended):
            at = now + timedelta(minutes=minutes)
            await storage.uploads.end(upload.id, UploadStatus.CANCELLED, at)
        before = now + timedelta(minutes=2)
        assert await storage.uploads.remove_ended(before, limit=1) == 1
        assert await storage.uploads.get(ended[0].id) is None
        assert await storage.uploads.remove_ended(before, limit=9) == 1
        assert await storage.uploads.remove_ended(before, limit=9) == 0
        for upload in (pending, ended[2]):
            assert await storage.uploads.get(upload.id) is not None
