"""Several at once."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

import anyio
import anyio.from_thread
import anyio.lowlevel
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
    Work,
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
from litebatch_asgi.testing.conformance.claims import PATIENCE_SECONDS
from litebatch_asgi.testing.samples import a_batch, a_copy, a_file, a_job, a_part

ROUNDS = 20


async def _at_once(*calls: Callable[[], Awaitable[object]]) -> None:
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(_awaited, call)


async def _awaited(call: Callable[[], Awaitable[object]]) -> None:
    await call()


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
    """Several at once."""

    async def test_claims_at_once_never_give_out_one_job_twice(self, storages: Sequence[Storage]) -> None:
        """And together they give out all."""
        expected = {(await stored_job(storages[0])).id for _ in range(40)}
        claimed: list[Job] = []

        async def claim(storage: Storage, worker: str) -> None:
            for _ in range(10):
                claimed.extend(
                    await storage.claims.claim_jobs(
                        worker, lease_seconds=60, room={"east": 3}, work=Work.PLACE
                    )
                )

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
                copies = await storage.claims.claim_copies("worker", lease_seconds=60, room={"east": 3})
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

    async def test_a_change_waits_for_one_that_is_still_being_written(
        self, storages: Sequence[Storage]
    ) -> None:
        """However long its parts take; then it sees what was written."""
        file = a_file(kind=FileKind.OUTPUT)
        batch = await stored_batch(storages[0])
        is_waiting = threading.Event()
        seen: list[BatchStatus] = []

        def parts() -> Iterator[FilePart]:
            anyio.from_thread.run_sync(tasks.start_soon, second, token=token)
            is_waiting.wait(PATIENCE_SECONDS)
            yield a_part(file)

        async def second() -> None:
            tasks.start_soon(storages[-1].change_batch, batch.id, look)
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
            is_waiting.set()

        def look(state: BatchState) -> None:
            seen.append(state.batch.status)

        token = anyio.lowlevel.current_token()
        changed = replace(batch, status=BatchStatus.COMPLETED)
        async with anyio.create_task_group() as tasks:
            await storages[0].change_batch(batch.id, writing(batch=changed, files=(file,), parts=parts()))
        assert seen == [BatchStatus.COMPLETED]

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
