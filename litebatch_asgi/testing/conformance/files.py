"""Files, their copies and their parts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import (
    BatchError,
    BatchStatus,
    CopyState,
    FileKind,
    FilePart,
    FileState,
    FileStatus,
    PartKind,
    Work,
)
from litebatch_asgi.storage import BatchQuery, FileQuery, Storage
from litebatch_asgi.testing.conformance.base import (
    StorageTests,
    file_state_of,
    stored_batch,
    stored_file,
    writing,
)
from litebatch_asgi.testing.samples import a_batch, a_copy, a_file, a_part

LATER = datetime.now(UTC).replace(microsecond=123_456) + timedelta(days=30)
ODD_TEXTS = ("a\0b", "\u2028 \u0001 \uffff 😀", "\\u0000", "\\\0", "'; --", '"{}:x$1%s')
"""Texts that a database or a format might stumble over."""


class FileTests(StorageTests):
    """Files, their copies and their parts."""

    @pytest.mark.parametrize("text", ODD_TEXTS)
    async def test_texts_may_hold_any_character(self, storage: Storage, text: str) -> None:
        """Plain ones and those inside of nested values; instead of U+0000, U+FFFD may come back."""
        file = await stored_file(
            storage, a_copy(a_file(), error=text), file=a_file(filename=text, models=(text,))
        )
        error = BatchError(code="code", message=text)
        batch = await stored_batch(storage, metadata={text: text}, errors=(error,))
        state = await file_state_of(storage, file)
        kept = await storage.get_batch(batch.id)
        assert kept is not None
        assert kept.metadata is not None
        may_come = (text, text.replace("\0", "\ufffd"))
        assert state.file.filename in may_come
        assert state.copies[0].error in may_come
        for texts in (state.file.models, kept.metadata.keys(), kept.metadata.values()):
            assert [each in may_come for each in texts] == [True]
        assert kept.errors[0].message in may_come

    @pytest.mark.parametrize("text", ODD_TEXTS)
    async def test_nothing_is_found_by_an_odd_text(self, storage: Storage, text: str) -> None:
        """No error either."""
        await stored_file(storage)
        query = FileQuery(owner=text, now=LATER, purpose=text, models=(text,), limit=1)
        assert await storage.list_files(query) == []
        assert await storage.list_batches(BatchQuery(owner=text, models=(text,), limit=1)) == []
        assert await storage.get_file(text) is None
        assert await storage.get_batch(text) is None
        assert (
            await storage.claims.claim_jobs("worker", lease_seconds=1, room={text: 1}, work=Work.PLACE) == []
        )

    async def test_a_file_comes_back_as_it_was_written(self, storage: Storage) -> None:
        """Every field, at the edges of what it may hold."""
        file = a_file(
            kind=FileKind.ERROR,
            filename='naïve "name" \u2028 😀.jsonl',
            bytes=2**40,
            models=("openai/gpt-4o", 'a "b"'),
            lines=50_000,
            id_count=50_000,
            id_sum=2**128 - 1,
            status=FileStatus.PROCESSED,
            accepted_at=LATER,
            expires_at=LATER,
            deleted_at=LATER,
            batch_id="batch_lb",
            next_shard=7,
            traceparent=f"00-{'1' * 32}-{'2' * 16}-01",
        )
        await storage.create_file(file, [])
        assert await storage.get_file(file.id) == FileState(file=file, copies=(), open_batches=0)

    async def test_a_copy_comes_back_as_it_was_written(self, storage: Storage) -> None:
        """Every field."""
        file = a_file()
        copy = a_copy(
            file,
            shard=3,
            provider_file_id="file-abc",
            model="gpt-4o-2024",
            bytes=2**40,
            state=CopyState.PENDING,
            error="not yet",
            attempts=2,
            started_at=LATER,
            ready_at=LATER,
            search_until=LATER,
            watch_until=LATER,
            next_check_at=None,
            claimed_by="worker",
            claimed_until=LATER,
            epoch=7,
        )
        await storage.create_file(file, [copy])
        assert (await file_state_of(storage, file)).copies == (copy,)

    async def test_an_unknown_file_is_none(self, storage: Storage) -> None:
        """No error: the caller says what it means."""
        assert await storage.get_file("file-lb-unknown") is None

    async def test_a_file_that_is_not_visible_is_found(self, storage: Storage) -> None:
        """Not accepted, deleted or expired."""
        for hidden in (
            a_file(accepted_at=None),
            a_file(deleted_at=datetime.now(UTC)),
            a_file(expires_at=datetime.now(UTC) - timedelta(days=1)),
        ):
            await stored_file(storage, file=hidden)
            assert (await file_state_of(storage, hidden)).file == hidden

    async def test_copies_are_in_order_of_shard_and_deployment(self, storage: Storage) -> None:
        """Whatever order they were written in."""
        file = a_file()
        places = [(1, "a"), (0, "west"), (10, "a"), (0, "east"), (2, "a")]
        copies = [a_copy(file, shard=shard, deployment_id=deployment) for shard, deployment in places]
        await storage.create_file(file, copies)
        found = (await file_state_of(storage, file)).copies
        assert [(copy.shard, copy.deployment_id) for copy in found] == sorted(places)

    async def test_a_file_and_its_copies_are_written_together_or_not_at_all(self, storage: Storage) -> None:
        """Two copies with one key cannot be, so that the file is not there either."""
        file = a_file()
        with pytest.raises(StateConflict):
            await storage.create_file(file, [a_copy(file), a_copy(file)])
        assert await storage.get_file(file.id) is None

    async def test_a_file_that_is_there_is_not_written_again(self, storage: Storage) -> None:
        """The second one conflicts and changes nothing."""
        file = await stored_file(storage)
        with pytest.raises(StateConflict):
            await storage.create_file(replace(file, owner="somebody else"), [])
        assert (await file_state_of(storage, file)).file == file

    async def test_batches_that_have_not_ended_are_counted(self, storage: Storage) -> None:
        """Those that read the file, and no others."""
        file = await stored_file(storage)
        for status in BatchStatus:
            await stored_batch(storage, batch=a_batch(file, status=status))
        await stored_batch(storage)
        assert (await file_state_of(storage, file)).open_batches == 4

    async def test_parts_come_in_order_and_as_they_were_written(self, storage: Storage) -> None:
        """Those of the file, inline and provider's, with every field."""
        file, other = a_file(kind=FileKind.OUTPUT), a_file(kind=FileKind.ERROR)
        rows = bytes(range(256)) * 8
        parts = [
            a_part(file, seq=11, rows=rows, bytes=len(rows)),
            a_part(file, seq=0),
            FilePart(
                file_id=file.id,
                seq=2,
                kind=PartKind.PROVIDER,
                bytes=2**40,
                deployment_id="east",
                provider_file_id="file-out",
                provider_bytes=2**41,
                end_line=True,
                digest="00ff",
                place=2**62,
            ),
        ]
        batch = await stored_batch(storage)
        await storage.change_batch(batch.id, writing(files=(file, other), parts=(*parts, a_part(other))))
        found = [part async for part in storage.file_parts(file.id)]
        assert found == sorted(parts, key=lambda part: (part.place, part.seq))
        assert [part async for part in storage.file_parts("file-lb-unknown")] == []

    async def test_what_is_written_while_parts_are_read_is_seen(self, storage: Storage) -> None:
        """A reader of parts holds up no other reader."""
        file = a_file(kind=FileKind.OUTPUT)
        batch = await stored_batch(storage)
        parts = [a_part(file, seq=seq) for seq in range(3)]
        await storage.change_batch(batch.id, writing(files=(file,), parts=parts))
        async for _ in storage.file_parts(file.id):
            new = await stored_file(storage)
            assert (await file_state_of(storage, new)).file == new
