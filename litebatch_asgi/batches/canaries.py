"""Canaries: what a waiting job does about the requests of its batch that are run before all others."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.batches.endings import JobEndings
from litebatch_asgi.batches.handing_on import HandingOn
from litebatch_asgi.batches.lines import JobLines
from litebatch_asgi.batches.work import JobWork
from litebatch_asgi.canary import (
    CanaryStep,
    canary_lines,
    canary_size,
    canary_until,
    is_asked_for,
    step_of,
)
from litebatch_asgi.errors import RequestError
from litebatch_asgi.failpoints import hit
from litebatch_asgi.fold import current_jobs
from litebatch_asgi.jsonl import row_failure
from litebatch_asgi.models import (
    Batch,
    BatchError,
    BatchState,
    Counts,
    FileKind,
    FileState,
    Job,
    JobState,
    Outcome,
    WaitingFor,
    WaitReason,
)
from litebatch_asgi.models.provider import MOST_ERRORS
from litebatch_asgi.rescue import CANARY, CANARY_CUT, CANARY_FAILED, CANARY_OVERDUE
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)


class Canaries(JobWork):
    """Has the requests of canaries run first, and tells other jobs what became of them."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._endings = JobEndings(runtime)
        self._handing_on = HandingOn(runtime)

    def size(self, batch: Batch) -> int:
        """How many requests of a batch that begins now are run first; 0: none.

        A live deployment that is drained is not waited for unless the batch asks for a canary.
        """
        fleet = self.runtime.fleet
        live = set(filter(fleet.is_live, fleet.deployments_for(batch.model)))
        if not is_asked_for(batch):
            live -= self.runtime.presence.drained
        return canary_size(batch, self.runtime.settings) if live else 0

    def waiting_for(self, batch: Batch) -> WaitingFor:
        """That a batch waits for its canary."""
        return WaitingFor(reason=WaitReason.CANARY.value, until=canary_until(batch, self.runtime.settings))

    def step(self, job: Job, state: BatchState) -> CanaryStep:
        """What a waiting job is to do."""
        batch, settings = state.batch, self.runtime.settings
        until = canary_until(batch, settings)
        return step_of(job, state.jobs, self.runtime.now(), size=self.size(batch), until=until)

    async def hold_back(self, step: CanaryStep, job: Job, state: BatchState, lines: JobLines) -> bool:
        """Keep a waiting job that is ours from being placed, where `step` says so; whether it does.

        It is given back, or has come to its end.
        """
        batch, now = state.batch, self.runtime.now()
        match step:
            case CanaryStep.CUT:
                await self._cut(job, state, lines)
            case CanaryStep.WAIT:
                await self._wait(job, batch)
            case CanaryStep.FAIL:
                await self._fail(job, state, lines.file)
            case CanaryStep.LET_GO:
                logger.warning("a batch goes on without its canary", extra=self.log_fields(job))
                await self.write(job, JobState.WAITING, due=now, reason=CANARY_OVERDUE, checks=0)
                self.runtime.wake()
            case _:
                return False
        return True

    async def _wait(self, job: Job, batch: Batch) -> None:
        now = self.runtime.now()
        due = self.runtime.next_look(now, None, job.checks)
        due = max(now, min(due, canary_until(batch, self.runtime.settings), batch.expires_at))
        waiting = self.waiting_for(batch)
        await self.write(job, job.state, due=due, checks=job.checks + 1, waiting_for=waiting)

    async def _cut(self, job: Job, state: BatchState, lines: JobLines) -> None:
        """Put two jobs in the place of one: the requests of the canary, and all others of its lines."""
        indexes = canary_lines(job, state.jobs, self.size(state.batch))
        if not indexes:  # its live deployment is drained since
            await self._wait(job, state.batch)
            return
        try:
            canary, *others = await self._handing_on.parted(job, lines, indexes)
        except RequestError as error:
            logger.warning("no canary can be cut out", extra=self.log_fields(job, error=error.message))
            await self._wait(job, state.batch)
            return
        hit("canary.derived")
        parts = (replace(canary, job=replace(canary.job, reason=CANARY)), *others)
        new = {
            "new_shards": tuple(each.shard for each in parts),
            "new_jobs": tuple(each.job for each in parts),
        }

        def more(*_: BatchState | Job | None) -> dict[str, Any]:
            return dict(new)

        await self.write(
            job,
            JobState.SETTLED,
            due=None,
            reason=CANARY_CUT,
            outcome=Outcome(counts=Counts(), handed_on=job.requests),
            more=more,
            waiting_for=self.waiting_for(state.batch),
        )
        hit("canary.cut")
        logger.info("some requests are run first", extra=self.log_fields(job, requests=len(indexes)))
        self.runtime.wake()

    async def _fail(self, job: Job, state: BatchState, file: FileState) -> None:
        """End a job that is not run, for all requests of the canary have failed."""
        canaries = [each for each in current_jobs(state.jobs) if each.reason == CANARY]
        found = await self._failures(canaries, file)
        tried = sum(each.requests for each in canaries)
        first = found[0].message if found else None
        summary = BatchError(
            code=CANARY_FAILED,
            message=f"{_tried(tried)} failed: the other {state.batch.counts.total - tried} were not run. "
            f"The first one: {first or 'no reason is known'}",
        )
        hit("canary.failing")
        await self._endings.failed(job, (summary, *found[: MOST_ERRORS - 1]))
        hit("canary.failed")
        logger.warning("a batch has failed by its canary", extra=self.log_fields(job))

    async def _failures(self, canaries: Iterable[Job], file: FileState) -> list[BatchError]:
        """How the requests of canaries have failed, in the order of the file; the first ones of many."""
        found: list[BatchError] = []
        for job in sorted(canaries, key=lambda each: each.root):
            tile, after = file.tile(job.root), -1
            while len(found) < MOST_ERRORS:
                rows = await self.runtime.storage.lines.rows(job.id, FileKind.ERROR, after=after)
                if not rows:
                    break
                after = rows[-1].line
                for row in rows:
                    told = row_failure(row.row)
                    said = (str(told.status) if told.status is not None else None, told.message)
                    message = ": ".join(each for each in said if each) or None
                    line = tile.first_line + row.line + 1 if tile is not None else None
                    found.append(BatchError(code=told.code, message=message, line=line))
        return found


def _tried(count: int) -> str:
    return f"All {count} requests that were run first" if count > 1 else "The one request that was run first"
