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
from litebatch_asgi.batches.work import JobWork
from litebatch_asgi.errors import ProviderError, ProviderNotFound, RequestError, StateConflict
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.keeping import ContentWriter
from litebatch_asgi.fold import ends
from litebatch_asgi.jsonl import MissingRows
from litebatch_asgi.lifecycle import give_up_at
from litebatch_asgi.models import (
    Batch,
    BatchState,
    Job,
    JobState,
    ProviderBatch,
    ShortRead,
)
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

CHEAP_BYTES = 1 << 20
"""results of no more than that are read again as often as their batch is looked at"""


class Settler(JobWork):
    """Reads what a provider's job has left, and ends job and batch in one transaction."""

    def __init__(self, runtime: Runtime, unsent: UnsentJobs) -> None:
        super().__init__(runtime)
        self._unsent = unsent
        self._lines = LineReader(runtime)
        self._reader = ResultReader(runtime)
        self._pricing = Pricing(runtime)

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
        lines = await self._lines.of(job, file)
        try:
            with self.span_of("settle", job, state.batch):
                async with self._reader.reading(job, await self._last_word(job), lines) as reading:
                    hit("settle.read")
                    if reading.kept.holds_all(lines.shard.id_count, lines.shard.id_sum):
                        await self._publish(job, state.batch, reading)
                    else:
                        await self._settle_with_gaps(job, state.batch, lines, reading)
        except (ProviderError, RequestError) as error:
            logger.warning("results cannot be read now", extra=self.log_fields(job, error=error.message))
            await self._unsent.postpone(job)

    async def _last_word(self, job: Job) -> ProviderBatch:
        """File ids may come later than the end; of a job that is forgotten the last word is what it said."""
        assert job.snapshot is not None
        assert job.provider_batch_id is not None
        if not job.reads:
            return job.snapshot
        adapter = self.runtime.fleet.adapter(job.deployment_id)
        try:
            snapshot = await adapter.retrieve_batch(job.provider_batch_id)
        except ProviderNotFound:
            return job.snapshot
        return snapshot.after(job.snapshot) if snapshot.status.is_final else job.snapshot

    async def _settle_with_gaps(self, job: Job, batch: Batch, lines: JobLines, reading: Reading) -> None:
        """Settle what is not what was asked for, once it is sure that nothing else will come.

        The input is read, and the results row by row, only if this differs from what was seen before, or if
        it is to be published.
        """
        known = _known(job, reading)
        if known is not None or reading.withheld:
            reads = await self._remembered(job, reading, known.rows if known else 0)
            if not self._is_sure(batch, reading, reads):
                await self._read_again_later(job, reading, reads)
                return
        async with self._reader.exactly(job, reading, lines) as exact:
            told = self.log_fields(job, missing=len(exact.missing), dropped=exact.dropped)
            logger.warning("results are not what was asked for", extra=told)
            if not exact.missing:
                await self._publish(job, batch, exact.reading)
                return
            reads = await self._remembered(job, exact.reading, exact.rows)
            is_whole = reads[-1].withheld_since is None
            is_all = is_whole and is_all_that_was_done(exact.reading.snapshot, exact.reading.kept)
            if is_all or self._is_sure(batch, exact.reading, reads):
                await self._publish_with_missing(job, batch, lines, exact.reading, exact.missing)
                return
        await self._read_again_later(job, exact.reading, reads)

    async def _remembered(self, job: Job, reading: Reading, rows: int) -> tuple[ShortRead, ...]:
        is_withheld = not await self._reader.is_whole(reading)
        if is_withheld:
            logger.warning("a result file is named and not given whole", extra=self.log_fields(job))
        return remembered(job.reads, reading.seen, rows=rows, is_withheld=is_withheld, now=self.runtime.now())

    def _is_sure(self, batch: Batch, reading: Reading, reads: tuple[ShortRead, ...]) -> bool:
        """Whether what is missing is lost, or is not waited for any more."""
        settings = self.runtime.settings
        is_over = self.runtime.now() >= give_up_at(batch, timedelta(seconds=settings.end_grace_seconds))
        return is_over or are_believed(reads, reading.snapshot, settings)

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
        code, message = words_for_missing(batch, reading.snapshot.status, self.runtime.now())
        rows_for = MissingRows(code=code, message=message, only=missing, seed=job.batch_id)
        async with InlineRows(self.runtime) as rows:
            await self._reader.write_missing(lines, rows_for, rows)
            await self._publish(job, batch, reading, own=rows)

    async def _publish(
        self, job: Job, batch: Batch, reading: Reading, *, own: InlineRows | None = None
    ) -> None:
        """The settling transaction, once the content store has what is too large for it."""
        publish = partial(self._write_results, job, batch, reading, own)
        await ContentWriter.run(self.runtime, publish)

    async def _write_results(
        self, job: Job, batch: Batch, reading: Reading, own: InlineRows | None, writer: ContentWriter
    ) -> None:
        for rows in (*(each for file in reading.files for each in file.own_rows.values()), own):
            if rows is not None:
                await rows.store(writer)
        now = self.runtime.now()
        consumed = await self._pricing.price(job, batch, reading.kept)
        hit("settle.before")

        def results(current: BatchState, settled: Job, _: Job | None) -> dict[str, Any]:
            outcome = outcome_of(reading, own, current.batch, now)
            settled = replace(settled, outcome=outcome)
            files = ResultFiles(
                current.batch,
                settled,
                now,
                before=current.results,
                read=reading.files,
                own=own,
                ends=ends(current, (settled,), now),
            )
            charges = charges_for(consumed, current.batch, settled, now)
            return {"job": settled, "charges": charges, "settled_requests": job.requests, **files.rows()}

        written = await self.write(job, JobState.SETTLED, due=None, snapshot=reading.snapshot, more=results)
        hit("settle.stored")
        self._count(job, batch, consumed)
        status = written.state.batch.status.value
        logger.info("job settled", extra=self.log_fields(job, status=status, cost=total_cost(consumed)))

    def _count(self, job: Job, batch: Batch, consumed: Collection[Consumed]) -> None:
        assert job.deployment_id is not None
        for each in consumed:
            self.runtime.metrics.charged(batch.model, job.deployment_id, each.usage, each.cost)


def _known(job: Job, reading: Reading) -> ShortRead | None:
    """The last read, if it has found the same."""
    return job.reads[-1] if job.reads and job.reads[-1].seen == reading.seen else None
