"""When a job's unfinished lines are handed on to another deployment. Pure: `now` is passed.

The jobs that have had some lines one after the other are their lineage. What is handed on has one more.

A job is judged at a look, with the snapshot that the look gave: what is older says nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from litebatch_asgi.models import (
    Batch,
    BatchOptions,
    BatchStatus,
    Job,
    JobState,
    ProviderBatch,
    Settings,
    StopReason,
)

HALVED = "halved"
"""`Job.reason`: nothing of it ran, and two jobs have its lines in its place"""
CANARY_CUT = "cut_for_canary"
"""`Job.reason`: nothing of it ran, and two jobs have its lines, those of its canary and all others"""
CANARY = "canary"
"""`Job.reason`: its lines are tried before others of its batch run, see `litebatch_asgi.canary`"""
CANARY_OVERDUE = "canary_overdue"
"""`Job.reason`: the same, of one that no deployment has taken in time: it is one as any other now"""
CANARY_FAILED = "canary_failed"
"""`Job.reason`: nothing of it ran, for all that was tried before has failed"""
CUTS = frozenset({HALVED, CANARY_CUT})
GONE = "gone"
"""`Job.reason`: no process has its deployment any more, and another one runs its lines"""

_LEADS_PER_WINDOW = 6
_QUARTER = 4
_HALF = 2
_LOOKS_MISSED = 5
_UNDONE = frozenset({BatchStatus.EXPIRED, BatchStatus.CANCELLED, BatchStatus.FAILED})
_HAS_USED = frozenset(
    {
        JobState.SUBMITTING,
        JobState.UNCLEAR,
        JobState.SUBMITTED,
        JobState.ENDED,
        JobState.SETTLED,
        JobState.WATCHED,
    }
)


class RescueRules(msgspec.Struct, frozen=True, kw_only=True):
    """What is allowed of a batch. Times are in seconds."""

    rescue: bool = True
    lead_seconds: float = 14_400.0
    """so long before a batch expires it is asked whether its jobs are late; at most a sixth of its window"""
    max_rescues: int = 3
    """of each tile"""
    row_retries: int = 1
    min_retry_rows: int = 100
    at_expiry: Literal["wait", "stop"] = "wait"
    end_grace_seconds: float = 86_400.0
    """how long after its batch's time a job that stands still is left to its provider"""


