"""What may happen to a job, and what a change of jobs changes of their batch. Pure: `now` is passed.

waiting ──> submitting ──> submitted ──> ended ──> settled
   │            │ │            │
   │            │ └─> refused <┤        refused, watched: another job follows
   │            └──> unclear <─┤        failed: the content is wrong; settled in the end, if others ran
   │                  │   └───────────> submitted, when its tag is found
   └─> withdrawn      └─> watched ──> closed

A waiting job of a database that was restored may turn out to be sent already: unclear, or refused where a
later attempt was sent in its place. A batch that was adopted where no tags are told, and turns out to be
another one's, leaves its job unclear. A job that nobody can bring to its end within the end grace is
watched, and followed by one that is withdrawn or failed at once. A job whose lines were cut into two others
before anything of it ran, be it for a canary, is settled, without results. One that was adopted and had been
cancelled as a twin before, in a history that a restore has ended, is watched, and another one waits in its
place. A live job is submitted as it is placed: nothing is sent for the whole of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.batch_events import change_events
from litebatch_asgi.errors import StateConflict
from litebatch_asgi.fold import RANK, fold, refused_jobs
from litebatch_asgi.lifetimes import RESULTS_LIVE_SECONDS
from litebatch_asgi.models import (
    Batch,
    BatchChange,
    BatchState,
    Counts,
    File,
    Job,
    JobState,
    ProviderBatch,
    Shard,
    WaitingFor,
)
from litebatch_asgi.models.ids import job_id

TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    JobState.WAITING: frozenset(
        {
            JobState.SUBMITTING,
            JobState.SUBMITTED,
            JobState.UNCLEAR,
            JobState.REFUSED,
            JobState.WITHDRAWN,
            JobState.FAILED,
            JobState.SETTLED,
            JobState.WATCHED,
        }
    ),
    JobState.SUBMITTING: frozenset(
        {JobState.SUBMITTED, JobState.REFUSED, JobState.FAILED, JobState.UNCLEAR, JobState.WATCHED}
    ),
    JobState.UNCLEAR: frozenset({JobState.SUBMITTED, JobState.ENDED, JobState.WATCHED}),
    JobState.SUBMITTED: frozenset(
        {
            JobState.ENDED,
            JobState.REFUSED,
            JobState.FAILED,
            JobState.UNCLEAR,
            JobState.WATCHED,
            JobState.SETTLED,
        }
    ),
    JobState.ENDED: frozenset({JobState.SETTLED, JobState.WATCHED}),
    JobState.WATCHED: frozenset({JobState.CLOSED}),
    JobState.SETTLED: frozenset(),
    JobState.REFUSED: frozenset(),
    JobState.FAILED: frozenset({JobState.SETTLED}),
    JobState.WITHDRAWN: frozenset(),
    JobState.CLOSED: frozenset(),
}
"""Which state may follow which; what is not here cannot happen."""

_THROUGH = frozenset({JobState.ENDED, JobState.REFUSED, JobState.FAILED, JobState.WATCHED})
"""states that a deployment's last word leads to, or giving it up there"""
_ENDED_WITHOUT = (JobState.REFUSED, JobState.CLOSED)


def move(job: Job, state: JobState, *, due: datetime | None, **changes: Any) -> Job:
    """The job in its next state, its claim given back unless `changes` say otherwise.

    It is looked at again when it is `due`; None: never. No client's wish brings that forward unless
    `changes` say from when on. A snapshot in `changes` keeps the highest counts. Raises `StateConflict` if
    that state may not follow.
    """
    if state is not job.state and state not in TRANSITIONS[job.state]:
        raise StateConflict(f"{job.id}: {state} may not follow {job.state}")
    released: dict[str, Any] = {
        "claimed_by": None,
        "claimed_until": None,
        "next_check_at": due,
        "refresh_from": None,
    }
    snapshot: ProviderBatch | None = changes.get("snapshot")
    if snapshot is not None:
        changes["snapshot"] = snapshot.after(job.snapshot)
    return replace(job, state=state, **(released | changes))


