"""Result files of open batches, which grow with each job that is settled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import (
    Batch,
    BatchChange,
    BatchState,
    BatchStatus,
    CopyState,
    File,
    FileKind,
    FilePart,
)
from litebatch_asgi.models.shards import place_of
from litebatch_asgi.storage import FileQuery, Storage
from litebatch_asgi.testing.conformance.base import (
    StorageTests,
    file_state_of,
    state_of,
    stored_batch,
    stored_file,
    writing,
)
from litebatch_asgi.testing.samples import a_batch, a_copy, a_file, a_part

NOW = datetime.now(UTC).replace(microsecond=123_456)
LATER = NOW + timedelta(days=30)


def hidden(batch: Batch, kind: FileKind = FileKind.OUTPUT, **fields: object) -> File:
    """A result file of `batch`, accepted by nobody yet."""
    return a_file(kind=kind, batch_id=batch.id, endpoint=None, accepted_at=None, **fields)


def naming(*files: File, parts: Sequence[FilePart] = ()) -> Callable[[BatchState], BatchChange]:
    """A decision that writes result files with parts, and names them in their batch."""

    def decide(state: BatchState) -> BatchChange:
        ids = {f"{file.kind.value}_file_id": file.id for file in files}
        return BatchChange(batch=replace(state.batch, **ids), files=files, parts=parts)

    return decide


async def with_results(storage: Storage) -> tuple[Batch, File, File]:
    """An open batch that is in the database, with an output and an error file."""
    batch = await stored_batch(storage, status=BatchStatus.IN_PROGRESS)
    output, error = hidden(batch), hidden(batch, FileKind.ERROR)
    await storage.change_batch(batch.id, naming(error, output))
    return (await state_of(storage, batch)).batch, output, error


async def seqs(storage: Storage, file: File) -> list[tuple[int, int]]:
    """Place and number of the parts of a file."""
    return [(part.place, part.seq) async for part in storage.file_parts(file.id)]


class ResultTests(StorageTests):
    """Result files of open batches."""

    async def test_an_open_batch_comes_with_its_results(self, storage: Storage) -> None:
        """Error file first, as the change that writes them has returned it; nobody lists them."""
        batch = await stored_batch(storage)
        assert (await state_of(storage, batch)).results == ()
        output, error = hidden(batch), hidden(batch, FileKind.ERROR)
        after = await storage.change_batch(batch.id, naming(output))
        assert after.results == (output,)
        after = await storage.change_batch(batch.id, naming(error))
        assert after.results == (error, output)
        assert await state_of(storage, batch) == after
        listed = FileQuery(owner=None, now=NOW, purpose=output.purpose, limit=9)
        assert {file.id for file in await storage.list_files(listed)} == {batch.input_file_id}

    async def test_every_change_sees_the_results(self, storage: Storage) -> None:
        """That of one batch, and that of many."""
        batch, output, error = await with_results(storage)
        other = await stored_batch(storage)
        seen: dict[str, BatchState] = {}

        def look(state: BatchState) -> None:
            seen[state.batch.id] = state

        await storage.change_batch(batch.id, look)
        assert seen.pop(batch.id).results == (error, output)
        await storage.change_batches([batch.id, other.id], look)
        assert seen[batch.id] == await state_of(storage, batch)
        assert seen[batch.id].results == (error, output)
        assert seen[other.id].results == ()

    async def test_results_that_are_accepted_are_no_longer_among_them(self, storage: Storage) -> None:
        """Nor are those of a batch that has ended, nor other files of the batch's owner."""
        batch, output, error = await with_results(storage)
        await stored_file(storage, file=hidden(batch))
        accepted = replace(output, accepted_at=NOW, expires_at=LATER)
        after = await storage.change_batch(batch.id, writing(batch=batch, files=(accepted,)))
        assert after.results == (error,)
        assert await state_of(storage, batch) == after
        assert (await file_state_of(storage, output)).file == accepted
        ended = replace(batch, status=BatchStatus.COMPLETED, completed_at=NOW)
        await storage.change_batch(batch.id, writing(batch=ended))
        assert (await state_of(storage, batch)).results == ()

    async def test_results_are_written_anew_as_they_shall_be(self, storage: Storage) -> None:
        """By any change that has a file again: bytes, lines and sums grow. One that is no result cannot."""
        batch, output, error = await with_results(storage)
        grown = replace(output, bytes=2**40, lines=9, id_count=9, id_sum=2**128 - 1)
        after = await storage.change_batch(batch.id, writing(batch=batch, files=(grown,)))
        assert after.results == (error, grown)
        assert (await file_state_of(storage, output)).file == grown
        accepted = await stored_file(storage, file=a_file(kind=FileKind.OUTPUT))
        with pytest.raises(StateConflict):
            await storage.change_batch(batch.id, writing(batch=batch, files=(accepted,)))

    async def test_parts_are_numbered_behind_those_that_are_there(self, storage: Storage) -> None:
        """Each file counts by itself, and a new one from 0, in one change as in many."""
        batch = await stored_batch(storage)
        output, error = hidden(batch), hidden(batch, FileKind.ERROR)
        for files in ((output,), (output, error), (error,), (output, error)):
            parts = [a_part(file, seq=seq, rows=b"x") for file in files for seq in (0, 1)]
            await storage.change_batch(batch.id, naming(*files, parts=parts))
        assert await seqs(storage, output) == [(0, seq) for seq in range(6)]
        assert await seqs(storage, error) == [(0, seq) for seq in range(6)]

    async def test_parts_come_in_order_of_their_places(self, storage: Storage) -> None:
        """By tile, then by attempt at it; within a place as they were written."""
        batch, output, _ = await with_results(storage)
        places = [place_of(1, 1), place_of(0, 9), place_of(2**20, 0), place_of(0, 0), place_of(1, 1)]
        for place in places:
            parts = [a_part(output, seq=seq, place=place) for seq in (0, 1)]
            await storage.change_batch(batch.id, writing(batch=batch, files=(output,), parts=parts))
        expected = [(place, 2 * number + seq) for number, place in enumerate(places) for seq in (0, 1)]
        assert await seqs(storage, output) == sorted(expected)

    @pytest.mark.parametrize("expires_at", [LATER, None])
    async def test_copies_of_a_file_that_is_accepted_are_due_when_it_expires(
        self, storage: Storage, expires_at: datetime | None
    ) -> None:
        """Those of before and those of this change, where nobody looks at them; of no other file."""
        batch, output, error = await with_results(storage)
        nobody = {"state": CopyState.READY, "next_check_at": None}
        copies = [a_copy(file, shard=0, **nobody) for file in (output, error)]
        looked_at = a_copy(output, shard=1, state=CopyState.READY, next_check_at=NOW)
        earlier = writing(batch=batch, files=(output, error), copies=(*copies, looked_at))
        await storage.change_batch(batch.id, earlier)
        assert [copy.next_check_at for copy in (await file_state_of(storage, output)).copies] == [None, NOW]
        accepted = replace(output, accepted_at=NOW, expires_at=expires_at)
        last = a_copy(output, shard=2, **nobody)
        await storage.change_batch(batch.id, writing(batch=batch, files=(accepted,), copies=(last,)))
        due = [copy.next_check_at for copy in (await file_state_of(storage, output)).copies]
        assert due == [expires_at, NOW, expires_at]
        assert (await file_state_of(storage, error)).copies == (copies[1],)

    async def test_a_change_that_fails_leaves_the_results_alone(self, storage: Storage) -> None:
        """Files, copies and parts."""
        batch, output, error = await with_results(storage)
        before = await state_of(storage, batch)
        grown = replace(output, bytes=2**40, accepted_at=NOW)
        failing = writing(
            batch=batch, files=(grown,), parts=(a_part(grown),), copies=(a_copy(grown), a_copy(grown))
        )
        with pytest.raises(StateConflict):
            await storage.change_batch(batch.id, failing)
        assert await state_of(storage, batch) == before
        assert await seqs(storage, output) == []
        assert (await file_state_of(storage, output)).copies == ()
        assert (await file_state_of(storage, error)).file == error

    async def test_a_batch_that_ends_publishes_all_at_once(self, storage: Storage) -> None:
        """What its jobs have left, and what this change adds."""
        batch, output, error = await with_results(storage)
        await storage.change_batch(
            batch.id, writing(batch=batch, files=(output,), parts=(a_part(output, rows=b"a\n"),))
        )
        published = [replace(file, accepted_at=NOW, expires_at=LATER) for file in (output, error)]
        ended = replace(batch, status=BatchStatus.COMPLETED, completed_at=NOW)
        parts = (a_part(output, rows=b"b\n"), a_part(error, rows=b"c\n"))
        after = await storage.change_batch(
            batch.id, writing(batch=ended, files=tuple(published), parts=parts)
        )
        assert after == await state_of(storage, batch)
        assert after.results == ()
        for file, rows in zip(published, ([b"a\n", b"b\n"], [b"c\n"]), strict=True):
            assert (await file_state_of(storage, file)).file == file
            assert [part.rows async for part in storage.file_parts(file.id)] == rows

    async def test_a_new_batch_has_no_results(self, storage: Storage) -> None:
        """Unless it is made with them."""
        file = await stored_file(storage)
        batch = a_batch(file)
        output = hidden(batch)
        change = BatchChange(batch=replace(batch, output_file_id=output.id), files=(output,))
        created = await storage.create_batch(file.id, lambda _: change)
        assert created.results == (output,)
        assert await state_of(storage, batch) == created
