"""Results of live jobs that nobody needs any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.models import (
    BatchStatus,
    File,
    FileKind,
    FilePart,
    Job,
    JobState,
    Lane,
    LineRange,
    PartKind,
    RangeWrite,
)
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import StorageTests, file_writing, state_of, writing
from litebatch_asgi.testing.conformance.line_results import all_rows, written
from litebatch_asgi.testing.conformance.lines import claimed, results, stored_ranges
from litebatch_asgi.testing.conformance.lists import NOW
from litebatch_asgi.testing.samples import a_file, a_line_range, a_part

OVER = sorted(set(JobState) - {JobState.WAITING, JobState.SUBMITTED, JobState.ENDED})
KINDS = (FileKind.OUTPUT, FileKind.ERROR)


def rows_part(file: File, job: Job | LineRange, **fields: object) -> FilePart:
    """The part of a file that is what a live job has come to."""
    job_id = job.id if isinstance(job, Job) else job.job_id
    return a_part(file, kind=PartKind.ROWS, rows=None, bytes=100, job_id=job_id, **fields)


async def with_results(storage: Storage, *, outputs: int = 6, errors: int = 3) -> Job:
    """A live job with results, which is under way."""
    await stored_ranges(storage, count=2)
    first, second = await claimed(storage)
    await written(storage, first, *results(*range(outputs)), *results(outputs, kind=FileKind.ERROR))
    await written(storage, second, *results(*range(11, 10 + errors), kind=FileKind.ERROR))
    state = await storage.get_batch_state(first.batch_id)
    assert state is not None
    return state.jobs[0]


async def change_to(storage: Storage, job: Job, state: JobState) -> None:
    """Write another state of a job."""
    await storage.change_batch(job.batch_id, writing(jobs=(replace(job, state=state),)))


async def settled(storage: Storage, job: Job) -> tuple[File, File]:
    """Settle a live job, with its results in an output and an error file, which are returned."""
    batch = (await state_of(storage, job)).batch
    output, error = (a_file(kind=kind, batch_id=batch.id, created_at=NOW, accepted_at=NOW) for kind in KINDS)
    ended = replace(batch, status=BatchStatus.COMPLETED, completed_at=NOW)
    change = writing(
        batch=replace(ended, output_file_id=output.id, error_file_id=error.id),
        jobs=(replace(job, state=JobState.SETTLED, next_check_at=None),),
        files=(output, error),
        parts=(rows_part(output, job), rows_part(error, job)),
    )
    await storage.change_batch(batch.id, change)
    return output, error


async def counts(storage: Storage, job: Job) -> tuple[int, int]:
    """How many results of each kind there are."""
    outputs, errors = [len(await all_rows(storage, job.id, kind)) for kind in KINDS]
    return outputs, errors


async def swept(storage: Storage) -> int:
    """How many results one sweep removes."""
    return await storage.lines.sweep(limit=1000)


class LineSweepTests(StorageTests):
    """Results of live jobs that nobody needs any more."""

    async def test_a_part_names_its_job(self, storage: Storage) -> None:
        """As it was written."""
        job = await with_results(storage)
        output, error = await settled(storage, job)
        for file in (output, error):
            assert [part async for part in storage.file_parts(file.id)] == [rows_part(file, job)]

    async def test_nothing_is_removed_while_a_job_is_under_way(self, storage: Storage) -> None:
        """Until its results are read."""
        job = await with_results(storage)
        for state in (JobState.WAITING, JobState.SUBMITTED, JobState.ENDED):
            await change_to(storage, job, state)
            assert await swept(storage) == 0
        assert await counts(storage, job) == (6, 3)

    @pytest.mark.parametrize("state", OVER)
    async def test_results_of_a_job_that_is_over_are_removed(self, storage: Storage, state: JobState) -> None:
        """With its ranges, and those of no other job."""
        job, other = await with_results(storage), await with_results(storage)
        await change_to(storage, job, state)
        assert await swept(storage) == 9
        assert await counts(storage, job) == (0, 0)
        assert (await storage.lines.progress(job.id)).lines == 0
        assert await counts(storage, other) == (6, 3)
        assert await swept(storage) == 0
        await storage.change_batch(job.batch_id, writing(line_ranges=(a_line_range(job),)))

    async def test_results_are_removed_in_steps(self, storage: Storage) -> None:
        """Of so many jobs as there are; ranges go with the last results."""
        jobs = [await with_results(storage) for _ in range(2)]
        for job in jobs:
            await change_to(storage, job, JobState.WITHDRAWN)
        assert [await storage.lines.sweep(limit=5) for _ in range(2)] == [5, 5]
        lines = sorted([(await storage.lines.progress(job.id)).lines for job in jobs])
        assert lines == [0, 20]
        assert [await storage.lines.sweep(limit=4) for _ in range(3)] == [4, 4, 0]
        assert [(await storage.lines.progress(job.id)).lines for job in jobs] == [0, 0]

    async def test_ranges_without_results_are_removed(self, storage: Storage) -> None:
        """However many jobs they are of; nobody can claim or write them then."""
        held: list[LineRange] = []
        for _ in range(45):
            await stored_ranges(storage)
            [line_range] = await claimed(storage)
            held.append(line_range)
            state = await storage.get_batch_state(line_range.batch_id)
            assert state is not None
            await change_to(storage, state.jobs[0], JobState.CLOSED)
        assert await swept(storage) == 0
        for line_range in held:
            assert (await storage.lines.progress(line_range.job_id)).lines == 0
            assert await storage.lines.write([RangeWrite(range=line_range, results=results(1))]) == [None]
            assert await storage.lines.results_in(line_range) == frozenset()

    async def test_results_in_a_file_stay_until_it_is_deleted(self, storage: Storage) -> None:
        """Those of its kind: whoever deletes the one file keeps the other."""
        job = await with_results(storage)
        output, error = await settled(storage, job)
        assert await swept(storage) == 0
        hidden = replace(output, deleted_at=NOW)
        await storage.change_file(output.id, file_writing(file=hidden))
        assert await swept(storage) == 6
        assert await counts(storage, job) == (0, 3)
        assert (await storage.lines.progress(job.id)).lines == 20
        await storage.change_file(error.id, file_writing(remove=True))
        assert await swept(storage) == 3
        assert await counts(storage, job) == (0, 0)
        assert (await storage.lines.progress(job.id)).lines == 0

    async def test_results_stay_while_one_of_several_files_names_them(self, storage: Storage) -> None:
        """A hidden file of an open batch as well."""
        job = await with_results(storage)
        batch = (await state_of(storage, job)).batch
        hidden = a_file(kind=FileKind.OUTPUT, batch_id=batch.id, accepted_at=None)
        other = a_file(kind=FileKind.OUTPUT, batch_id=batch.id)
        change = writing(
            batch=replace(batch, output_file_id=hidden.id),
            jobs=(replace(job, state=JobState.SETTLED),),
            files=(hidden, other),
            parts=(rows_part(hidden, job, place=3), rows_part(other, job)),
        )
        await storage.change_batch(batch.id, change)
        assert await swept(storage) == 3
        await storage.change_file(other.id, file_writing(file=replace(other, deleted_at=NOW)))
        assert await swept(storage) == 0
        assert await counts(storage, job) == (6, 0)
        dropped = replace(hidden, deleted_at=NOW)
        await storage.change_batch(batch.id, writing(batch=batch, files=(dropped,)))
        assert await swept(storage) == 6

    async def test_results_of_a_removed_job_are_removed(self, storage: Storage) -> None:
        """Whatever it was."""
        job = await with_results(storage)
        await storage.change_batch(job.batch_id, writing(removed_jobs=(job,)))
        assert await swept(storage) == 9
        assert await counts(storage, job) == (0, 0)

    async def test_results_of_jobs_that_end_in_many_batches_are_removed(self, storage: Storage) -> None:
        """At once, by a change that moves them alone."""
        jobs = [await with_results(storage) for _ in range(2)]
        of = {job.batch_id: replace(job, state=JobState.WATCHED) for job in jobs}
        await storage.change_batches(list(of), lambda state: writing(jobs=(of[state.batch.id],))(state))
        assert await swept(storage) == 18

    async def test_nothing_is_left_of_a_batch_that_is_pruned(self, storage: Storage) -> None:
        """Its files being gone, be they swept before or not."""
        jobs = [await with_results(storage) for _ in range(2)]
        for job in jobs:
            for file in await settled(storage, job):
                await storage.change_file(file.id, file_writing(remove=True))
            state = await state_of(storage, job)
            old = replace(state.batch, completed_at=NOW - timedelta(days=1))
            await storage.change_batch(job.batch_id, writing(batch=old))
            if job is jobs[0]:
                assert await swept(storage) == 9
        later = jobs[-1].created_at + timedelta(seconds=1)
        assert (await storage.pruning.ended_batches(later, after=None, limit=9)).removed == 2
        assert await swept(storage) == 9
        for job in jobs:
            assert await counts(storage, job) == (0, 0)
            assert (await storage.lines.progress(job.id)).lines == 0

    async def test_a_job_of_the_other_lane_is_left_alone(self, storage: Storage) -> None:
        """There is nothing of it."""
        job = await with_results(storage)
        await change_to(storage, replace(job, lane=Lane.LIVE), JobState.ENDED)
        assert await swept(storage) == 0

    async def test_sweeps_at_once_remove_each_result_once(self, storages: Sequence[Storage]) -> None:
        """While jobs end and their holders still write: nothing is left."""
        jobs = [await with_results(storages[0]) for _ in range(6)]
        counted: list[int] = []

        async def sweep(storage: Storage) -> None:
            counted.extend([await storage.lines.sweep(limit=4) for _ in range(8)])

        async with anyio.create_task_group() as tasks:
            for storage in storages:
                tasks.start_soon(sweep, storage)
            for job in jobs:
                tasks.start_soon(change_to, storages[-1], job, JobState.WITHDRAWN)
        while removed := await storages[0].lines.sweep(limit=4):
            counted.append(removed)
        assert sum(counted) == 9 * len(jobs)
        assert max(counted) <= 4
        for job in jobs:
            assert await counts(storages[0], job) == (0, 0)
            assert (await storages[0].lines.progress(job.id)).lines == 0
