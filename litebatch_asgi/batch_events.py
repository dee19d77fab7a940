"""The events of a change: what has happened to a batch and its jobs. Pure: `now` is passed.

Each carries a snapshot of its batch. What a change has moved without news, such as the next look at a job
that runs as before, makes none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from litebatch_asgi.models import Batch, BatchState, BatchStatus, Charge, Event, Job, JobState
from litebatch_asgi.models.ids import EVENT_PREFIX, new_id
from litebatch_asgi.models.sums import cost_of
from litebatch_asgi.rescue import CANARY, CANARY_CUT, CANARY_OVERDUE, CUTS, GONE
from litebatch_asgi.wire.waiting import told_to_admin

CREATED, CREATE_CALLED = "batch.created", "acreate_batch"
COMPLETED, SUCCEEDED = "batch.completed", "batch_success"
"""each once a batch: what happened, and the call type under which LiteLLM's logs have it"""
PLACED, ADOPTED, DOUBTED = "job.placed", "job.adopted", "job.doubted"
WAITING, STOPPED, SETTLED = "job.waiting", "job.stopped", "job.settled"
HANDED_ON = "job.handed_on"
"""another job goes on with lines that one has left undone"""
CANARY_BEGAN, CANARY_LET_GO = "job.canary", "job.canary_overdue"
"""some lines are run before all others of their batch; that is not waited for any longer"""

_MOMENTS = ("created_at", "in_progress_at", "finalizing_at", "cancelling_at")
_WITHOUT_RESULTS = frozenset({JobState.REFUSED, JobState.WATCHED, JobState.WITHDRAWN, JobState.FAILED})
_GIVEN_UP = frozenset({JobState.REFUSED, JobState.WATCHED, JobState.CLOSED})


def creation_events(batch: Batch, now: datetime) -> tuple[Event, ...]:
    """What is written with a new batch."""
    snapshot = _snapshot(batch, batch.cost)
    told = [(CREATED, snapshot), (CREATE_CALLED, snapshot), *_wait(None, batch, snapshot)]
    return _events(batch, told, now)


def change_events(
    state: BatchState,
    after: Batch,
    jobs: Sequence[Job],
    charges: Collection[Charge],
    now: datetime,
    *,
    new_jobs: Sequence[Job] = (),
) -> tuple[Event, ...]:
    """What is written with a change of `state` to `after`, in which `jobs` move and others begin."""
    snapshot = _snapshot(after, _cost_with(state, charges))
    before = {job.id: job for job in state.jobs}
    told = [
        (type_, snapshot | _about(job, new_jobs))
        for job in jobs
        for type_ in _types_of_move(before[job.id], job, state.jobs)
    ]
    told += _wait(state.batch, after, snapshot)
    if after.status is not state.batch.status:
        told.append((f"batch.{after.status}", snapshot))
        if after.status is BatchStatus.COMPLETED:
            told.append((SUCCEEDED, snapshot))
    return _events(after, told, now)


def _types_of_move(was: Job, job: Job, jobs: Sequence[Job]) -> Iterator[str]:
    before = was.state
    if job.state is before:
        if was.reason == CANARY and job.reason == CANARY_OVERDUE:
            yield CANARY_LET_GO
        return
    is_first = not any(
        each.state in _GIVEN_UP
        for each in jobs
        if each.id != job.id and (each.shard, each.deployment_id) == (job.shard, job.deployment_id)
    )
    if job.state is JobState.SUBMITTED:
        yield ADOPTED if before is JobState.UNCLEAR else PLACED
    elif job.state is JobState.UNCLEAR and is_first:
        yield DOUBTED
    elif job.state is JobState.SETTLED:
        if job.reason not in CUTS:
            yield SETTLED
        if job.reason == CANARY_CUT:
            yield CANARY_BEGAN
            return
        if job.outcome is not None and job.outcome.handed_on:
            yield HANDED_ON
    elif job.state is JobState.WATCHED and job.reason == GONE:
        yield HANDED_ON
    elif job.state in _WITHOUT_RESULTS and is_first:
        yield STOPPED


def _wait(before: Batch | None, after: Batch, snapshot: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """That a batch has begun to wait, or waits for what it has not waited for since it began.

    Providers may give one reason and another in turn for a whole day.
    """
    waiting, was = after.waiting_for, before.waiting_for if before is not None else None
    if waiting is None or (was is not None and waiting.reason in (was.reason, *was.earlier)):
        return []
    about = {
        "reason": waiting.reason,
        "until": waiting.until.isoformat() if waiting.until is not None else None,
        "message": told_to_admin(waiting),
        "deployments": msgspec.to_builtins(waiting.deployments),
    }
    return [(WAITING, snapshot | about)]


def _about(job: Job, new_jobs: Sequence[Job]) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "attempt": job.attempt,
        "deployment": job.deployment_id,
        "lane": job.lane.value,
        "job_state": job.state.value,
        "reason": job.stop_reason if job.state is JobState.SETTLED and job.stop_reason else job.reason,
        "lines": _handed_on(job, new_jobs),
    }


def _handed_on(job: Job, new_jobs: Sequence[Job]) -> int | None:
    """How many lines of a job run at another deployment, or as a canary; None: none do, or nobody knows."""
    if job.reason == CANARY_CUT:
        return sum(each.requests for each in new_jobs if each.reason == CANARY)
    if job.state is JobState.WATCHED and job.reason == GONE:
        return job.requests
    return job.outcome.handed_on if job.outcome is not None else None


def _snapshot(batch: Batch, cost: Decimal | None) -> dict[str, Any]:
    return {
        "batch_id": batch.id,
        "status": batch.status.value,
        "owner": batch.owner,
        "key_id": batch.created_by,
        "model": batch.model,
        "deployment": batch.deployment_id,
        "endpoint": batch.endpoint,
        "metadata": batch.metadata,
        "counts": msgspec.to_builtins(batch.counts),
        "usage": msgspec.to_builtins(batch.usage),
        "cost": None if cost is None else f"{cost:f}",
        "input_file_id": batch.input_file_id,
        "output_file_id": batch.output_file_id if batch.status.is_final else None,
        "error_file_id": batch.error_file_id if batch.status.is_final else None,
        "errors": msgspec.to_builtins(batch.errors),
        "traceparent": batch.traceparent,
        **{name: _told_moment(getattr(batch, name)) for name in _MOMENTS},
    }


def _told_moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _cost_with(state: BatchState, charges: Collection[Charge]) -> Decimal | None:
    """What the batch has cost once these charges are written; None: nothing is charged, or it is unknown."""
    if not charges:
        return state.batch.cost
    before, new = state.batch.cost, cost_of(charges)
    if before is None and not state.batch.unpriced_requests:
        before = Decimal(0)  # nothing was charged yet, be jobs of it settled or not
    return None if before is None or new is None else before + new


def _events(batch: Batch, told: Sequence[tuple[str, dict[str, Any]]], now: datetime) -> tuple[Event, ...]:
    return tuple(
        Event(
            id=new_id(EVENT_PREFIX),
            subject=batch.id,
            type=type_,
            batch_id=batch.id,
            owner=batch.owner,
            payload=payload,
            created_at=now,
        )
        for type_, payload in told
    )
