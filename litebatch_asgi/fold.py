"""Folding: what a batch is, seen from its jobs. Pure: `now` is passed.

A batch waits for the newest attempt of each of its shards. What it ends as comes from lines, not from jobs:
lines that were left undone because it was cancelled make it `cancelled`, those that were left undone because
its time was over `expired`; otherwise it is `completed`. It has `failed` where nothing ran at all, for its
content was refused, where lines of it are lost with its input, or where nothing of it was sent on, for all
requests of its canary have failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.models import (
    Batch,
    BatchError,
    BatchState,
    BatchStatus,
    Counts,
    DeploymentWait,
    Job,
    JobState,
    Outcome,
    Usage,
    WaitingFor,
    WaitReason,
)
from litebatch_asgi.models.provider import MOST_ERRORS
from litebatch_asgi.rescue import CANARY_FAILED, CUTS

_NOT_SENT = frozenset({JobState.WAITING, JobState.SUBMITTING})
_DONE = frozenset({JobState.SETTLED, JobState.WITHDRAWN, JobState.FAILED})
RANK = (BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING)
"""the statuses that an open batch goes through, unless it is cancelled"""
_ENTERED_AT = {
    BatchStatus.IN_PROGRESS: "in_progress_at",
    BatchStatus.FINALIZING: "finalizing_at",
    BatchStatus.COMPLETED: "completed_at",
    BatchStatus.FAILED: "failed_at",
    BatchStatus.EXPIRED: "expired_at",
    BatchStatus.CANCELLING: "cancelling_at",
    BatchStatus.CANCELLED: "cancelled_at",
}


def fold(batch: Batch, jobs: Iterable[Job], now: datetime) -> Batch:
    """The batch as its jobs make it: status, timestamps, where it is, counts, usage and errors.

    What it waits for is told by a job that is not clear, or that has not left all results. While one waits
    for a deployment it stays what it was; otherwise the batch waits for nothing.

    A status never goes back, and nothing follows a final one.
    """
    if batch.status.is_final:
        return batch
    current = current_jobs(jobs)
    status = _status(batch, current)
    running = [job for job in current if job.state not in _DONE]
    changes: dict[str, Any] = {
        "deployment_id": _place(running) or _place(current),
        "waiting_for": None if status.is_final else _waiting_for(batch, current),
        "counts": _counts(current),
        "usage": _usage(current),
    }
    if status is BatchStatus.FAILED:
        changes["errors"] = _errors(current) or batch.errors
    return _enter(replace(batch, **changes), status, current, now)


def current_jobs(jobs: Iterable[Job]) -> list[Job]:
    """The newest attempt at each shard: the one that the batch waits for or ended with."""
    newest: dict[int, Job] = {}
    for job in jobs:
        if job.shard not in newest or job.attempt > newest[job.shard].attempt:
            newest[job.shard] = job
    return [newest[shard] for shard in sorted(newest)]


def ends(state: BatchState, moved: Iterable[Job], now: datetime) -> bool:
    """Whether a batch ends once these of its jobs, new ones among them, are as they are given."""
    jobs = {job.id: job for job in (*state.jobs, *moved)}
    return fold(state.batch, jobs.values(), now).status.is_final


def refused_jobs(jobs: Iterable[Job]) -> list[Job]:
    """Those whose content was refused and whose lines have no rows yet, once all others are through.

    None where nothing else ran: the batch has failed then, and leaves no rows.
    """
    current = current_jobs(jobs)
    if any(job.state not in _DONE for job in current) or _nothing_ran(current):
        return []
    return [job for job in current if job.state is JobState.FAILED and job.outcome is None]


def _status(batch: Batch, current: Sequence[Job]) -> BatchStatus:
    running = [job for job in current if job.state not in _DONE]
    if running:
        return _running_status(batch, current, running)
    if _nothing_ran(current) or any(_is_lost(job) for job in current):
        return BatchStatus.FAILED
    if any(job.state is JobState.FAILED for job in current):
        status = _running_status(batch, current, ())
        return status if status is BatchStatus.CANCELLING else BatchStatus.FINALIZING
    outcomes = [_outcome(batch, job) for job in current]
    if any(outcome.cancelled for outcome in outcomes):
        return BatchStatus.CANCELLED
    if any(outcome.expired for outcome in outcomes):
        return BatchStatus.EXPIRED
    has_failed = any(job.reason == CANARY_FAILED for job in current)
    is_failed = has_failed and not any(outcome.counts.completed for outcome in outcomes)
    return BatchStatus.FAILED if is_failed else BatchStatus.COMPLETED


def _running_status(batch: Batch, current: Sequence[Job], running: Sequence[Job]) -> BatchStatus:
    if batch.cancel_requested_at is not None:
        is_read = batch.status is BatchStatus.FINALIZING and all(
            job.state is JobState.ENDED for job in running
        )
        return BatchStatus.FINALIZING if is_read else BatchStatus.CANCELLING
    ranks = [RANK.index(_status_of(job)) for job in running]
    has_run = any(ranks) or any(_has_settled(job) for job in current)
    reached = 2 if min(ranks, default=0) == len(RANK) - 1 else int(has_run)
    before = RANK.index(batch.status) if batch.status in RANK else 0
    return RANK[max(reached, before)]


def _status_of(job: Job) -> BatchStatus:
    """What the batch would be if it had this running job alone."""
    if job.state is JobState.ENDED:
        return BatchStatus.IN_PROGRESS if job.may_hand_on else BatchStatus.FINALIZING
    if job.state is not JobState.SUBMITTED:
        return BatchStatus.VALIDATING
    assert job.snapshot is not None
    # cancelled at the provider: to the client it runs until it has ended
    return job.snapshot.status if job.snapshot.status in RANK else BatchStatus.IN_PROGRESS


def _errors(current: Sequence[Job]) -> tuple[BatchError, ...]:
    """Why a batch has failed. All that a canary kept from running say the same."""
    failed = (job for job in current if job.state is JobState.FAILED or job.reason == CANARY_FAILED)
    told = dict.fromkeys(job.errors for job in failed)
    return tuple(chain.from_iterable(told))[:MOST_ERRORS]


def _nothing_ran(current: Sequence[Job]) -> bool:
    return all(job.state is JobState.FAILED or _is_cut(job) for job in current)


def _has_settled(job: Job) -> bool:
    return job.state is JobState.SETTLED and not _is_cut(job)


def _is_cut(job: Job) -> bool:
    """Whether others have its lines, of which it has run none."""
    return job.state is JobState.SETTLED and job.reason in CUTS


def _is_lost(job: Job) -> bool:
    """Whether its lines will have no rows, for they cannot be read any more."""
    return job.state is JobState.FAILED and job.outcome is not None


def _outcome(batch: Batch, job: Job) -> Outcome:
    """Of a job that is through. One that was withdrawn by an earlier version tells none."""
    if job.outcome is not None or job.state is not JobState.WITHDRAWN:
        return job.outcome or Outcome(counts=Counts(total=job.requests))
    is_cancelled = batch.cancel_requested_at is not None
    return Outcome(
        counts=Counts(total=job.requests, failed=job.requests),
        cancelled=job.requests if is_cancelled else 0,
        expired=0 if is_cancelled else job.requests,
    )


def _place(jobs: Iterable[Job]) -> str | None:
    return next((job.deployment_id for job in jobs if job.deployment_id is not None), None)


def _waiting_for(batch: Batch, current: Sequence[Job]) -> WaitingFor | None:
    for job in current:
        reason = _told_by(job)
        if reason is not None and job.deployment_id is not None:
            there = DeploymentWait(reason=reason.value, until=job.search_until)
            return WaitingFor(
                reason=reason.value, until=job.search_until, deployments={job.deployment_id: there}
            )
    return batch.waiting_for if any(job.state in _NOT_SENT for job in current) else None


def _told_by(job: Job) -> WaitReason | None:
    if job.state is JobState.UNCLEAR:
        return WaitReason.UNCLEAR
    is_short = job.state is JobState.ENDED and (job.checks > 0 or bool(job.reads))
    return WaitReason.RESULTS if is_short else None


def _counts(current: Sequence[Job]) -> Counts:
    """Counted rows of what is settled, and what providers tell of the rest."""
    counts = Counts()
    for job in current:
        if job.outcome is not None and job.state is not JobState.FAILED:
            counts += job.outcome.counts
            continue
        told = job.snapshot.counts if job.snapshot is not None else None
        completed = min(told.completed, job.requests) if told else 0
        failed = min(told.failed, job.requests - completed) if told else 0
        counts += Counts(total=job.requests, completed=completed, failed=failed)
    return counts


def _usage(current: Sequence[Job]) -> Usage | None:
    """Of what is settled; None: nothing is, or no row tells."""
    told = [job.outcome.usage for job in current if job.outcome is not None and job.outcome.usage is not None]
    return sum(told, Usage()) if told else None


def _enter(batch: Batch, status: BatchStatus, current: Sequence[Job], now: datetime) -> Batch:
    if status is batch.status:
        return batch
    passed = [status]
    if status in (BatchStatus.FINALIZING, BatchStatus.COMPLETED):
        passed = list(RANK[1 : RANK.index(status) if status in RANK else None]) + passed
    times: dict[str, datetime] = {}
    for step in passed:
        name = _ENTERED_AT[step]
        if getattr(batch, name) is None:
            times[name] = _told(current, name, batch.created_at, now)
    return replace(batch, status=status, **times)


def _told(current: Sequence[Job], name: str, earliest: datetime, now: datetime) -> datetime:
    """The provider's own time where it told one that can be true, the last of several ends; else now."""
    if name not in ("in_progress_at", "finalizing_at"):
        return now
    told = [getattr(job.snapshot, name) for job in current if job.snapshot is not None]
    times: list[datetime] = [time for time in told if time is not None]
    if not times:
        return now
    time = max(times) if name == "finalizing_at" else min(times)
    return min(max(time, earliest), now)