def hurried(job: Job, batch: Batch, now: datetime) -> Job:
    """The job, due at once if it is to be cancelled and nobody has done anything about it yet."""
    is_wanted = batch.cancel_requested_at is not None or job.stop_requested_at is not None
    if is_wanted and job.state is JobState.SUBMITTED and job.cancel_sent_at is None:
        return replace(job, next_check_at=now, to_cancel=True)
    if batch.cancel_requested_at is None:
        return job
    return replace(job, next_check_at=now) if job.state is JobState.WAITING else job


def held(state: BatchState, claimed: Job) -> Job:
    """The job in the database that `claimed` is our claim on.

    Raises `StateConflict` if somebody has claimed it since.
    """
    for job in state.jobs:
        if job.id == claimed.id:
            if job.epoch == claimed.epoch:
                return job
            raise StateConflict(f"{job.id}: claimed by {job.claimed_by} since")
    raise StateConflict(f"{claimed.id} is gone")


def superseded(jobs: Iterable[Job], job: Job) -> tuple[Job, ...]:
    """The earlier attempts that say no more than `job` does: they ended without a result where it did.

    One ended attempt for each shard and deployment is enough, however long a batch has to wait.
    """
    if job.state not in (*_ENDED_WITHOUT, JobState.WATCHED):
        return ()
    return tuple(
        each
        for each in jobs
        if each.state in _ENDED_WITHOUT and each.attempt < job.attempt
        if (each.shard, each.deployment_id) == (job.shard, job.deployment_id)
    )


def give_up_at(batch: Batch, grace: timedelta) -> datetime:
    """From when on whatever stands in a batch's way is not waited for any more.

    So much later than its time is over, or than it was to be cancelled.
    """
    asked = batch.cancel_requested_at
    return (min(asked, batch.expires_at) if asked is not None else batch.expires_at) + grace


def first_attempt(
    batch_id: str, owner: str, shard: Shard, now: datetime, *, parent: int | None = None
) -> Job:
    """The job that a shard begins with, due at once; `parent`: the shard of the job that left its lines."""
    return Job(
        id=job_id(batch_id, shard.shard, 1),
        batch_id=batch_id,
        owner=owner,
        shard=shard.shard,
        root=shard.root,
        parent=parent,
        requests=shard.lines,
        tokens=shard.tokens,
        created_at=now,
        next_check_at=now,
        refresh_from=now,
    )


def next_attempt(job: Job, now: datetime, *, due: datetime | None, **changes: Any) -> Job:
    """The job that follows one which ended without a result."""
    values: dict[str, Any] = {
        "id": job_id(job.batch_id, job.shard, job.attempt + 1),
        "batch_id": job.batch_id,
        "owner": job.owner,
        "shard": job.shard,
        "root": job.root,
        "parent": job.parent,
        "attempt": job.attempt + 1,
        "requests": job.requests,
        "tokens": job.tokens,
        "copy_refusals": job.copy_refusals,
        "created_at": now,
        "next_check_at": due,
    }
    return Job(**(values | changes))


def batch_change(
    state: BatchState,
    now: datetime,
    *,
    jobs: Sequence[Job] = (),
    new_jobs: Sequence[Job] = (),
    batch: Batch | None = None,
    waiting_for: WaitingFor | None = None,
    **rest: Any,
) -> BatchChange:
    """What to write when `jobs` have moved: they, the batch folded anew, events of what is news.

    With the last of them the results are published, or the jobs are due whose lines have no rows yet.
    `waiting_for`: what the batch waits for, where its jobs do not tell.
    """
    jobs = [_ended(job, now) for job in jobs]
    written = {job.id: job for job in jobs}
    after = [written.get(job.id, job) for job in state.jobs] + list(new_jobs)
    refused = (job for job in refused_jobs(after) if job.next_check_at is None)
    owed = {job.id: replace(job, next_check_at=now) for job in refused}
    jobs = [*(owed.pop(job.id, job) for job in jobs), *owed.values()]
    folded = fold(batch or state.batch, [owed.get(job.id, job) for job in after], now)
    if waiting_for is not None and not folded.status.is_final:
        folded = replace(folded, waiting_for=waiting_for)
    folded = replace(folded, waiting_for=_going_on(state.batch.waiting_for, folded.waiting_for))
    if folded.status.is_final and not state.batch.status.is_final:
        folded, rest["files"] = _published(folded, (*state.results, *rest.get("files", ())), now)
    events = change_events(state, folded, jobs, rest.get("charges", ()), now, new_jobs=new_jobs)
    return BatchChange(batch=folded, jobs=tuple(jobs), new_jobs=tuple(new_jobs), events=events, **rest)


