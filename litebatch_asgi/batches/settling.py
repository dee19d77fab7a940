"""Settling: the one time a job's results are read, counted, charged and published."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Set
from contextlib import AsyncExitStack, aclosing
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.batches.results import NamedFile, ReadFile, ResultFiles, named_files
from litebatch_asgi.batches.rows import InlineRows
from litebatch_asgi.batches.unsent import CANCELLED, EXPIRED, UnsentJobs
from litebatch_asgi.batches.work import JobWork
from litebatch_asgi.errors import ProviderError, ProviderNotFound, RequestError, StateConflict
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.content import ContentReader
from litebatch_asgi.jsonl import ExactPass, FileDigest, IdCollector, MissingRows, RowTally, Tally
from litebatch_asgi.models import (
    Batch,
    BatchState,
    BatchStatus,
    Charge,
    Counts,
    FileState,
    Job,
    JobState,
    ShortRead,
)
from litebatch_asgi.models.ids import CHARGE_PREFIX, new_id
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

LOST = (
    "batch_line_lost",
    "The provider ended the batch without an answer to this request. Send it again in another batch.",
)
UNNAMED_PATIENCE = 60
"""times `lost_grace_seconds` that a provider has to name the files of rows which it says are done"""
READS_TO_BELIEVE = 3
"""complete reads that must agree before rows are declared lost"""


class Settler(JobWork):
    """Reads what a provider's job has left, and ends job and batch in one transaction."""

    def __init__(self, runtime: Runtime, unsent: UnsentJobs) -> None:
        super().__init__(runtime)
        self._unsent = unsent
        self._reader = ContentReader(runtime)

    async def settle(self, job: Job) -> None:
        """Settle a job that has ended at its provider; if its results cannot be had now, try later."""
        state = await self.runtime.storage.get_batch_state(job.batch_id)
        file = await self.runtime.storage.get_file(state.batch.input_file_id) if state else None
        if state is None or file is None:
            raise StateConflict(f"{job.batch_id} or its file is gone")
        try:
            if job.reads:
                job = await self._ask_again(job)
            parts = await self._read(job)
            hit("settle.read")
            tally = sum((part.kept for part in parts), Tally())
            if tally.holds_all(file.file.id_count, file.file.id_sum):
                await self._publish(job, parts, None)
                return
            await self._exactly(job, state.batch, file)
        except (ProviderError, RequestError) as error:
            logger.warning("results cannot be read now", extra=self.log_fields(job, error=error.message))
            await self._unsent.postpone(job)

    async def _ask_again(self, job: Job) -> Job:
        """File ids may come later than the end; of a job that is forgotten the last word is what it said."""
        assert job.provider_batch_id is not None
        adapter = self.runtime.fleet.adapter(job.deployment_id)
        try:
            snapshot = await adapter.retrieve_batch(job.provider_batch_id)
        except ProviderNotFound:
            return job
        return replace(job, snapshot=snapshot) if snapshot.status.is_final else job

    async def _read(self, job: Job) -> list[ReadFile]:
        """Read all result files once, from end to end."""
        parts: list[ReadFile] = []
        for named in named_files(job.deployment_id, job.snapshot):
            tally = RowTally()
            digest = await self._stream(named, tally.feed)
            if digest is not None:
                found = tally.finish()
                parts.append(_part(named, digest, found=found, kept=found))
        return parts

    async def _stream(
        self, named: NamedFile, feed: Callable[[bytes], bytes | None], rows: InlineRows | None = None
    ) -> FileDigest | None:
        """Feed a result file in our own threads, and keep the rows that come of it.

        None if the provider does not have the file.
        """
        digest = FileDigest()

        def take(block: bytes) -> bytes | None:
            digest.feed(block)
            return feed(block)

        adapter = self.runtime.fleet.adapter(named.deployment_id)
        try:
            async with adapter.stream_file(named.provider_file_id) as stream:
                async for block in stream.blocks:
                    kept = await self.runtime.in_executor(take, block)
                    if rows is not None and kept:
                        await rows.write(kept)
        except ProviderNotFound:
            return None
        return digest

    async def _exactly(self, job: Job, batch: Batch, file: FileState) -> None:
        """Find out which rows are doubled, foreign, unparsable or missing, and publish what is right."""
        ids = IdCollector()
        await self._input(file, ids.feed)
        async with AsyncExitStack() as spools:
            exact, parts = await self._kept(job, ids.finish(), spools)
            dropped = sum(part.found.rows + part.found.unparsable - part.kept.rows for part in parts)
            logger.warning(
                "results are not what was asked for",
                extra=self.log_fields(job, missing=len(exact.missing), dropped=dropped),
            )
            if not exact.missing:
                await self._publish(job, parts, None)
            elif await self._is_sure(job, parts):
                await self._publish_with_missing(job, batch, file, parts, exact.missing)

    async def _kept(
        self, job: Job, expected: Set[bytes], spools: AsyncExitStack
    ) -> tuple[ExactPass, list[ReadFile]]:
        """Read all result files, and keep what is right of them on disk."""
        exact = ExactPass(expected)
        parts: list[ReadFile] = []
        for named in named_files(job.deployment_id, job.snapshot):
            rows = await spools.enter_async_context(InlineRows(self.runtime))
            exact.start_part()
            digest = await self._stream(named, exact.feed, rows)
            await rows.write(exact.finish_part())
            part = exact.part()
            await rows.finish(part.kept.rows)
            if digest is not None:
                parts.append(_part(named, digest, found=part.found, kept=part.kept, rows=rows))
        if exact.superseded:
            again = ExactPass(expected, executed=exact.superseded)
            parts = [await self._keep_again(part, again, spools) for part in parts]
        return exact, parts

    async def _keep_again(self, part: ReadFile, exact: ExactPass, spools: AsyncExitStack) -> ReadFile:
        """Leave out of what was kept of a file the rows for which others came later."""
        assert part.rows is not None
        rows = await spools.enter_async_context(InlineRows(self.runtime))
        exact.start_part()
        async with aclosing(part.rows.blocks()) as blocks:
            async for block in blocks:
                await rows.write(await self.runtime.in_executor(exact.feed, block))
        kept = exact.part().kept
        await rows.finish(kept.rows)
        return replace(part, kept=kept, rows=rows)

    async def _input(self, file: FileState, feed: Callable[[bytes], object]) -> None:
        async with aclosing(self._reader.blocks(file)) as blocks:
            async for block in blocks:
                await self.runtime.in_executor(feed, block)

    async def _is_sure(self, job: Job, parts: list[ReadFile]) -> bool:
        """Whether enough reads agree that rows are missing; otherwise this one is taken down."""
        now = self.runtime.now()
        seen = [
            (part.named.provider_file_id, part.size, part.found.rows, part.found.id_sum) for part in parts
        ]
        read = ShortRead(at=now, seen=hashlib.blake2b(repr(seen).encode(), digest_size=16).hexdigest())
        agreeing = job.reads if job.reads and job.reads[-1].seen == read.seen else ()
        reads = (*agreeing[:1], *agreeing[1:][-1:], read)
        grace = timedelta(seconds=self.runtime.settings.lost_grace_seconds)
        patience = grace * UNNAMED_PATIENCE if _awaits_names(job) else grace
        enough = len(reads) >= READS_TO_BELIEVE and now - reads[0].at >= patience
        if enough and await self._sizes_agree(job, parts):
            return True
        due = min(self.runtime.next_look(now, job.deployment_id, job.checks), now + grace / 2)
        await self.write(
            job, JobState.ENDED, snapshot=job.snapshot, reads=reads, due=due, checks=job.checks + 1
        )
        return False

    async def _sizes_agree(self, job: Job, parts: list[ReadFile]) -> bool:
        adapter = self.runtime.fleet.adapter(job.deployment_id)
        for part in parts:
            told = await adapter.retrieve_file(part.named.provider_file_id)
            if told.bytes is not None and told.bytes != part.size:
                return False
        return True

    async def _publish_with_missing(
        self, job: Job, batch: Batch, file: FileState, parts: list[ReadFile], missing: Set[bytes]
    ) -> None:
        assert job.snapshot is not None
        code, message = _words_for_missing(job.snapshot.status)
        async with InlineRows(self.runtime) as rows, aclosing(self._reader.blocks(file)) as blocks:
            await rows.pour(blocks, MissingRows(code=code, message=message, only=missing, seed=job.batch_id))
            await self._publish(job, parts, rows)

    async def _publish(self, job: Job, parts: list[ReadFile], inline: InlineRows | None) -> None:
        """The settling transaction."""
        now = self.runtime.now()
        hit("settle.before")

        def results(current: BatchState, settled: Job) -> dict[str, Any]:
            return _settlement(current, settled, parts, inline, now)

        written = await self.write(job, JobState.SETTLED, due=None, snapshot=job.snapshot, more=results)
        hit("settle.stored")
        status = written.state.batch.status.value
        logger.info("batch settled", extra=self.log_fields(job, status=status))


