"""Several at once, and callers that are cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import NotFound
from litebatch_asgi.models import (
    BatchChange,
    BatchState,
    BatchStatus,
    Counts,
    File,
    FileChange,
    FileKind,
    FilePart,
    FileState,
    Job,
    JobState,
)
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import (
    StorageTests,
    file_state_of,
    state_of,
    stored_batch,
    stored_file,
    stored_job,
    writing,
)
from litebatch_asgi.testing.conformance.claims import ROOM
from litebatch_asgi.testing.samples import a_batch, a_copy, a_file, a_job, a_part, an_event

ROUNDS = 20


async def _at_once(*calls: Callable[[], Awaitable[object]]) -> None:
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(_awaited, call)


async def _awaited(call: Callable[[], Awaitable[object]]) -> None:
    await call()


async def _cancelled_after(steps: int, call: Callable[[], Awaitable[object]]) -> None:
    """Begin a call and cancel it once the event loop has turned that often."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_awaited, call)
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()


async def _created_while_deleted(storages: Sequence[Storage], file: File, *, deletes_first: bool) -> bool:
    """Delete `file` if unused, and create a batch on it unless it is deleted; whether that was refused."""
    was_refused = False

    def delete_unused(state: FileState) -> FileChange | None:
        if state.open_batches:
            return None
        return FileChange(file=replace(state.file, deleted_at=datetime.now(UTC)))

    def admit(state: FileState) -> BatchChange:
        if state.file.deleted_at is not None:
            raise NotFound("No such File object")
        return BatchChange(batch=a_batch(state.file))

    async def delete() -> None:
        await storages[0].change_file(file.id, delete_unused)

    async def create() -> None:
        nonlocal was_refused
        try:
            await storages[-1].create_batch(file.id, admit)
        except NotFound:
            was_refused = True

    await _at_once(*((delete, create) if deletes_first else (create, delete)))
    return was_refused


