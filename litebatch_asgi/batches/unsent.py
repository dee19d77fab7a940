"""Batches that end without results: cancelled or expired before a job was sent, or given up afterwards.

Their lines come out in an error file of our own. Where not even the input can be read any more, the batch
fails and says why.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.batches.handing_on import HandingOn
from litebatch_asgi.batches.lines import LineReader
from litebatch_asgi.batches.outcomes import undone, words_for_undone
from litebatch_asgi.batches.results import ResultFiles
from litebatch_asgi.batches.rows import InlineRows
from litebatch_asgi.batches.work import JobWork
from litebatch_asgi.errors import RequestError, StateConflict, StoreUnavailable
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.keeping import ContentWriter
from litebatch_asgi.files.origin import Origin
from litebatch_asgi.fold import ends, refused_jobs
from litebatch_asgi.jsonl import MissingRows
from litebatch_asgi.lifecycle import give_up_at, next_attempt
from litebatch_asgi.lifetimes import WATCH_FOR
from litebatch_asgi.models import (
    Batch,
    BatchError,
    BatchState,
    Counts,
    DeploymentWait,
    Job,
    JobState,
    Outcome,
    WaitingFor,
    WaitReason,
)
from litebatch_asgi.rescue import GONE
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

INPUT_UNAVAILABLE = BatchError(
    code="input_unavailable",
    message="The input file cannot be read any more at any deployment. Upload it again for another batch.",
)
DEPLOYMENT_GONE = BatchError(
    code="deployment_gone",
    message="The deployment that the batch was on has been taken out of the gateway's configuration, and "
    "its input cannot be read any more. Upload it again for another batch.",
)


class UnsentJobs(JobWork):
    """Ends jobs that leave no results, and their batches with them."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._lines = LineReader(runtime)
        self._handing_on = HandingOn(runtime)
        self._origin = Origin(runtime)

    async def is_due(self, job: Job) -> bool:
        """Whether a waiting job has nothing to wait for any more."""
        batch = await self._batch(job)
        return batch.cancel_requested_at is not None or self.runtime.now() >= batch.expires_at

    async def withdraw(self, job: Job) -> None:
        """End a waiting job and its batch; its lines come out as cancelled or expired.

        One with a `search_until` may have been sent all the same, and is watched until then.
        While its input cannot be read it waits, until the end grace is over.
        """
        batch = await self._batch(job)
        patient = self.runtime.now() < self._give_up_at(batch)
        await self._end(job, batch, unreadable=None if patient else INPUT_UNAVAILABLE)

    def is_end_overdue(self, job: Job, batch: Batch) -> bool:
        """Whether the provider has let a cancellation wait for longer than the end grace."""
        is_to_end = batch.cancel_requested_at is not None or job.stop_requested_at is not None
        return is_to_end and self.runtime.now() >= self._give_up_at(batch)

    async def postpone(
        self,
        job: Job,
        *,
        no_later_than: datetime | None = None,
        waiting_for: WaitingFor | None = None,
    ) -> None:
        """Look again later at a job whose provider is in the way; give it up once the end grace is over."""
        batch = await self._batch(job)
        if self.runtime.now() < self._give_up_at(batch):
            await self.look_again(job, no_later_than=no_later_than, waiting_for=waiting_for)
        else:
            await self.give_up(job, INPUT_UNAVAILABLE)

    async def deployment_gone(self, job: Job) -> None:
        """A job at a deployment that no process serves any more.

        Another one runs its lines where that is allowed and they can be read. Otherwise it ends once its
        batch is to be cancelled, or a day after its deadline: until then the deployment may be put back,
        which heals it.
        """
        state = await self.runtime.storage.get_batch_state(job.batch_id)
        if state is None:
            raise StateConflict(f"{job.batch_id} is gone")
        batch, now = state.batch, self.runtime.now()
        is_gone = job.deployment_id in self.runtime.presence.gone
        if job.state is JobState.WATCHED:
            await self._end_watch(job)
        elif batch.cancel_requested_at is not None or self.runtime.now() >= self._give_up_at(batch):
            await self.give_up(job, DEPLOYMENT_GONE)
        elif (
            is_gone
            and self._handing_on.is_allowed(job, batch, state.jobs, now)
            and await self._can_be_read(job, batch)
        ):
            await self._hand_on_whole(job)
        else:
            gone = DeploymentWait(reason=WaitReason.GONE.value)
            there = {job.deployment_id: gone} if job.deployment_id is not None else {}
            waiting = WaitingFor(reason=WaitReason.GONE.value, deployments=there)
            await self.look_again(job, waiting_for=waiting)

    async def _can_be_read(self, job: Job, batch: Batch) -> bool:
        """Whether there is a place to read a job's lines from."""
        file = await self.runtime.storage.get_file(batch.input_file_id)
        if file is None:
            return False
        lines = await self._lines.of(job, file)
        return await self._origin.can_be_read(file, lines.shard)

    async def _hand_on_whole(self, job: Job) -> None:
        """Nobody can ask what became of the job: it is watched, and another one begins with its lines."""
        logger.error("a job at a deployment that is gone begins anew", extra=self.log_fields(job))
        written = await self.write(
            job,
            JobState.WATCHED,
            reason=GONE,
            search_until=self.runtime.now() + WATCH_FOR,
            due=self.runtime.next_look(self.runtime.now(), job.deployment_id, 0),
            checks=0,
            follow=lambda ended: next_attempt(ended, self.runtime.now(), due=self.runtime.now()),
            unless=_is_to_be_cancelled,
        )
        if written.following is None:  # cancelled in the meantime
            await self.look_again(job, no_later_than=self.runtime.now())
            return
        hit("handon.gone")
        self.runtime.wake()

    async def _end_watch(self, job: Job) -> None:
        assert job.search_until is not None
        if self.runtime.now() >= job.search_until:
            await self.write(job, JobState.CLOSED, due=None)
        else:
            await self.look_again(job, no_later_than=job.search_until)

    async def give_up(self, job: Job, unreadable: BatchError) -> None:
        """End a job that was sent and that nobody can bring to its end, and its batch with it.

        It is neither settled nor charged, and cancelled if its provider shows it within a day. `unreadable`
        is what the batch fails with if its input cannot be read.
        """
        logger.error("a job is given up", extra=self.log_fields(job, state=job.state.value))
        await self._end(job, await self._batch(job), unreadable=unreadable)

    def _give_up_at(self, batch: Batch) -> datetime:
        return give_up_at(batch, timedelta(seconds=self.runtime.settings.end_grace_seconds))

    async def _batch(self, job: Job) -> Batch:
        batch = await self.runtime.storage.get_batch(job.batch_id)
        if batch is None:
            raise StateConflict(f"{job.batch_id} is gone")
        return batch

    async def close_refused(self, job: Job) -> None:
        """Write rows for the lines of a job whose content was refused, once its batch has no others that run.

        They say what its provider said first. While its input cannot be read it waits, until the end grace
        is over.
        """
        state = await self.runtime.storage.get_batch_state(job.batch_id)
        if state is None or job.id not in {each.id for each in refused_jobs(state.jobs)}:
            await self.write(job, JobState.FAILED, due=None)
            return
        first = job.errors[0] if job.errors else BatchError()
        code, message = first.code or "invalid_request", first.message or "The provider refused the request."
        async with InlineRows(self.runtime) as rows:
            try:
                missing = MissingRows(code=code, message=message, seed=job.batch_id)
                await self._write_rows(job, state.batch, rows, missing)
            except RequestError:
                if self.runtime.now() >= self._give_up_at(state.batch):
                    await self._fail(job, INPUT_UNAVAILABLE)
                else:
                    await self.look_again(job)
                return
            outcome = Outcome(counts=Counts(total=job.requests, failed=rows.count))
            await self._keep(job, partial(self._store, job, rows, JobState.SETTLED, lambda _: outcome))

    async def _end(self, job: Job, batch: Batch, *, unreadable: BatchError | None) -> None:
        code, message = words_for_undone(batch)
        async with InlineRows(self.runtime) as rows:
            try:
                missing = MissingRows(code=code, message=message, seed=job.batch_id)
                await self._write_rows(job, batch, rows, missing)
            except RequestError:
                if unreadable is None:
                    await self.look_again(job)
                else:
                    await self._fail(job, unreadable)
                return
            outcome = partial(undone, requests=job.requests)
            await self._keep(job, partial(self._store, job, rows, JobState.WITHDRAWN, outcome))

    async def _write_rows(self, job: Job, batch: Batch, rows: InlineRows, missing: MissingRows) -> None:
        file = await self.runtime.storage.get_file(batch.input_file_id)
        if file is None:
            raise StateConflict(f"{batch.input_file_id} is gone")
        lines = await self._lines.of(job, file)
        async with aclosing(lines.blocks()) as blocks:
            await rows.pour(blocks, missing)

    async def _keep(self, job: Job, store: Callable[[ContentWriter], Awaitable[None]]) -> None:
        """Write the end of a job, as soon as the content store takes its rows."""
        try:
            await ContentWriter.run(self.runtime, store)
        except StoreUnavailable as error:
            logger.warning("rows cannot be kept now", extra=self.log_fields(job, error=error.message))
            await self.look_again(job)

    async def _store(
        self,
        job: Job,
        rows: InlineRows,
        state: JobState,
        outcome: Callable[[Batch], Outcome],
        writer: ContentWriter,
    ) -> None:
        await rows.store(writer)
        now = self.runtime.now()

        def results(current: BatchState, ended: Job, following: Job | None) -> dict[str, Any]:
            name = "following" if following is not None else "job"
            last = replace(following or ended, outcome=outcome(current.batch))
            moved = (ended, last) if following is not None else (last,)
            files = ResultFiles(
                current.batch, ended, now, before=current.results, own=rows, ends=ends(current, moved, now)
            )
            return {name: last, "settled_requests": job.requests, **files.rows()}

        await self._finish(job, state, more=results)

    async def _fail(self, job: Job, error: BatchError) -> None:
        """Its lines are lost with the input, and its batch fails once all others are through."""

        def errors(_: BatchState, ended: Job, following: Job | None) -> dict[str, Any]:
            lost = replace(following or ended, errors=(error,), outcome=Outcome(counts=Counts()))
            return {"following" if following is not None else "job": lost}

        await self._finish(job, JobState.FAILED, more=errors)

    async def _finish(self, job: Job, state: JobState, **how: Any) -> None:
        """One that was sent is watched from now on, and an attempt that was never sent ends in its place.

        So it is with one that waits and may have been sent: it is watched as long as it says, everywhere.
        """
        now = self.runtime.now()
        waits = job.state is JobState.WAITING
        if job.state is JobState.FAILED or (waits and job.search_until is None):
            await self.write(job, state, due=None, **how)
            return
        await self.write(
            job,
            JobState.WATCHED,
            reason="given up",
            search_until=job.search_until if waits else now + WATCH_FOR,
            due=self.runtime.next_look(now, job.deployment_id, 0),
            checks=0,
            follow=lambda ended: next_attempt(ended, now, due=None, state=state),
            **how,
        )


def _is_to_be_cancelled(current: BatchState) -> bool:
    return current.batch.cancel_requested_at is not None
