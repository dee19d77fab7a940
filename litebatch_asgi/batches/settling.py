"""Settling: the one time a job's results are read, counted, charged and published."""

from __future__ import annotations

import logging
from collections.abc import Collection, Set
from datetime import timedelta
from functools import partial
from typing import Any

import anyio
from msgspec.structs import replace

from litebatch_asgi.batches.charging import Consumed, Pricing, charges_for, total_cost
from litebatch_asgi.batches.handing_on import HandingOn, LinesDiffer, Rest
from litebatch_asgi.batches.kept_back import KeptBack, NotKept
from litebatch_asgi.batches.lines import JobLines, LineReader
from litebatch_asgi.batches.missing import (
    are_believed,
    believed_from,
    is_all_that_was_done,
    remembered,
)
from litebatch_asgi.batches.outcomes import outcome_of, words_for_missing
from litebatch_asgi.batches.reading import Reading, ResultReader
from litebatch_asgi.batches.results import ResultFiles
from litebatch_asgi.batches.rows import InlineRows
from litebatch_asgi.batches.unsent import UnsentJobs
from litebatch_asgi.batches.work import JobWork, waiting_siblings
from litebatch_asgi.errors import NotFound, ProviderError, ProviderNotFound, RequestError, StateConflict
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.keeping import ContentWriter
from litebatch_asgi.fold import ends
from litebatch_asgi.jsonl import MissingRows, RowFate
from litebatch_asgi.lifecycle import give_up_at, held
from litebatch_asgi.models import (
    Batch,
    BatchState,
    Job,
    JobState,
    Lane,
    ProviderBatch,
    ShortRead,
)
from litebatch_asgi.rescue import CANARY, NOTHING, HandOn, hand_on_fates
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

CHEAP_BYTES = 1 << 20
"""results of no more than that are read again as often as their batch is looked at"""


class _CancelledMeanwhileError(Exception):
    """The batch was cancelled since its job was read: nothing is handed on."""


