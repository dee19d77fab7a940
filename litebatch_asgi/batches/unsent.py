"""Jobs that were never sent: ended by a cancellation or by their deadline, with an error file of our own."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from litebatch_asgi.batches.results import InlineRows, ResultFiles
from litebatch_asgi.batches.work import JobWork
from litebatch_asgi.errors import RequestError, StateConflict
from litebatch_asgi.files.content import ContentReader
from litebatch_asgi.jsonl import MissingRows
from litebatch_asgi.models import BatchState, Counts, FileState, Job, JobState
from litebatch_asgi.runtime import Runtime

CANCELLED = ("batch_cancelled", "This request was not executed because the batch was cancelled.")
EXPIRED = (
    "batch_expired",
    "This request could not be executed before the completion window expired.",
)


class UnsentJobs(JobWork):
    """Ends waiting jobs of batches that were cancelled or whose time is over."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._reader = ContentReader(runtime)

    async def is_due(self, job: Job) -> bool:
        """Whether a waiting job has nothing to wait for any more."""
        batch = await self.runtime.storage.get_batch(job.batch_id)
        if batch is None:
            raise StateConflict(f"{job.batch_id} is gone")
        return batch.cancel_requested_at is not None or self.runtime.now() >= batch.expires_at

    async def withdraw(self, job: Job) -> None:
        """Write the error file with every line, and end job and batch in the same transaction."""
        batch = await self.runtime.storage.get_batch(job.batch_id)
        assert batch is not None
        file = await self.runtime.storage.get_file(batch.input_file_id)
        if file is None:
            raise StateConflict(f"{batch.input_file_id} is gone")
        code, message = CANCELLED if batch.cancel_requested_at is not None else EXPIRED
        async with InlineRows(self.runtime) as rows:
            try:
                await self._write_rows(file, rows, MissingRows(code=code, message=message, seed=job.batch_id))
            except RequestError:
                await self.look_again(job)  # no copy can be read now
                return
            await self._store(job, rows)

    async def _write_rows(self, file: FileState, rows: InlineRows, missing: MissingRows) -> None:
        async with aclosing(self._reader.blocks(file)) as blocks:
            await rows.pour(blocks, missing)

    async def _store(self, job: Job, rows: InlineRows) -> None:
        now = self.runtime.now()

        def results(current: BatchState, _: Job) -> dict[str, Any]:
            files = ResultFiles(current.batch, now)
            files.add([], rows)
            counts = Counts(total=job.requests, failed=rows.count)
            return {"batch": files.name_in(current.batch, counts=counts, usage=None), **files.rows()}

        await self.write(job, JobState.WITHDRAWN, due=None, more=results)
