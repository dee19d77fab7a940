"""The seam to jobs as operators see them: over all batches.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from litebatch_asgi.models import Job, JobState, Outcome

_REFUSED = frozenset({JobState.REFUSED, JobState.WATCHED, JobState.CLOSED})


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs to list."""

    batch_id: str | None = None
    """all jobs of this batch; None: those of every batch that somebody has to look at again"""
    deployment_id: str | None = None
    """of these, those at this deployment"""
    states: frozenset[JobState] = frozenset()
    """of these, those in one of these states; empty: in any"""
    after: str | None = None
    """the id of the last job of the page before"""
    limit: int


class EndedJob(msgspec.Struct, frozen=True, kw_only=True):
    """What is counted of a job that a deployment is through with, or did not take."""

    state: JobState
    submit_started_at: datetime | None
    ended_at: datetime
    is_cut_short: bool
    """somebody wanted it stopped or cancelled"""
    outcome: Outcome | None


class DeploymentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How a deployment did with its last jobs."""

    settled: int
    """jobs whose results were read"""
    refused: int
    """jobs that it did not take or gave back undone, and such as were given up there as unclear"""
    failed: int
    """jobs whose content it refused"""
    completed_requests: int
    """of settled jobs"""
    failed_requests: int
    """that it has run without success; those that were handed on count by themselves"""
    handed_on_requests: int
    """that were left to other jobs: failed ones that are tried anew, and such as it left undone"""
    p50_seconds: float | None
    """from when a settled job was sent until it was seen that the deployment is through with it

    Of half of the jobs that nobody has stopped or cancelled it was no more; None: there are none.
    """
    p95_seconds: float | None
    """likewise, of 95 in 100"""
    since: datetime | None
    """when the first of these jobs ended; None: there are none"""
    settled_at: datetime | None
    """when the last one of the settled jobs ended; None: there are none"""
    busy_seconds: float
    """in which one or more of the settled jobs were there, but for such as were cut short with nothing run"""

    @property
    def executed_requests(self) -> int:
        """Those that it has run, with or without success."""
        return self.completed_requests + self.failed_requests


class JobStore(Protocol):
    """Reads jobs; `Storage.change_batch` writes them.

    Every method may raise `StorageUnavailable`, and does when the storage is not open.
    """

    async def get(self, job_id: str) -> Job | None:
        """One job; None: it is not there."""
        ...

    async def list(self, query: JobQuery) -> list[Job]:
        """At most `limit` jobs in order of their ids, descending: those of the newest batches first."""
        ...

    async def records(self, deployment_ids: Collection[str], *, most: int) -> dict[str, DeploymentRecord]:
        """How each of these deployments did with its last `most` jobs, by when they ended.

        Jobs count that have an `ended_at`, but for those whose results are still to be read.
        """
        ...


def record_of(ended: Sequence[EndedJob]) -> DeploymentRecord:
    """What jobs of a deployment come to."""
    outcomes = [job.outcome for job in ended if job.outcome is not None]
    seconds = sorted(
        max(0.0, (job.ended_at - job.submit_started_at).total_seconds())
        for job in ended
        if job.state is JobState.SETTLED and job.submit_started_at is not None and not job.is_cut_short
    )
    return DeploymentRecord(
        settled=sum(job.state is JobState.SETTLED for job in ended),
        refused=sum(job.state in _REFUSED for job in ended),
        failed=sum(job.state is JobState.FAILED for job in ended),
        completed_requests=sum(outcome.counts.completed for outcome in outcomes),
        failed_requests=sum(max(0, outcome.executed - outcome.counts.completed) for outcome in outcomes),
        handed_on_requests=sum(outcome.handed_on for outcome in outcomes),
        p50_seconds=_percentile(seconds, 50),
        p95_seconds=_percentile(seconds, 95),
        since=min((job.ended_at for job in ended), default=None),
        settled_at=max((job.ended_at for job in ended if job.state is JobState.SETTLED), default=None),
        busy_seconds=_busy_seconds(ended),
    )


def _busy_seconds(ended: Sequence[EndedJob]) -> float:
    spans = [
        (job.submit_started_at, job.ended_at)
        for job in ended
        if job.state is JobState.SETTLED and job.submit_started_at is not None and _tells_pace(job)
    ]
    seconds, until = 0.0, None
    for began, ended_at in sorted(spans):
        since = began if until is None else max(began, until)
        if ended_at > since:
            seconds += (ended_at - since).total_seconds()
            until = ended_at
    return seconds


def _tells_pace(job: EndedJob) -> bool:
    return not job.is_cut_short or (job.outcome is not None and job.outcome.executed > 0)


def _percentile(ordered: Sequence[float], percent: int) -> float | None:
    """By the nearest rank."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else None
