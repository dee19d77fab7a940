"""Changing a file."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import NotFound, StateConflict
from litebatch_asgi.models import CopyState, FileChange, FileKind, FileState, FileStatus
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import (
    StorageTests,
    file_state_of,
    file_writing,
    stored_batch,
    stored_file,
    writing,
)
from litebatch_asgi.testing.samples import a_batch, a_copy, a_file, a_part


class FileChangeTests(StorageTests):
    """Changing a file."""

    async def test_a_change_sees_the_state_and_returns_what_it_wrote(self, storage: Storage) -> None:
        """File, copies and open batches as they are; what is returned is what is there afterwards."""
        copy = a_copy(a_file())
        file = await stored_file(storage, copy, a_copy(a_file(), deployment_id="west"))
        await stored_batch(storage, batch=a_batch(file))
        before = await file_state_of(storage, file)
        seen: list[FileState] = []

        def decide(state: FileState) -> FileChange:
            seen.append(state)
            ready = replace(state.copies[1], state=CopyState.READY, provider_file_id="file-1")
            return FileChange(file=replace(state.file, status=FileStatus.PROCESSED), copies=(ready,))

        after = await storage.change_file(file.id, decide)
        assert seen == [before]
        assert before.open_batches == after.open_batches == 1
        assert after.file.status is FileStatus.PROCESSED
        assert [each.state for each in after.copies] == [CopyState.INTENT, CopyState.READY]
        assert await storage.get_file(file.id) == after

    async def test_deciding_nothing_writes_nothing(self, storage: Storage) -> None:
        """The state is returned as it is."""
        file = await stored_file(storage, a_copy(a_file()))
        before = await file_state_of(storage, file)
        assert await storage.change_file(file.id, lambda _: None) == before
        assert await storage.get_file(file.id) == before

    async def test_what_a_decision_raises_passes_through(self, storage: Storage) -> None:
        """Nothing is written, and the file can be changed afterwards."""
        file = await stored_file(storage)

        def refuse(state: FileState) -> FileChange | None:
            raise NotFound("No such File object")

        with pytest.raises(NotFound):
            await storage.change_file(file.id, refuse)
        changed = replace(file, filename="after.jsonl")
        assert (await storage.change_file(file.id, file_writing(file=changed))).file == changed

    async def test_changing_a_file_that_is_not_there_conflicts(self, storage: Storage) -> None:
        """The decision is not asked."""
        with pytest.raises(StateConflict):
            await storage.change_file("file-lb-unknown", lambda _: pytest.fail("was called"))

    @pytest.mark.parametrize("epoch", [0, 2])
    async def test_a_copy_with_another_epoch_is_not_written(self, storage: Storage, epoch: int) -> None:
        """And nothing else of the change is."""
        copy = a_copy(a_file(), epoch=1)
        file = await stored_file(storage, copy)
        before = await file_state_of(storage, file)
        late = replace(before.copies[0], epoch=epoch, state=CopyState.READY)
        change = file_writing(file=replace(file, filename="late.jsonl"), copies=(late,))
        with pytest.raises(StateConflict):
            await storage.change_file(file.id, change)
        assert await storage.get_file(file.id) == before

    async def test_a_new_copy_is_inserted_if_it_was_never_claimed(self, storage: Storage) -> None:
        """One with an epoch was there and is gone: it conflicts."""
        file = await stored_file(storage, a_copy(a_file(), deployment_id="west"))
        new = a_copy(file)
        after = await storage.change_file(file.id, file_writing(copies=(new,)))
        assert [copy.deployment_id for copy in after.copies] == ["east", "west"]
        assert await storage.get_file(file.id) == after
        with pytest.raises(StateConflict):
            await storage.change_file(
                file.id, file_writing(copies=(a_copy(file, deployment_id="north", epoch=1),))
            )

    async def test_fencing_out_leaves_claims_without_effect(self, storage: Storage) -> None:
        """Whoever held the copy can write no more; whoever fenced it out can."""
        file = await stored_file(storage, a_copy(a_file()))
        [held] = await storage.claims.claim_copies("worker", lease_seconds=60, room={"east": 1})
        deleting = replace(held, state=CopyState.DELETING)
        after = await storage.change_file(file.id, file_writing(copies=(deleting,), fence_out=True))
        assert after.copies == (replace(deleting, epoch=held.epoch + 1),)
        assert await storage.get_file(file.id) == after
        with pytest.raises(StateConflict):
            await storage.change_file(file.id, file_writing(copies=(replace(held, state=CopyState.READY),)))
        await storage.change_file(file.id, file_writing(copies=after.copies))

    async def test_a_removed_file_is_gone_with_all_that_hangs_on_it(self, storage: Storage) -> None:
        """Copies and parts as well; the batches that named it stay, and other files do."""
        file, other = a_file(kind=FileKind.OUTPUT), await stored_file(storage, a_copy(a_file()))
        batch = await stored_batch(storage)
        await storage.change_batch(
            batch.id, writing(files=(file,), copies=(a_copy(file),), parts=(a_part(file),))
        )
        removed = await storage.change_file(file.id, file_writing(remove=True))
        assert removed == FileState(file=file, copies=(), open_batches=0)
        await storage.change_file(batch.input_file_id, file_writing(remove=True))
        assert await storage.get_file(file.id) is None
        assert [part async for part in storage.file_parts(file.id)] == []
        assert await storage.get_batch(batch.id) == batch
        assert len((await file_state_of(storage, other)).copies) == 1
        claimed = await storage.claims.claim_copies("worker", lease_seconds=60, room={"east": 9})
        assert [copy.file_id for copy in claimed] == [other.id]
        await storage.create_file(file, [a_copy(file)])
