"""Canaries: a few requests of a batch are run live before all others. Pure: `now` is passed.

The shards that a batch began with are cut in two each: the requests of the canary, spread evenly over the
batch, and all others. Whatever is no canary waits until these have ended. If all of them have failed for
good, nothing else is run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from enum import Enum, auto

from litebatch_asgi.fold import current_jobs
from litebatch_asgi.models import Batch, Job, JobState, Settings
from litebatch_asgi.rescue import CANARY, CANARY_CUT

_THROUGH = frozenset({JobState.SETTLED, JobState.WITHDRAWN})


class CanaryStep(Enum):
    """What a waiting job does about the canary of its batch."""

    CUT = auto()
    """it is cut into requests of the canary and others"""
    WAIT = auto()
    """it waits for the canary"""
    FAIL = auto()
    """it is not run"""
    GO = auto()
    """it is placed, without regard to the canary"""
    TRY = auto()
    """it is the canary, and is placed at a live deployment"""
    LET_GO = auto()
    """it was the canary, and has become a job as any other"""


def canary_size(batch: Batch, settings: Settings) -> int:
    """How many requests of a batch are run first; 0: none, for nobody wants it, or it has not more."""
    asked = batch.options.canary if batch.options is not None else None
    size = settings.canary if asked is None else asked
    return size if size < batch.counts.total else 0


def is_asked_for(batch: Batch) -> bool:
    """Whether the batch itself asks for a canary, whatever the settings say."""
    return batch.options is not None and bool(batch.options.canary)


def canary_until(batch: Batch, settings: Settings) -> datetime:
    """How long a batch waits for its canary at the most."""
    return batch.created_at + timedelta(seconds=settings.canary_wait_seconds)


def canary_lines(job: Job, jobs: Iterable[Job], size: int) -> list[int]:
    """Which of the requests of a job, counted from 0, are of the canary of its batch.

    `jobs` are all of the batch. None of a job whose lines were other jobs' before.
    """
    first = {each.root: each.requests for each in jobs if each.parent is None}
    if job.parent is not None:
        return []
    total, before = sum(first.values()), sum(count for root, count in first.items() if root < job.root)
    chosen = ((2 * number + 1) * total // (2 * size) - before for number in range(size))
    return [index for index in chosen if 0 <= index < job.requests]


def is_rest(job: Job, jobs: Iterable[Job]) -> bool:
    """Whether a job runs what was left of the shard of a new batch when its canary was cut out."""
    return job.reason != CANARY and any(
        each.shard == job.parent and each.reason == CANARY_CUT for each in jobs
    )


def step_of(job: Job, jobs: Collection[Job], now: datetime, *, size: int, until: datetime) -> CanaryStep:
    """What a waiting job is to do.

    Args:
        job: one of `jobs`.
        jobs: all of the batch.
        size: how many requests a canary that is yet to be cut out is to have; 0: there is to be none.
        until: when the time for the canary is over.

    """
    is_over = now >= until
    if job.reason == CANARY:
        return CanaryStep.LET_GO if is_over else CanaryStep.TRY
    current = current_jobs(jobs)
    canaries = [each for each in current if each.reason == CANARY]
    has_begun = any(each.submit_started_at is not None and each.reason != CANARY for each in jobs)
    is_cut = size > 0 and not is_over and not has_begun
    if is_cut and canary_lines(job, jobs, size):
        return CanaryStep.CUT
    if not is_over and any(each.state not in _THROUGH for each in canaries):
        return CanaryStep.WAIT
    if is_cut and any(_is_uncut(each) and canary_lines(each, jobs, size) for each in current):
        return CanaryStep.WAIT
    return CanaryStep.FAIL if _has_failed(canaries) and not has_begun else CanaryStep.GO


def _is_uncut(job: Job) -> bool:
    return job.parent is None and job.state is JobState.WAITING


def _has_failed(canaries: Collection[Job]) -> bool:
    """Whether all of their requests have failed for good, and none is tried elsewhere."""
    outcomes = [each.outcome for each in canaries if each.state is JobState.SETTLED]
    return (
        bool(canaries)
        and len(outcomes) == len(canaries)
        and all(
            outcome is not None
            and not outcome.counts.completed
            and not (outcome.handed_on or outcome.cancelled or outcome.expired)
            for outcome in outcomes
        )
    )