class RaceTests(StorageTests):
    """Several at once, and callers that are cancelled."""

    async def test_claims_at_once_never_give_out_one_job_twice(self, storages: Sequence[Storage]) -> None:
        """And together they give out all."""
        expected = {(await stored_job(storages[0])).id for _ in range(40)}
        claimed: list[Job] = []

        async def claim(storage: Storage, worker: str) -> None:
            for _ in range(10):
                claimed.extend(await storage.claim_jobs(worker, lease_seconds=60, room={"east": 3}))

        await _at_once(
            *(partial(claim, storage, f"worker-{number}") for storage in storages for number in range(4))
        )
        assert len(claimed) == len(expected)
        assert {job.id for job in claimed} == expected
        assert {job.epoch for job in claimed} == {1}

    async def test_claims_at_once_never_give_out_one_copy_twice(self, storages: Sequence[Storage]) -> None:
        """As with jobs."""
        for _ in range(20):
            await stored_file(storages[0], a_copy(a_file()))
        claimed: list[str] = []

        async def claim(storage: Storage) -> None:
            for _ in range(8):
                copies = await storage.claim_copies("worker", lease_seconds=60, room={"east": 3})
                claimed.extend(copy.file_id for copy in copies)

        await _at_once(*(partial(claim, storage) for storage in (*storages, *storages)))
        assert len(claimed) == len(set(claimed)) == 20

    async def test_changes_of_one_batch_pass_one_after_the_other(self, storages: Sequence[Storage]) -> None:
        """Each sees what the one before wrote: none is lost."""
        batch = await stored_batch(storages[0])

        def count(state: BatchState) -> BatchChange:
            counts = state.batch.counts + Counts(completed=1)
            return BatchChange(
                batch=replace(state.batch, counts=counts),
                new_jobs=(a_job(state.batch, attempt=len(state.jobs) + 1),),
            )

        calls = [partial(storage.change_batch, batch.id, count) for storage in storages]
        await _at_once(*calls * ROUNDS)
        after = await state_of(storages[0], batch)
        total = len(storages) * ROUNDS
        assert after.batch.counts.completed == total
        assert [job.attempt for job in after.jobs] == list(range(1, total + 2))

    async def test_changes_of_one_file_pass_one_after_the_other(self, storages: Sequence[Storage]) -> None:
        """As with batches."""
        file = await stored_file(storages[0])

        def count(state: FileState) -> FileChange:
            return FileChange(file=replace(state.file, lines=state.file.lines + 1))

        calls = [partial(storage.change_file, file.id, count) for storage in storages]
        await _at_once(*calls * ROUNDS)
        after = await file_state_of(storages[0], file)
        assert after.file.lines == file.lines + len(storages) * ROUNDS

    async def test_deleting_a_file_and_creating_a_batch_cannot_pass_each_other(
        self, storages: Sequence[Storage]
    ) -> None:
        """A file that was deleted unused has no batch; one that has a batch was seen to have it."""

        for turn in range(ROUNDS):
            file = await stored_file(storages[0])
            was_refused = await _created_while_deleted(storages, file, deletes_first=turn % 2 == 0)
            after = await file_state_of(storages[0], file)
            assert (after.file.deleted_at is not None) == was_refused
            assert after.open_batches == (0 if was_refused else 1)

    async def test_readers_see_a_change_whole_or_not_at_all(self, storages: Sequence[Storage]) -> None:
        """Batch and jobs are of one moment."""
        batch = await stored_batch(storages[0])
        mixed: list[BatchState] = []

        def next_attempt(state: BatchState) -> BatchChange:
            attempt = len(state.jobs) + 1
            return BatchChange(
                batch=replace(state.batch, counts=Counts(total=attempt)),
                new_jobs=(a_job(state.batch, attempt=attempt),),
            )

        async def write() -> None:
            for _ in range(ROUNDS):
                await storages[0].change_batch(batch.id, next_attempt)

        async def read() -> None:
            for _ in range(ROUNDS * 3):
                state = await state_of(storages[-1], batch)
                if state.batch.counts.total not in (0, len(state.jobs)):
                    mixed.append(state)

        await _at_once(write, read, read)
        assert mixed == []

    @pytest.mark.parametrize("steps", range(0, 60, 3))
    async def test_a_cancelled_change_is_written_whole_or_not_at_all(
        self, storage: Storage, steps: int
    ) -> None:
        """Wherever it is cancelled; afterwards everything goes on as before."""
        batch = await stored_batch(storage)
        before = await state_of(storage, batch)
        event = an_event(batch)

        def decide(state: BatchState) -> BatchChange:
            return BatchChange(
                batch=replace(state.batch, status=BatchStatus.COMPLETED),
                jobs=(replace(state.jobs[0], state=JobState.SETTLED),),
                events=(event,),
            )

        await _cancelled_after(steps, lambda: storage.change_batch(batch.id, decide))
        after = await state_of(storage, batch)
        if after.batch.status is BatchStatus.COMPLETED:
            assert after.jobs[0].state is JobState.SETTLED
            assert await storage.list_events() == [event]
        else:
            assert after == before
            assert await storage.list_events() == []
            await storage.change_batch(batch.id, decide)
            assert await storage.list_events() == [event]

    async def test_a_change_that_is_cancelled_while_it_decides(self, storage: Storage) -> None:
        """The cancellation comes between the reading and the writing."""
        batch = await stored_batch(storage)
        file = await stored_file(storage, a_copy(a_file()))
        event = an_event(batch)
        with anyio.CancelScope() as scope:

            def decide(state: BatchState) -> BatchChange:
                scope.cancel()
                changed = replace(state.batch, status=BatchStatus.COMPLETED)
                return BatchChange(batch=changed, events=(event,))

            await storage.change_batch(batch.id, decide)
        is_written = (await state_of(storage, batch)).batch.status is BatchStatus.COMPLETED
        assert (await storage.list_events() == [event]) is is_written
        assert len(await storage.claim_copies("worker", lease_seconds=60, room={"east": 1})) == 1
        assert (await file_state_of(storage, file)).copies[0].epoch == 1

    async def test_a_change_that_is_cancelled_while_parts_are_taken(self, storage: Storage) -> None:
        """Nothing of a file is there, or all of it; the iterable is no longer read afterwards."""
        file = a_file(kind=FileKind.OUTPUT)
        batch = await stored_batch(storage)
        begun, taken = anyio.Event(), 0
        loop_token = anyio.lowlevel.current_token()

        def parts() -> Iterator[FilePart]:
            nonlocal taken
            for seq in range(200):
                if seq == 40:
                    anyio.from_thread.run_sync(begun.set, token=loop_token)
                taken += 1
                yield a_part(file, seq=seq, rows=b"x" * 65_536)

        change = writing(files=(file,), parts=parts())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(storage.change_batch, batch.id, change)
            await begun.wait()
            tasks.cancel_scope.cancel()
        taken_then = taken
        seqs = [part.seq async for part in storage.file_parts(file.id)]
        is_written = await storage.get_file(file.id) is not None
        assert seqs == (list(range(200)) if is_written else [])
        await storage.change_batch(batch.id, lambda _: None)
        assert taken == taken_then

    @pytest.mark.parametrize("steps", range(0, 40, 4))
    async def test_a_cancelled_claim_holds_all_it_claimed_or_nothing(
        self, storage: Storage, steps: int
    ) -> None:
        """A claim that nobody heard of runs out like any other."""
        for _ in range(3):
            await stored_job(storage)
        await _cancelled_after(steps, lambda: storage.claim_jobs("worker", lease_seconds=60, room=ROOM))
        left = await storage.claim_jobs("another", lease_seconds=60, room=ROOM)
        assert len(left) in (0, 3)