class HandOn(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines of an ended job are held back from its results, to run once more."""

    not_executed: bool = False
    """those whose rows say that they were not executed"""
    retryable: bool = False
    """those that failed for a passing reason"""
    missing: bool = False
    """those that have no row, once that is sure"""

    @property
    def is_any(self) -> bool:
        """Whether there are any."""
        return self.not_executed or self.retryable or self.missing


NOTHING = HandOn()


def rescue_rules(settings: Settings, options: BatchOptions | None, job: Job | None = None) -> RescueRules:
    """The rules of a batch: what its options leave open, the settings say.

    What a canary (`job`) leaves undone may run elsewhere in any case: it was to run there without a canary.
    """
    own = options or BatchOptions()
    rules = RescueRules(
        rescue=settings.rescue if own.rescue is None else own.rescue,
        lead_seconds=settings.rescue_lead_seconds,
        max_rescues=settings.max_rescues,
        row_retries=settings.row_retries if own.row_retries is None else own.row_retries,
        min_retry_rows=settings.min_retry_rows,
        at_expiry=own.at_expiry or settings.at_expiry,
        end_grace_seconds=settings.end_grace_seconds,
    )
    if job is None or job.reason != CANARY:
        return rules
    return replace(
        rules,
        rescue=True,
        max_rescues=max(1, rules.max_rescues),
        row_retries=max(1, rules.row_retries),
        min_retry_rows=1,
    )


def lineage(jobs: Iterable[Job], job: Job) -> list[Job]:
    """The jobs that have run the lines of a job or were to run them, itself included.

    They are the attempts at its shard, and at those that were left undone before until it came of them.
    """
    every = list(jobs)
    parents = {each.shard: each.parent for each in every}
    shards, shard = [job.shard], job.parent
    while shard is not None and shard not in shards:
        shards.append(shard)
        shard = parents.get(shard)
    return [each for each in every if each.shard in shards]


def used_deployments(lineage: Iterable[Job]) -> frozenset[str]:
    """The deployments that a lineage was submitted to, or may have been.

    One that refused a job, that never got it, or that could not take so much is not among them.
    """
    return frozenset(
        job.deployment_id
        for job in lineage
        if job.deployment_id is not None and job.reason not in CUTS
        if job.state in _HAS_USED or (job.state is JobState.CLOSED and job.provider_batch_id is not None)
    )


def rescues_made(jobs: Iterable[Job], job: Job) -> int:
    """How often the lines of a job were handed on until it got them; to cut a shard in two is no rescue."""
    before = [each for each in lineage(jobs, job) if each.shard != job.shard]
    cut = {each.shard for each in before if each.reason in CUTS}
    return len({each.shard for each in before} - cut)


def may_hand_on(
    job: Job,
    batch: Batch,
    jobs: Iterable[Job],
    now: datetime,
    rules: RescueRules,
    *,
    others: Collection[str],
) -> bool:
    """Whether what a job leaves undone may go to another deployment.

    `jobs` are all of the batch; `others` are the deployments that serve its model and may take something.
    """
    known = list(jobs)
    left = set(others) - used_deployments(lineage(known, job)) - {job.deployment_id}
    return (
        rules.rescue
        and batch.cancel_requested_at is None
        and not batch.status.is_final
        and now < batch.expires_at
        and rescues_made(known, job) < rules.max_rescues
        and bool(left)
    )


def hand_on_fates(
    job: Job,
    batch: Batch,
    jobs: Iterable[Job],
    snapshot: ProviderBatch,
    rules: RescueRules,
    *,
    not_executed: int,
    retryable: int,
    missing: int,
    is_live: bool = False,
) -> HandOn:
    """Which lines of a job that may hand on are held back, from how its provider has ended it.

    `not_executed` and `retryable` are how many rows there are of each, `missing` how many lines have none.
    What the provider has broken off is handed on whole. Rows of requests that it was through with are run
    anew as often as `row_retries` says, if their job would have `min_retry_rows`; any number will do for a
    live deployment, which takes each request by itself.
    """
    if not rules.rescue or batch.cancel_requested_at is not None:
        return NOTHING
    is_broken_off = snapshot.status in _UNDONE or job.stop_requested_at is not None
    rows = retryable if is_broken_off else retryable + not_executed
    least = 1 if is_live else rules.min_retry_rows
    is_enough = not_executed + retryable + missing >= least
    retries = rows > 0 and is_enough and rescues_made(jobs, job) < rules.row_retries
    return HandOn(
        not_executed=not_executed > 0 and (is_broken_off or retries),
        retryable=retryable > 0 and retries,
        missing=missing > 0,
    )


def wants_stop(
    job: Job,
    batch: Batch,
    jobs: Iterable[Job],
    now: datetime,
    rules: RescueRules,
    *,
    tells_progress: bool,
    ends_at_expiry: bool,
    others: Collection[str],
) -> StopReason | None:
    """Why a running job is to be stopped, for `Job.stop_reason`; None: it may go on.

    Asked at a look, of the job with what the look has shown, see `look_fields`.
    """
    if job.state is not JobState.SUBMITTED or job.stop_requested_at is not None:
        return None
    if batch.cancel_requested_at is not None or job.snapshot is None:
        return None
    if now >= batch.expires_at:
        is_left = rules.at_expiry == "wait" or (ends_at_expiry and _ends_itself(job, batch, rules))
        return None if is_left and not _has_stood_still(job, batch, now, rules) else StopReason.EXPIRED
    is_watched = is_watched_without_gaps(job, batch, now, rules)
    late = is_late(job, batch, now, rules, tells_progress=tells_progress, is_watched_without_gaps=is_watched)
    return StopReason.LATE if late and may_hand_on(job, batch, jobs, now, rules, others=others) else None


def late_from(job: Job, batch: Batch, rules: RescueRules) -> datetime:
    """From when on a submitted job may be late: not before half of the time is over that it has."""
    return batch.expires_at - _lead(job, batch, rules)


def is_late(
    job: Job,
    batch: Batch,
    now: datetime,
    rules: RescueRules,
    *,
    tells_progress: bool,
    is_watched_without_gaps: bool,
) -> bool:
    """Whether a running job would not be through when its batch expires, by its own pace.

    The pace is that of all its time. One that stands still for longer than a quarter of the lead is taken to
    stand still for as long again, then to go on as before. Where its provider does not tell how far it is,
    or looks at it had gaps, it is not known to be late.
    """
    snapshot = job.snapshot
    if not (tells_progress and is_watched_without_gaps) or snapshot is None:
        return False
    if not late_from(job, batch, rules) <= now < batch.expires_at:
        return False
    done = _done(job, snapshot)
    if done is None or done >= job.requests:
        return False
    if done == 0:
        return True
    began = _began(job, snapshot)
    last = max(job.progress_at or now, began)
    still = now - last
    if still <= _lead(job, batch, rules) / _QUARTER:
        rest = (now - began) * ((job.requests - done) / done)
    else:
        rest = still + (last - began) * ((job.requests - done) / done)
    return now + rest > batch.expires_at


def is_watched_without_gaps(job: Job, batch: Batch, now: datetime, rules: RescueRules) -> bool:
    """Whether looks have followed each other for long enough to tell a standstill from looking away."""
    since = job.looked_since
    if since is None:
        return False
    return now - since >= min(_lead(job, batch, rules), batch.expires_at - since) / _QUARTER


def look_gap_seconds(settings: Settings, floor_seconds: float) -> float:
    """So much later than it was due a look has left a gap; `floor_seconds`: the provider's own floor."""
    return _LOOKS_MISSED * max(settings.max_poll_seconds, floor_seconds) + settings.lease_seconds


def look_fields(
    job: Job,
    batch: Batch,
    seen: ProviderBatch,
    now: datetime,
    rules: RescueRules,
    *,
    gap_seconds: float,
) -> Mapping[str, Any]:
    """What a look at a submitted job changes of it, beside its snapshot.

    `job` as it was before the look: its `next_check_at` tells when the look was due.
    """
    grows = _told(seen) > _told(job.snapshot)
    goes_on = job.looked_since is not None and not _has_gap(job, now, gap_seconds)
    return {
        "progress_at": now if grows else job.progress_at,
        "looked_since": job.looked_since if goes_on else now,
        "late_from": late_from(job, batch, rules),
    }


def may_stay_unwritten(job: Job, now: datetime, *, gap_seconds: float) -> bool:
    """Whether nothing is to be written or judged of a look that has shown nothing new."""
    if job.looked_since is None or job.late_from is None:
        return False
    return now < job.late_from and not _has_gap(job, now, gap_seconds)


def _has_gap(job: Job, now: datetime, gap_seconds: float) -> bool:
    due = job.next_check_at
    return due is not None and now - due > timedelta(seconds=gap_seconds)


def _lead(job: Job, batch: Batch, rules: RescueRules) -> timedelta:
    began = job.submit_started_at or job.created_at
    lead = timedelta(seconds=rules.lead_seconds)
    window = batch.expires_at - batch.created_at
    own = max(batch.expires_at - began, timedelta(0))
    return min(lead, window / _LEADS_PER_WINDOW, own / _HALF)


def _began(job: Job, snapshot: ProviderBatch) -> datetime:
    """When it began to run, by its provider's word if that can be true."""
    sent = job.submit_started_at or job.created_at
    return max(sent, snapshot.in_progress_at or sent)


def _done(job: Job, snapshot: ProviderBatch) -> int | None:
    """Its requests that have ended; None: nobody knows."""
    if snapshot.status is BatchStatus.VALIDATING:
        return 0
    if snapshot.status is not BatchStatus.IN_PROGRESS or snapshot.counts is None:
        return None
    return min(snapshot.counts.done, job.requests)


def _told(snapshot: ProviderBatch | None) -> int:
    return snapshot.counts.done if snapshot is not None and snapshot.counts is not None else 0


def _has_stood_still(job: Job, batch: Batch, now: datetime, rules: RescueRules) -> bool:
    """Whether nothing of a job that goes on after its time has been done for as long as an end may take."""
    grace = timedelta(seconds=rules.end_grace_seconds)
    last = job.progress_at or job.submit_started_at or job.created_at
    return now >= max(batch.expires_at, last) + grace


def _ends_itself(job: Job, batch: Batch, rules: RescueRules) -> bool:
    """Whether its provider ends it about when its batch expires: one that was sent late ends later."""
    told = job.snapshot.expires_at if job.snapshot is not None else None
    began = job.submit_started_at or job.created_at
    ends = told or began + (batch.expires_at - batch.created_at)
    return ends <= batch.expires_at + timedelta(seconds=rules.lead_seconds)