class Settler(JobWork):
    """Reads what a provider's job has left, and ends job and batch in one transaction."""

    def __init__(self, runtime: Runtime, unsent: UnsentJobs) -> None:
        super().__init__(runtime)
        self._unsent = unsent
        self._lines = LineReader(runtime)
        self._reader = ResultReader(runtime)
        self._handing_on = HandingOn(runtime)
        self._pricing = Pricing(runtime)
        self._kept_back = KeptBack(runtime)

    async def settle(self, job: Job) -> None:
        """Settle a job that has ended at its provider; if its results cannot be had now, try later."""
        began = anyio.current_time()
        try:
            await self._settle(job)
        finally:
            self.runtime.metrics.settled(anyio.current_time() - began)

    async def _settle(self, job: Job) -> None:
        state = await self.runtime.storage.get_batch_state(job.batch_id)
        file = await self.runtime.storage.get_file(state.batch.input_file_id) if state else None
        if state is None or file is None:
            raise StateConflict(f"{job.batch_id} or its file is gone")
        job = held(state, job)
        lines = await self._lines.of(job, file)
        try:
            await self._kept_back.check(job.id)
            with self.span_of("settle", job, state.batch):
                async with self._reader.reading(job, await self._last_word(job), lines) as reading:
                    hit("settle.read")
                    try:
                        await self._settle_read(job, state, lines, reading)
                    except (ProviderError, RequestError) as error:
                        if not (isinstance(error, NotFound) or self._is_over(state.batch)):
                            raise
                        await self._settle_without_input(job, state.batch, lines, reading)
        except NotKept as error:
            logger.warning("results cannot be kept now", extra=self.log_fields(job, error=str(error)))
            await self.look_again(job)
        except (ProviderError, RequestError) as error:
            logger.warning("results cannot be read now", extra=self.log_fields(job, error=error.message))
            await self._unsent.postpone(job)

    async def _settle_read(self, job: Job, state: BatchState, lines: JobLines, reading: Reading) -> None:
        """Raises `RequestError` if the input is needed and cannot be read, `NotFound` if it is gone."""
        hand_on = self._hand_on(job, state, lines, reading)
        if hand_on.is_any:
            await self._settle_handing_on(job, state, lines, reading, hand_on)
        elif _is_right(job, state.batch, lines, reading):
            await self._publish(job, state.batch, reading)
        else:
            await self._settle_with_gaps(job, state.batch, lines, reading)

    async def _settle_without_input(self, job: Job, batch: Batch, lines: JobLines, reading: Reading) -> None:
        """Publish results that have a row for each line as they are, once it is sure that the input is lost.

        It is so where a database was put back to a time before the input was deleted; whatever stands in the
        way of reading it, after the end grace nobody waits for it. Nobody can run the rest, and of lines
        without a row nobody knows the custom ids: with those it is given up in the end.
        """
        now, rows = self.runtime.now(), reading.kept.rows
        logger.warning("the input of a job cannot be read", extra=self.log_fields(job, rows=rows))
        if not reading.kept.holds_all(lines.shard.id_count, lines.shard.id_sum):
            await self._unsent.postpone(job)
            return
        reads = remembered(job.reads, reading.seen, rows=rows, is_withheld=True, now=now)
        if self._is_sure(job, batch, reading, reads):
            await self._publish(job, batch, reading)
        else:
            await self._read_again_later(job, reading, reads)

    def _hand_on(self, job: Job, state: BatchState, lines: JobLines, reading: Reading) -> HandOn:
        """What of the lines another deployment may run."""
        kept, now = reading.kept, self.runtime.now()
        missing = max(lines.shard.lines - kept.rows, 0)
        if not kept.holds_all(lines.shard.id_count, lines.shard.id_sum):
            missing = max(missing, 1)  # a doubled or a foreign row may stand in its place
        is_undone = bool(missing or kept.not_executed or kept.retryable)
        if not is_undone or not self._handing_on.is_allowed(job, state.batch, state.jobs, now):
            return NOTHING
        return hand_on_fates(
            job,
            state.batch,
            state.jobs,
            reading.snapshot,
            self._handing_on.rules(state.batch, job),
            not_executed=kept.not_executed,
            retryable=kept.retryable,
            missing=missing,
            is_live=any(map(self.runtime.fleet.is_live, self._handing_on.left(job, state))),
        )

    async def _settle_handing_on(
        self, job: Job, state: BatchState, lines: JobLines, reading: Reading, hand_on: HandOn
    ) -> None:
        """Publish what was done, and hand the rest on, in one transaction.

        Lines without a row are handed on once it is sure that none will come. Results that are not those of
        which `hand_on` was told are read again.
        """
        known = _known(job, reading)
        if known is not None or reading.withheld:
            rows = known.rows if known is not None else 0
            reads = await self._remembered(job, reading, rows)
            if not self._is_handed_on(job, state.batch, reading, rows, reads):
                await self._read_again_later(job, reading, reads)
                return
        async with self._reader.exactly(job, reading, lines, hold_back=_held_back(hand_on)) as exact:
            is_other = exact.reading.seen != reading.seen  # of which nobody knows what to hold back
            if exact.missing or is_other:
                reads = await self._remembered(job, exact.reading, exact.rows)
                if is_other or not self._is_handed_on(job, state.batch, exact.reading, exact.rows, reads):
                    await self._read_again_later(job, exact.reading, reads)
                    return
            if not exact.missing | exact.held_back:
                await self._publish(job, state.batch, exact.reading)
                return
            try:
                rest = await self._handing_on.rest(job, lines, exact)
            except LinesDiffer:
                logger.exception("lines cannot be handed on", extra=self.log_fields(job))
                await self._settle_with_gaps(job, state.batch, lines, reading)
                return
            hit("handon.derived")
            try:
                await self._publish(job, state.batch, exact.reading, rest=rest)
            except _CancelledMeanwhileError:
                logger.info("a batch was cancelled: nothing is handed on", extra=self.log_fields(job))
                await self.look_again(job, no_later_than=self.runtime.now())
                return
        told = self.log_fields(job, lines=rest.shard.lines, shard=rest.shard.shard)
        logger.warning("lines that a job has left undone are handed on", extra=told)
        self.runtime.wake()

    def _is_handed_on(
        self, job: Job, batch: Batch, reading: Reading, rows: int, reads: tuple[ShortRead, ...]
    ) -> bool:
        """Whether lines without a row are not waited for any more, for others can still run them."""
        if job.lane is Lane.LIVE:
            return True  # nothing can come after a job was closed
        now, counts = self.runtime.now(), reading.snapshot.counts
        grace = timedelta(seconds=self.runtime.settings.late_rows_grace_seconds)
        if now >= reads[0].at + grace:
            return True
        is_whole = reads[-1].withheld_since is None
        if counts is not None and counts.done:
            return is_whole and rows >= counts.done
        return self._is_sure(job, batch, reading, reads)

    async def _last_word(self, job: Job) -> ProviderBatch:
        """File ids may come later than the end; of a job that is forgotten the last word is what it said."""
        assert job.snapshot is not None
        if not job.reads or job.lane is Lane.LIVE:
            return job.snapshot
        assert job.provider_batch_id is not None
        adapter = self.runtime.fleet.adapter(job.deployment_id)
        try:
            snapshot = await adapter.retrieve_batch(job.provider_batch_id)
        except ProviderNotFound:
            return job.snapshot
        return snapshot.after(job.snapshot) if snapshot.status.is_final else job.snapshot

    async def _settle_with_gaps(self, job: Job, batch: Batch, lines: JobLines, reading: Reading) -> None:
        """Settle what is not what was asked for, once it is sure that nothing else will come.

        The input is read, and the results row by row, only if this differs from what was seen before, or if
        it is to be published. Lines that were not executed because we stopped the job have rows of ours.
        """
        known = _known(job, reading)
        if known is not None or reading.withheld:
            reads = await self._remembered(job, reading, known.rows if known else 0)
            if not self._is_sure(job, batch, reading, reads):
                await self._read_again_later(job, reading, reads)
                return
        hold_back = {RowFate.NOT_EXECUTED} if _is_stopped_by_us(job, batch) else ()
        async with self._reader.exactly(job, reading, lines, hold_back=hold_back) as exact:
            told = self.log_fields(job, missing=len(exact.missing), dropped=exact.dropped)
            logger.warning("results are not what was asked for", extra=told)
            undone = exact.missing | exact.held_back
            if not exact.missing:
                await self._publish_with_missing(job, batch, lines, exact.reading, undone)
                return
            reads = await self._remembered(job, exact.reading, exact.rows)
            is_whole = reads[-1].withheld_since is None
            is_all = is_whole and is_all_that_was_done(exact.reading.snapshot, exact.reading.kept)
            if is_all or self._is_sure(job, batch, exact.reading, reads):
                await self._publish_with_missing(job, batch, lines, exact.reading, undone)
                return
        await self._read_again_later(job, exact.reading, reads)

    async def _remembered(self, job: Job, reading: Reading, rows: int) -> tuple[ShortRead, ...]:
        is_withheld = not await self._reader.is_whole(reading)
        if is_withheld:
            logger.warning("a result file is named and not given whole", extra=self.log_fields(job))
        return remembered(job.reads, reading.seen, rows=rows, is_withheld=is_withheld, now=self.runtime.now())

    def _is_sure(self, job: Job, batch: Batch, reading: Reading, reads: tuple[ShortRead, ...]) -> bool:
        """Whether what is missing is lost, or is not waited for any more."""
        if job.lane is Lane.LIVE:
            return True
        return self._is_over(batch) or are_believed(reads, reading.snapshot, self.runtime.settings)

    def _is_over(self, batch: Batch) -> bool:
        """Whether nothing is waited for any more."""
        grace = timedelta(seconds=self.runtime.settings.end_grace_seconds)
        return self.runtime.now() >= give_up_at(batch, grace)

    async def _read_again_later(self, job: Job, reading: Reading, reads: tuple[ShortRead, ...]) -> None:
        """Later each time; a large download by half of the time that this goes on already."""
        now = self.runtime.now()
        due = self.runtime.next_look(now, job.deployment_id, job.checks)
        if reading.size > CHEAP_BYTES:
            due = max(due, now + (now - reads[0].at) / 2)
        decisive = believed_from(reads, reading.snapshot, self.runtime.settings)
        if decisive > now:
            due = max(min(due, decisive), self.runtime.next_look(now, job.deployment_id, 0))
        await self.write(
            job, JobState.ENDED, snapshot=reading.snapshot, reads=reads, due=due, checks=job.checks + 1
        )

    async def _publish_with_missing(
        self, job: Job, batch: Batch, lines: JobLines, reading: Reading, missing: Set[bytes]
    ) -> None:
        if not missing:
            await self._publish(job, batch, reading)
            return
        code, message = words_for_missing(batch, reading.snapshot.status, self.runtime.now())
        rows_for = MissingRows(code=code, message=message, only=missing, seed=job.batch_id)
        async with InlineRows(self.runtime) as rows:
            await self._reader.write_missing(lines, rows_for, rows)
            await self._publish(job, batch, reading, own=rows)

    async def _publish(
        self,
        job: Job,
        batch: Batch,
        reading: Reading,
        *,
        own: InlineRows | None = None,
        rest: Rest | None = None,
    ) -> None:
        """The settling transaction, once the content store has what is too large for it."""
        publish = partial(self._write_results, job, batch, reading, own, rest)
        with self._kept_back.keeping(job.id):
            await ContentWriter.run(self.runtime, publish)

    async def _write_results(
        self,
        job: Job,
        batch: Batch,
        reading: Reading,
        own: InlineRows | None,
        rest: Rest | None,
        writer: ContentWriter,
    ) -> None:
        for rows in (*(each for file in reading.files for each in file.own_rows.values()), own):
            if rows is not None:
                await rows.store(writer)
        now = self.runtime.now()
        consumed = await self._pricing.price(job, batch, reading.kept)
        hit("settle.before")

        def results(current: BatchState, settled: Job, _: Job | None) -> dict[str, Any]:
            if rest is not None and current.batch.cancel_requested_at is not None:
                raise _CancelledMeanwhileError
            left = {} if rest is None else {"new_shards": (rest.shard,), "new_jobs": (rest.job,)}
            handed_on = 0 if rest is None else rest.shard.lines
            outcome = outcome_of(reading, own, current.batch, now, handed_on=handed_on)
            settled = replace(settled, outcome=outcome)
            moved = (settled,) if rest is None else (settled, rest.job)
            files = ResultFiles(
                current.batch,
                settled,
                now,
                before=current.results,
                read=reading.files,
                own=own,
                ends=ends(current, moved, now),
            )
            charges = charges_for(consumed, current.batch, settled, now)
            done = job.requests - handed_on
            if job.reason == CANARY:
                left |= waiting_siblings(now, current)
            return {"job": settled, "charges": charges, "settled_requests": done, **left, **files.rows()}

        written = await self.write(job, JobState.SETTLED, due=None, snapshot=reading.snapshot, more=results)
        hit("settle.stored")
        self._count(job, batch, consumed)
        if job.reason == CANARY:
            self.runtime.wake()
        status = written.state.batch.status.value
        logger.info("job settled", extra=self.log_fields(job, status=status, cost=total_cost(consumed)))

    def _count(self, job: Job, batch: Batch, consumed: Collection[Consumed]) -> None:
        assert job.deployment_id is not None
        for each in consumed:
            self.runtime.metrics.charged(batch.model, job.deployment_id, each.usage, each.cost)


def _is_right(job: Job, batch: Batch, lines: JobLines, reading: Reading) -> bool:
    """Whether results can be published as they are: one row for each line, and none that is wrong."""
    is_misnamed = reading.kept.not_executed > 0 and _is_stopped_by_us(job, batch)
    return reading.kept.holds_all(lines.shard.id_count, lines.shard.id_sum) and not is_misnamed


def _is_stopped_by_us(job: Job, batch: Batch) -> bool:
    """Whether a provider that calls lines cancelled says so though no client has cancelled their batch."""
    return job.stop_requested_at is not None and batch.cancel_requested_at is None


def _known(job: Job, reading: Reading) -> ShortRead | None:
    """The last read, if it has found the same."""
    return job.reads[-1] if job.reads and job.reads[-1].seen == reading.seen else None


def _held_back(hand_on: HandOn) -> frozenset[RowFate]:
    fates = {RowFate.NOT_EXECUTED: hand_on.not_executed, RowFate.RETRYABLE: hand_on.retryable}
    return frozenset(fate for fate, is_held in fates.items() if is_held)
