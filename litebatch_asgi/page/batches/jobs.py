"""The jobs of a batch: which lines ran where, and what came of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import htpy as h
from htpy import Node

from litebatch_asgi.batches import JobView
from litebatch_asgi.models import JobState, Lane
from litebatch_asgi.page.parts import Column, ago, chip, progress, table, told
from litebatch_asgi.page.visit import Visit

_MOST = 50
_LIKE: Mapping[JobState, str] = MappingProxyType(
    {
        JobState.SUBMITTED: "in_progress",
        JobState.SUBMITTING: "in_progress",
        JobState.ENDED: "finalizing",
        JobState.SETTLED: "completed",
        JobState.WAITING: "waiting",
        JobState.UNCLEAR: "waiting",
        JobState.WATCHED: "waiting",
        JobState.FAILED: "failed",
        JobState.REFUSED: "failed",
    }
)
"""statuses of batches that have the colour of a state"""
_COLUMNS = ("Shard", "Attempt", "State", "Progress", Column("Done", is_number=True), "Sent")


def jobs_part(visit: Visit, jobs: Sequence[JobView]) -> Node:
    """A table of jobs, the last attempt at each shard first; of many those that have not ended."""
    shown = sorted(jobs, key=lambda job: (job.root, job.shard != job.root, job.shard, -job.attempt))
    if len(jobs) > _MOST:
        shown = sorted(shown, key=_is_over)[:_MOST]
    columns: tuple[Column | str, ...] = _COLUMNS
    if visit.principal.is_admin:
        columns += ("Deployment", "Why") if any(job.reason for job in shown) else ("Deployment",)
    return [
        h.p(".dim")[_summary(jobs)] if len(jobs) > 1 else None,
        table("Jobs", columns, [_row(visit, job)[: len(columns)] for job in shown]),
        h.p(".dim")[f"{len(jobs) - _MOST:,} more are not shown."] if len(jobs) > _MOST else None,
    ]


def _row(visit: Visit, job: JobView) -> list[Node]:
    counts = job.counts
    cells: list[Node] = [
        _shard(job),
        str(job.attempt),
        _state(job),
        progress(counts.completed, counts.failed, counts.total),
        f"{counts.completed:,} / {counts.total:,}",
        ago(job.submitted_at, visit.now),
    ]
    if visit.principal.is_admin:
        cells += [told(each) if each else None for each in (job.deployment_id, job.reason)]
    return cells


def _shard(job: JobView) -> str:
    if job.shard == job.root:
        return str(job.root)
    return f"canary of {job.root}" if job.is_canary else f"rest of {job.root}"


def _state(job: JobView) -> Node:
    state = chip("cancelling", "stopping") if job.is_stopping else chip(_LIKE.get(job.state, ""), job.state)
    return [state, " ", h.span(".dim")["live"]] if job.lane is Lane.LIVE else state


def _is_over(job: JobView) -> bool:
    return job.state in (JobState.SETTLED, JobState.REFUSED, JobState.WITHDRAWN, JobState.CLOSED)


def _summary(jobs: Sequence[JobView]) -> str:
    """Such as `12 jobs: 10 settled, 2 submitted`."""
    states = Counter(str(job.state) for job in jobs)
    return f"{len(jobs):,} jobs: {', '.join(f'{count:,} {state}' for state, count in states.most_common())}"
