"""Live jobs: a shard's requests are run one by one by us, where a deployment has no batches.

Nothing is remote, so that there is nothing to adopt. Placing writes the job with its ranges, looking sums up
what has become of these, and whatever ends a job closes them first: from then on no result can come.
"""

from __future__ import annotations

import logging
from contextlib import aclosing
from datetime import datetime
from typing import Any

from litebatch_asgi.batches.deriving import lines_of
from litebatch_asgi.batches.lines import JobLines
from litebatch_asgi.batches.work import JobWork
from litebatch_asgi.errors import InternalError
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.originals import OriginalKeeper
from litebatch_asgi.files.stored import stored_blocks
from litebatch_asgi.jsonl import CutRange, RangeCutter
from litebatch_asgi.models import (
    Batch,
    BatchState,
    BatchStatus,
    Counts,
    Job,
    JobState,
    Lane,
    LineProgress,
    LineRange,
    ProviderBatch,
)
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)


class LiveJobs(JobWork):
    """Gives jobs to live deployments, and tells how far they are."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._originals = OriginalKeeper(runtime)

    async def place(self, job: Job, batch: Batch, lines: JobLines, deployment_id: str) -> Job | None:
        """Have a waiting job that is ours run at a deployment; the job, if its batch is to be cancelled.

        Raises `RequestError` where the input cannot be read or kept now.
        """
        cuts = await self._cut(lines)
        hit("live.cut")
        now = self.runtime.now()
        snapshot = ProviderBatch(
            id=job.id,
            status=BatchStatus.IN_PROGRESS,
            created_at=now,
            in_progress_at=now,
            counts=Counts(total=job.requests),
        )

        def ranges(_: BatchState, placed: Job, __: Job | None) -> dict[str, Any]:
            return {"line_ranges": tuple(_ranges(cuts, placed, batch, now))}

        written = await self.write(
            job,
            JobState.SUBMITTED,
            lane=Lane.LIVE,
            deployment_id=deployment_id,
            submit_started_at=now,
            search_until=job.search_until,
            snapshot=snapshot,
            due=self.runtime.next_look(now, deployment_id, 0),
            refresh_from=now,
            checks=0,
            more=ranges,
            unless=_is_to_be_cancelled,
        )
        hit("live.placed")
        if written.job.state is not JobState.SUBMITTED:
            return written.job
        told = self.log_fields(written.job, model=batch.model, ranges=len(cuts))
        logger.info("a job runs request by request", extra=told)
        self.runtime.live_jobs_changed()
        return None

    async def _cut(self, lines: JobLines) -> tuple[CutRange, ...]:
        """The ranges of a shard, in the original of its file, which is kept from now on."""
        original = await self._originals.kept(lines.file)
        tile = lines.file.tile(lines.shard.root)
        if tile is None:
            raise InternalError(f"tile {lines.shard.root} of {lines.file.file.id} is gone")
        cutter = RangeCutter(lines_of(lines.shard, tile), start=tile.start)
        blocks = stored_blocks(self.runtime, original, tile.start, tile.start + tile.bytes)
        async with aclosing(blocks):
            async for block in blocks:
                await self.runtime.in_executor(cutter.feed, block)
        return await self.runtime.in_executor(cutter.finish)

    async def look(self, job: Job, batch: Batch) -> ProviderBatch:
        """How far a job is, in a provider's words. One that has ended then can get no more results."""
        progress = await self.runtime.storage.lines.progress(job.id)
        status = self._status(job, batch, progress)
        if status is None:
            return _snapshot(job, progress, BatchStatus.IN_PROGRESS)
        hit("live.closing")
        progress = await self.runtime.storage.lines.close(job.id)
        hit("live.closed")
        self.runtime.live_jobs_changed(closed=job.id)
        is_whole = progress.done >= progress.lines
        return _snapshot(job, progress, BatchStatus.COMPLETED if is_whole else status)

    def _status(self, job: Job, batch: Batch, progress: LineProgress) -> BatchStatus | None:
        """What a job is to end as now; None: it goes on."""
        if progress.done >= progress.lines:
            return BatchStatus.COMPLETED
        if batch.cancel_requested_at is not None or job.stop_requested_at is not None:
            return BatchStatus.CANCELLED
        return BatchStatus.EXPIRED if self.runtime.now() >= batch.expires_at else None


def _ranges(cuts: tuple[CutRange, ...], job: Job, batch: Batch, now: datetime) -> list[LineRange]:
    assert job.deployment_id is not None
    return [
        LineRange(
            job_id=job.id,
            seq=seq,
            batch_id=job.batch_id,
            owner=job.owner,
            deployment_id=job.deployment_id,
            first_line=cut.first_line,
            end_line=cut.end_line,
            lines=cut.lines,
            start=cut.start,
            bytes=cut.bytes,
            expires_at=batch.expires_at,
            next_check_at=now,
        )
        for seq, cut in enumerate(cuts)
    ]


def _snapshot(job: Job, progress: LineProgress, status: BatchStatus) -> ProviderBatch:
    """A live job as if a provider told of it. Its results are named by what they are."""
    ended, completed = status is not BatchStatus.IN_PROGRESS, progress.done - progress.failed
    assert job.snapshot is not None
    return ProviderBatch(
        id=job.id,
        status=status,
        created_at=job.snapshot.created_at,
        in_progress_at=job.snapshot.in_progress_at,
        counts=Counts(total=progress.lines, completed=completed, failed=progress.failed),
        output_file_id=job.id if ended and completed else None,
        error_file_id=job.id if ended and progress.failed else None,
    )


def _is_to_be_cancelled(current: BatchState) -> bool:
    return current.batch.cancel_requested_at is not None