def _settlement(
    current: BatchState, job: Job, parts: list[ReadFile], inline: InlineRows | None, now: datetime
) -> dict[str, Any]:
    tally = sum((part.kept for part in parts), Tally())
    lost = inline.count if inline is not None else 0
    counts = Counts(total=job.requests, completed=tally.completed, failed=tally.failed + lost)
    files = ResultFiles(current.batch, now, read=parts, own=inline)
    assert job.deployment_id is not None
    charge = Charge(
        id=new_id(CHARGE_PREFIX),
        job_id=job.id,
        batch_id=job.batch_id,
        deployment_id=job.deployment_id,
        owner=current.batch.owner,
        created_by=current.batch.created_by,
        model=current.batch.model,
        usage=tally.usage,
        cost=None,
        price_source=None,
        created_at=now,
    )
    batch = files.name_in(current.batch, counts=counts, usage=tally.usage)
    return {"batch": batch, "charges": (charge,), **files.rows([part.named for part in parts])}


def _part(
    named: NamedFile, digest: FileDigest, *, found: Tally, kept: Tally, rows: InlineRows | None = None
) -> ReadFile:
    return ReadFile(
        named=named,
        size=digest.size,
        digest=digest.hexdigest(),
        ends_in_newline=digest.ends_in_newline,
        found=found,
        kept=kept,
        rows=rows,
    )


def _awaits_names(job: Job) -> bool:
    """Whether the provider counts finished rows and has not named a file that they could be in."""
    counts = job.snapshot.counts if job.snapshot is not None else None
    return (
        not named_files(job.deployment_id, job.snapshot)
        and counts is not None
        and counts.completed + counts.failed > 0
    )


def _words_for_missing(status: BatchStatus) -> tuple[str, str]:
    """A provider that cancelled or ran out of time need not list what it left undone."""
    return {BatchStatus.CANCELLED: CANCELLED, BatchStatus.EXPIRED: EXPIRED}.get(status, LOST)
