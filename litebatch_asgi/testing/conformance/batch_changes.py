"""Changing a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import Conflict, StateConflict
from litebatch_asgi.models import Batch, BatchChange, BatchState, BatchStatus, FileKind, FilePart, JobState
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import (
    StorageTests,
    state_of,
    stored_batch,
    stored_job,
    writing,
)
from litebatch_asgi.testing.samples import (
    a_batch,
    a_charge,
    a_copy,
    a_file,
    a_job,
    a_part,
    an_event,
)


def _another_job(batch: Batch) -> BatchChange:
    return BatchChange(batch=batch, new_jobs=(a_job(batch, id="taken", attempt=7),))


def _another_attempt(batch: Batch) -> BatchChange:
    return BatchChange(batch=batch, new_jobs=(a_job(batch, attempt=2),))


def _another_file(batch: Batch) -> BatchChange:
    return BatchChange(batch=batch, files=(a_file(id="taken"),))


def _another_copy(batch: Batch) -> BatchChange:
    return BatchChange(batch=batch, copies=(a_copy(a_file(id="taken")),))


def _another_part(batch: Batch) -> BatchChange:
    return BatchChange(batch=batch, parts=(a_part(a_file(id="taken")),))


def _another_charge(batch: Batch) -> BatchChange:
    return BatchChange(batch=batch, charges=(a_charge(a_job(batch, id="taken"), batch),))


def _another_correction(batch: Batch) -> BatchChange:
    corrections = (a_charge(a_job(batch, id="other"), batch, corrects="wrong") for _ in range(2))
    return BatchChange(batch=batch, charges=tuple(corrections))


def _another_event(batch: Batch) -> BatchChange:
    return BatchChange(batch=batch, events=(an_event(batch, id="taken"),))


REPEATS = (
    _another_job,
    _another_attempt,
    _another_file,
    _another_copy,
    _another_part,
    _another_charge,
    _another_correction,
    _another_event,
)


def _settlement(state: BatchState) -> BatchChange:
    """All that a change can hold, beside the one job of the batch."""
    batch = replace(state.batch, status=BatchStatus.COMPLETED)
    file = a_file(id="taken", kind=FileKind.OUTPUT)
    job = a_job(batch, id="taken", attempt=2)
    return BatchChange(
        batch=batch,
        jobs=(replace(state.jobs[0], state=JobState.SETTLED, next_check_at=None),),
        new_jobs=(job,),
        files=(file,),
        copies=(a_copy(file),),
        parts=(a_part(file),),
        charges=(a_charge(job, batch),),
        events=(an_event(batch, id="taken"),),
    )


def _going(state: BatchState) -> BatchChange:
    """A running batch goes on: its row, its job and an event."""
    batch = replace(state.batch, status=BatchStatus.IN_PROGRESS, in_progress_at=state.batch.created_at)
    jobs = tuple(replace(job, state=JobState.SUBMITTED, checks=job.checks + 1) for job in state.jobs)
    return BatchChange(batch=batch, jobs=jobs, events=(an_event(batch, id=f"event-{batch.id}"),))


class BatchChangeTests(StorageTests):
    """Changing a batch."""

    async def test_many_are_changed_together(self, storage: Storage) -> None:
        """Each by what is decided for it; what is not there is passed over."""
        going = [await stored_batch(storage) for _ in range(3)]
        ending = await stored_batch(storage)
        quiet = await stored_batch(storage)
        states = {batch.id: await state_of(storage, batch) for batch in (*going, ending, quiet)}
        seen: dict[str, BatchState] = {}

        def decide(state: BatchState) -> BatchChange | None:
            seen[state.batch.id] = state
            if state.batch.id == quiet.id:
                return None
            return _settlement(state) if state.batch.id == ending.id else _going(state)

        await storage.change_batches([*states, "batch_lb-unknown"], decide)
        assert seen == states
        for batch in going:
            change, after = _going(states[batch.id]), await state_of(storage, batch)
            assert after == BatchState(batch=change.batch, jobs=change.jobs)
        assert (await state_of(storage, ending)).batch == _settlement(states[ending.id]).batch
        assert await state_of(storage, quiet) == states[quiet.id]
        assert {event.batch_id for event in await storage.list_events()} >= {batch.id for batch in going}

    async def test_one_of_many_that_is_not_held_changes_none(self, storage: Storage) -> None:
        """As the change of one would."""
        batches = [await stored_batch(storage) for _ in range(3)]
        before = [await state_of(storage, batch) for batch in batches]

        def decide(state: BatchState) -> BatchChange:
            change = _going(state)
            if state.batch.id != batches[1].id:
                return change
            return replace(change, jobs=tuple(replace(job, epoch=job.epoch + 1) for job in change.jobs))

        with pytest.raises(StateConflict):
            await storage.change_batches([batch.id for batch in batches], decide)
        assert [await state_of(storage, batch) for batch in batches] == before

    async def test_a_change_sees_the_batch_and_returns_what_it_wrote(self, storage: Storage) -> None:
        """Everything that a change can hold is there afterwards."""
        batch = await stored_batch(storage)
        before = await state_of(storage, batch)
        seen: list[BatchState] = []

        def decide(state: BatchState) -> BatchChange:
            seen.append(state)
            return _settlement(state)

        after = await storage.change_batch(batch.id, decide)
        assert seen == [before]
        assert after.batch.status is BatchStatus.COMPLETED
        assert [job.state for job in after.jobs] == [JobState.SETTLED, JobState.WAITING]
        assert await storage.get_batch_state(batch.id) == after
        written = await storage.get_file("taken")
        assert written is not None
        assert len(written.copies) == 1
        assert [part.seq async for part in storage.file_parts("taken")] == [0]
        assert [event.id for event in await storage.list_events()] == ["taken"]

    async def test_deciding_nothing_writes_nothing(self, storage: Storage) -> None:
        """The state is returned as it is."""
        batch = await stored_batch(storage)
        before = await state_of(storage, batch)
        assert await storage.change_batch(batch.id, lambda _: None) == before
        assert await state_of(storage, batch) == before

    async def test_what_a_decision_raises_passes_through(self, storage: Storage) -> None:
        """Nothing is written, and the batch can be changed afterwards."""
        batch = await stored_batch(storage)

        def refuse(state: BatchState) -> BatchChange | None:
            raise Conflict("Cannot cancel a batch with status 'completed'.")

        with pytest.raises(Conflict):
            await storage.change_batch(batch.id, refuse)
        changed = replace(batch, status=BatchStatus.IN_PROGRESS)
        assert (await storage.change_batch(batch.id, writing(batch=changed))).batch == changed

    async def test_changing_a_batch_that_is_not_there_conflicts(self, storage: Storage) -> None:
        """The decision is not asked."""
        with pytest.raises(StateConflict):
            await storage.change_batch("batch_lb-unknown", lambda _: pytest.fail("was called"))

    @pytest.mark.parametrize("epoch", [0, 2])
    async def test_a_job_with_another_epoch_is_not_written(self, storage: Storage, epoch: int) -> None:
        """And nothing else of the change is."""
        batch = a_batch(a_file())
        await stored_batch(storage, a_job(batch, epoch=1), batch=batch)
        before = await state_of(storage, batch)

        def decide(state: BatchState) -> BatchChange:
            settlement = _settlement(state)
            return replace(settlement, jobs=(replace(settlement.jobs[0], epoch=epoch),))

        with pytest.raises(StateConflict):
            await storage.change_batch(batch.id, decide)
        assert await state_of(storage, batch) == before
        assert await storage.get_file("taken") is None
        assert await storage.list_events() == []

    async def test_removed_jobs_are_gone(self, storage: Storage) -> None:
        """Charged ones as well; another may take the place of one in the same change."""
        batch = a_batch(a_file())
        jobs = [a_job(batch, attempt=attempt, epoch=attempt) for attempt in (1, 2, 3)]
        await stored_batch(storage, *jobs, batch=batch)
        charge = a_charge(jobs[0], batch)
        await storage.change_batch(batch.id, writing(charges=(charge,)))
        again = a_job(batch, attempt=2)
        change = writing(removed_jobs=tuple(jobs[:2]), new_jobs=(again,))
        after = await storage.change_batch(batch.id, change)
        assert after.jobs == (again, jobs[2])
        assert await state_of(storage, batch) == after
        with pytest.raises(StateConflict):  # the charge is still there
            await storage.change_batch(batch.id, writing(charges=(a_charge(jobs[0], batch),)))

    @pytest.mark.parametrize("what", ["epoch", "id", "batch"])
    async def test_a_job_that_is_not_there_is_not_removed(self, storage: Storage, what: str) -> None:
        """Nor one that was claimed since, nor another batch's; and nothing else is written."""
        batch = a_batch(a_file())
        job = a_job(batch, epoch=2)
        await stored_batch(storage, job, batch=batch)
        other = await stored_job(storage)
        wrong = {"epoch": replace(job, epoch=1), "id": a_job(batch), "batch": other}[what]
        changed = replace(batch, status=BatchStatus.COMPLETED)
        with pytest.raises(StateConflict):
            await storage.change_batch(batch.id, writing(batch=changed, removed_jobs=(wrong,)))
        assert (await state_of(storage, batch)).jobs == (job,)
        assert (await state_of(storage, other)).jobs == (other,)
        assert await storage.get_batch(batch.id) == batch

    async def test_a_job_is_charged_once_for_each_model_and_corrected_once(self, storage: Storage) -> None:
        """A correction stands beside what it corrects, and can be corrected itself."""
        batch = await stored_batch(storage)
        job = (await state_of(storage, batch)).jobs[0]
        first = a_charge(job, batch)
        second = a_charge(job, batch, model="another", corrects=None)
        third = a_charge(job, batch, corrects=first.id)
        fourth = a_charge(job, batch, corrects=third.id)
        await storage.change_batch(batch.id, writing(charges=(first, second, third, fourth)))
        for charge in (a_charge(job, batch), a_charge(job, batch, corrects=first.id)):
            with pytest.raises(StateConflict):
                await storage.change_batch(batch.id, writing(charges=(charge,)))

    async def test_a_job_that_is_not_there_is_not_written(self, storage: Storage) -> None:
        """Only `new_jobs` are inserted."""
        batch = await stored_batch(storage)
        with pytest.raises(StateConflict):
            await storage.change_batch(batch.id, writing(jobs=(a_job(batch, shard=1),)))

    @pytest.mark.parametrize("repeat", REPEATS)
    async def test_what_is_there_already_is_not_written_again(
        self, storage: Storage, repeat: Callable[[Batch], BatchChange]
    ) -> None:
        """Every new row has a key; a job also its attempt at a shard, and one charge a model ever."""
        batch = await stored_batch(storage)
        after = await storage.change_batch(batch.id, _settlement)
        failing = repeat(replace(after.batch, status=BatchStatus.FAILED))
        with pytest.raises(StateConflict):
            await storage.change_batch(batch.id, lambda _: failing)
        assert await state_of(storage, batch) == after

    async def test_many_parts_are_taken_one_after_the_other(self, storage: Storage) -> None:
        """They are read once, and need not be in memory together."""
        file = a_file(kind=FileKind.ERROR)
        batch = await stored_batch(storage)
        rows = b"x" * 65_536

        def parts() -> Iterator[FilePart]:
            for seq in range(100):
                yield a_part(file, seq=seq, rows=rows, bytes=len(rows))

        await storage.change_batch(batch.id, writing(files=(file,), parts=parts()))
        seqs = [part.seq async for part in storage.file_parts(file.id) if part.rows == rows]
        assert seqs == list(range(100))

    async def test_parts_that_break_off_leave_nothing(self, storage: Storage) -> None:
        """What they raise passes through."""
        file = a_file(kind=FileKind.ERROR)
        batch = await stored_batch(storage)
        before = await state_of(storage, batch)

        def parts() -> Iterator[FilePart]:
            for seq in range(50):
                yield a_part(file, seq=seq, rows=b"x" * 65_536)
            raise OSError("the disk is gone")

        changed = replace(batch, status=BatchStatus.COMPLETED)
        with pytest.raises(OSError, match="the disk is gone"):
            await storage.change_batch(batch.id, writing(batch=changed, files=(file,), parts=parts()))
        assert await state_of(storage, batch) == before
        assert await storage.get_file(file.id) is None
        assert [part async for part in storage.file_parts(file.id)] == []
