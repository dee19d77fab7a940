"""The jobs of a batch, as its owner may see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from litebatch_asgi.models import BatchState, Counts, Job, JobState, Lane
from litebatch_asgi.rescue import CANARY


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt to run lines of a batch at one deployment."""

    shard: int
    """whose lines it runs: one that the input was cut into, counted from 0, or one of what was left undone"""
    root: int
    """the one that the input was cut into whose lines these are: the same, unless they were left undone"""
    attempt: int
    """counted from 1 within the shard"""
    lane: Lane
    """how it runs"""
    is_canary: bool
    """whether its lines are run before all others"""
    state: JobState
    counts: Counts
    """as they were settled, or as its provider has told last"""
    is_stopping: bool
    """whether it is to stop and has not yet"""
    created_at: datetime
    submitted_at: datetime | None
    """when its provider was asked"""
    id: str | None = None
    """for admins alone, as is what follows"""
    deployment_id: str | None = None
    reason: str | None = None
    """why it ended as it did"""


_OPEN = frozenset({JobState.SUBMITTING, JobState.UNCLEAR, JobState.SUBMITTED})


def job_views(state: BatchState, *, for_admin: bool) -> Sequence[JobView]:
    """The jobs of a batch in order of shard and attempt."""
    return [_view(job, for_admin=for_admin) for job in state.jobs]


def _view(job: Job, *, for_admin: bool) -> JobView:
    view = JobView(
        shard=job.shard,
        root=job.root,
        attempt=job.attempt,
        lane=job.lane,
        is_canary=job.reason == CANARY,
        state=job.state,
        counts=_counts(job),
        is_stopping=job.stop_requested_at is not None and job.state in _OPEN,
        created_at=job.created_at,
        submitted_at=job.submit_started_at,
    )
    if not for_admin:
        return view
    return msgspec.structs.replace(view, id=job.id, deployment_id=job.deployment_id, reason=job.reason)


def _counts(job: Job) -> Counts:
    told = job.snapshot.counts if job.snapshot is not None else None
    if job.outcome is not None:
        told = job.outcome.counts
    told = told or Counts()
    return Counts(total=job.requests, completed=told.completed, failed=told.failed)
