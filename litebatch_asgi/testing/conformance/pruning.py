"""Rows that nobody needs any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import (
    Batch,
    BatchChange,
    BatchStatus,
    CopyState,
    FailedAttempt,
    File,
    FileKind,
    JobState,
    ProviderBatch,
    RegisteredSink,
)
from litebatch_asgi.pruning import Place
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import (
    StorageTests,
    file_state_of,
    file_writing,
    state_of,
    stored_batch,
    stored_file,
    writing,
)
from litebatch_asgi.testing.conformance.ledger import all_sums
from litebatch_asgi.testing.conformance.lists import NOW
from litebatch_asgi.testing.samples import (
    a_batch,
    a_charge,
    a_copy,
    a_file,
    a_job,
    a_part,
    a_request,
    an_event,
)

SECOND = timedelta(seconds=1)
ENDS = {
    BatchStatus.COMPLETED: "completed_at",
    BatchStatus.FAILED: "failed_at",
    BatchStatus.EXPIRED: "expired_at",
    BatchStatus.CANCELLED: "cancelled_at",
}


async def ended_batch(
    storage: Storage,
    ended_at: datetime = NOW - SECOND,
    status: BatchStatus = BatchStatus.COMPLETED,
    **job: Any,
) -> Batch:
    """A batch that was created at `NOW` less a minute, with a settled job, a charge and an event."""
    created = NOW - timedelta(minutes=1)
    fields: dict[str, Any] = {"status": status, ENDS[status]: ended_at, "created_at": created}
    batch = a_batch(a_file(), **fields)
    snapshot = ProviderBatch(id="batch_abc", status=BatchStatus.COMPLETED)
    settled = a_job(batch, **({"state": JobState.SETTLED, "snapshot": snapshot, "next_check_at": None} | job))
    await stored_batch(storage, settled, batch=batch)
    charge = a_charge(settled, batch, cost=Decimal(3), scopes=("team:a",))
    written = writing(charges=(charge,), events=(an_event(batch),))
    await storage.change_batch(batch.id, written)
    return batch


async def prune(storage: Storage, before: datetime = NOW) -> int:
    """Remove the ended batches that may go; how many."""
    return (await storage.pruning.ended_batches(before, after=None, limit=100)).removed


class PruningTests(StorageTests):
    """Rows that nobody needs any more."""

    @pytest.mark.parametrize("status", ENDS)
    async def test_a_batch_that_ended_before_is_gone(self, storage: Storage, status: BatchStatus) -> None:
        """With its jobs and events; another one may have their names."""
        batch = await ended_batch(storage, status=status)
        before = await state_of(storage, batch)
        assert await prune(storage) == 1
        assert await storage.get_batch(batch.id) is None
        assert await storage.list_events() == []
        assert await prune(storage) == 0
        await storage.create_batch(
            batch.input_file_id, lambda _: BatchChange(batch=batch, new_jobs=before.jobs)
        )

    async def test_charges_stay(self, storage: Storage) -> None:
        """So that nothing is charged twice, whatever comes back; and so do the sums."""
        batch = await ended_batch(storage)
        [job] = (await state_of(storage, batch)).jobs
        before = await all_sums(storage, "team:a")
        assert before[1] == {"team:a": 3}
        assert await prune(storage) == 1
        assert await all_sums(storage, "team:a") == before
        other = await stored_batch(storage)
        with pytest.raises(StateConflict):
            await storage.change_batch(other.id, writing(charges=(a_charge(job, batch),)))

    async def test_what_ended_later_or_not_at_all_stays(self, storage: Storage) -> None:
        """However old it is."""
        later = await ended_batch(storage, ended_at=NOW)
        statuses = [status for status in BatchStatus if not status.is_final]
        for status in statuses:
            await stored_batch(storage, batch=replace(later, id=a_batch(a_file()).id, status=status))
        assert await prune(storage) == 0
        assert len((await state_of(storage, later)).jobs) == 1
        assert len(await storage.list_events()) == 1

    async def test_a_batch_of_which_a_job_is_looked_at_again_stays(self, storage: Storage) -> None:
        """Such as one that may still show up at its provider."""
        batch = await ended_batch(storage, state=JobState.WATCHED, next_check_at=NOW + timedelta(days=1))
        before = await state_of(storage, batch)
        assert await prune(storage) == 0
        assert await state_of(storage, batch) == before

    async def test_a_batch_with_results_stays_as_long_as_they(self, storage: Storage) -> None:
        """But for what the provider said of its settled jobs."""
        batch = await ended_batch(storage)
        result = a_file(kind=FileKind.OUTPUT, batch_id=batch.id)
        await storage.change_batch(batch.id, writing(files=(result,), parts=(a_part(result),)))
        before = await state_of(storage, batch)
        assert await prune(storage) == 0
        after = await state_of(storage, batch)
        assert after == replace(before, jobs=(replace(before.jobs[0], snapshot=None),))
        hidden = replace(result, deleted_at=NOW)
        await storage.change_file(result.id, file_writing(file=hidden))
        assert await prune(storage) == 1

    async def test_what_is_still_to_be_delivered_stays(self, storage: Storage) -> None:
        """Of a batch and a deleted file; what is delivered or dead keeps neither."""
        sink = RegisteredSink(name="log", is_ordered=False)
        await storage.outbox.register([sink])
        batch = await ended_batch(storage)
        file = await _deleted(storage, NOW - SECOND)
        told = an_event(a_batch(file), subject=file.id, type="file.copied", batch_id=None)
        await storage.change_file(file.id, file_writing(events=(told,)))
        items = await storage.outbox.claim("worker", sink, limit=9, lease_seconds=60)
        assert {item.event.subject for item in items} == {batch.id, file.id}
        assert await prune(storage) == 0
        assert (await storage.pruning.deleted_files(NOW, after=None, limit=10)).removed == 0
        assert await storage.outbox.delivered(items[:1]) == 1
        dead = FailedAttempt(delivery=items[1].delivery, error="no", retry_seconds=None)
        assert await storage.outbox.failed(sink, [dead]) == 1
        assert await prune(storage) == 1
        assert (await storage.pruning.deleted_files(NOW, after=None, limit=10)).removed == 1

    async def test_steps_go_on_behind_what_stays(self, storage: Storage) -> None:
        """Each looks at so many batches, the oldest first, and says where the next begins."""
        kept = [BatchStatus.IN_PROGRESS, BatchStatus.COMPLETED] * 3
        batches = [
            a_batch(
                a_file(),
                created_at=NOW - timedelta(minutes=9 - number),
                status=status,
                completed_at=NOW - SECOND,
            )
            for number, status in enumerate(kept)
        ]
        for batch in batches:
            await stored_batch(storage, a_job(batch, next_check_at=None), batch=batch)
        place: Place | None = None
        removed: list[int] = []
        for _ in range(3):
            step = await storage.pruning.ended_batches(NOW, after=place, limit=2)
            removed.append(step.removed)
            place = step.after
            assert place is None or place.id in {batch.id for batch in batches}
        assert removed == [1, 1, 1]
        if place is not None:
            step = await storage.pruning.ended_batches(NOW, after=place, limit=2)
            assert (step.removed, step.after) == (0, None)
        left = [await storage.get_batch(batch.id) for batch in batches]
        assert [batch is not None for batch in left] == [True, False] * 3

    async def test_several_at_once_remove_each_batch_once(self, storages: Sequence[Storage]) -> None:
        """Together all of them."""
        for _ in range(12):
            await ended_batch(storages[0])
        removed = 0

        async def work(storage: Storage) -> None:
            nonlocal removed
            place: Place | None = None
            while True:
                step = await storage.pruning.ended_batches(NOW, after=place, limit=3)
                removed += step.removed
                place = step.after
                if place is None:
                    return

        async with anyio.create_task_group() as tasks:
            for storage in storages:
                tasks.start_soon(work, storage)
        removed += await prune(storages[0])
        assert removed == 12

    async def test_a_deleted_file_that_nobody_needs_is_gone(self, storage: Storage) -> None:
        """With copies and parts; one that was deleted later stays, as do those that are not deleted."""
        gone = await _deleted(storage, NOW - SECOND, a_copy(a_file(), next_check_at=None))
        kept = [await _deleted(storage, NOW), await stored_file(storage)]
        step = await storage.pruning.deleted_files(NOW, after=None, limit=10)
        assert (step.removed, step.after) == (1, None)
        assert await storage.get_file(gone.id) is None
        for file in kept:
            await file_state_of(storage, file)
        await storage.create_file(gone, [a_copy(gone)])

    async def test_a_deleted_file_that_somebody_needs_stays(self, storage: Storage) -> None:
        """An open batch, or whoever has to look at a copy again; an ended batch does not."""
        due = a_copy(a_file(), state=CopyState.DELETING, next_check_at=NOW + timedelta(days=1))
        kept = [await _deleted(storage, NOW - 3 * SECOND, due), await _deleted(storage, NOW - 2 * SECOND)]
        await stored_batch(storage, batch=a_batch(kept[1]))
        gone = await _deleted(storage, NOW - SECOND)
        await stored_batch(storage, batch=a_batch(gone, status=BatchStatus.FAILED))
        place: Place | None = None
        removed = 0
        while True:
            step = await storage.pruning.deleted_files(NOW, after=place, limit=1)
            removed += step.removed
            place = step.after
            if place is None:
                break
        assert removed == 1
        assert await storage.get_file(gone.id) is None
        for file in kept:
            await file_state_of(storage, file)

    async def test_old_keys_are_free_again(self, storage: Storage) -> None:
        """At most so many at a time."""
        for number in range(3):
            file = a_file()
            at = NOW - (2 - number) * SECOND
            await storage.create_file(file, [], request=a_request(file, key=f"key {number}", at=at))
        assert await storage.pruning.idempotency_keys(NOW, limit=1) == 1
        assert await storage.pruning.idempotency_keys(NOW, limit=9) == 1
        assert await storage.pruning.idempotency_keys(NOW, limit=9) == 0
        again = a_file()
        request = a_request(again, key="key 0", at=NOW)
        assert (await storage.create_file(again, [], request=request)).file.id == again.id


async def _deleted(storage: Storage, deleted_at: datetime, *copies: Any) -> File:
    file = a_file(deleted_at=deleted_at)
    return await stored_file(storage, *copies, file=file)