def _ended(job: Job, now: datetime) -> Job:
    """The job with when its deployment's last word came, if it has come now."""
    is_through = job.state in _THROUGH and job.deployment_id is not None
    return replace(job, ended_at=now) if is_through and job.ended_at is None else job


def _published(batch: Batch, files: Sequence[File], now: datetime) -> tuple[Batch, tuple[File, ...]]:
    """An ended batch with its result files, of several states of one the last; empty ones are given up."""
    lives = timedelta(seconds=batch.output_expires_after or RESULTS_LIVE_SECONDS)
    published: list[File] = []
    for file in {file.id: file for file in files}.values():
        if file.bytes:
            clock = {"created_at": now, "accepted_at": now, "expires_at": now + lives}
            published.append(replace(file, **clock))
        else:
            published.append(replace(file, expires_at=now))
    named = {file.id for file in published if file.accepted_at is not None}
    batch = replace(
        batch,
        output_file_id=batch.output_file_id if batch.output_file_id in named else None,
        error_file_id=batch.error_file_id if batch.error_file_id in named else None,
    )
    return batch, tuple(published)


def _going_on(was: WaitingFor | None, waiting: WaitingFor | None) -> WaitingFor | None:
    """What is waited for, with what was waited for before."""
    if was is None or waiting is None:
        return waiting
    known = dict.fromkeys((*was.earlier, was.reason))
    return replace(waiting, earlier=tuple(each for each in known if each != waiting.reason))


class Sight(Enum):
    """What the sight of a provider's batch means for the job that runs there."""

    QUIET = auto()
    """it is as it was, or as it was before: a list may lag"""
    NEWS = auto()
    """it goes on"""
    END = auto()
    """it has ended"""


def sight_of(job: Job, seen: ProviderBatch) -> Sight:
    """What a batch in a list means for a submitted job."""
    if seen.status.is_final:
        return Sight.END
    before = job.snapshot
    if before is None or seen == before:
        return Sight.NEWS if before is None else Sight.QUIET
    return Sight.QUIET if _progress(seen) < _progress(before) else Sight.NEWS


def _progress(batch: ProviderBatch) -> tuple[int, int]:
    counts = batch.counts or Counts()
    rank = RANK.index(batch.status) if batch.status in RANK else len(RANK)
    return rank, counts.completed + counts.failed


def grid_point(now: datetime, *, floor: float, interval: float, phase: float) -> datetime:
    """The moment at which jobs that are looked at every `interval` seconds are all looked at together.

    At least half of the interval and nine tenths of the provider's floor away, and less than two intervals.
    """
    pause = max(interval / 2, 0.9 * floor)
    since = now.timestamp() - phase % interval
    steps = math.ceil((since + pause) / interval)
    return now + timedelta(seconds=steps * interval - since)


def poll_delay(checks: int, *, floor: float, ceiling: float, chance: float, growth: float = 1.5) -> float:
    """Seconds until the next look: longer after each look without news, never below `floor`.

    `chance`, from 0 to 1, adds up to a tenth, so that batches made together are not looked at together.
    """
    delay = min(floor * growth ** min(checks, 40), max(ceiling, floor))
    return delay * (1 + chance / 10)
