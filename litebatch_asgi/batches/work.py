"""What every step of a job's life needs: the runtime, and the one way to write what has happened."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from itertools import chain, islice
from typing import Any, TypeAlias

import msgspec
from msgspec.structs import replace

from litebatch_asgi import tracing
from litebatch_asgi.lifecycle import batch_change, held, hurried, move, next_attempt, superseded
from litebatch_asgi.models import Batch, BatchChange, BatchState, Event, Job, JobState, Lane, WaitingFor
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.storage import BatchDecision
from litebatch_asgi.wire.waiting import told_to_admin

logger: logging.Logger = logging.getLogger(__name__)

More: TypeAlias = Callable[[BatchState, Job, Job | None], dict[str, Any]]
"""Pure: from the locked batch, the job as it will be and the one that follows it, what else to write.

Fields of `BatchChange`; `job` and `following`, where these are to be written in another form, and
`siblings`, other jobs of the batch as they shall be.
"""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What a step has written."""

    state: BatchState
    job: Job
    """the job as it is now"""
    following: Job | None = None
    """the next attempt, if one was begun"""


class BatchWriter:
    """Writes changes of batches, and logs what happened to them once it is committed."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def write(self, batch_id: str, decide: BatchDecision) -> BatchState:
        """`Storage.change_batch`, with a line in the log for each event, and for another reason to wait."""
        events: tuple[Event, ...] = ()
        before: Batch | None = None

        def noting(current: BatchState) -> BatchChange | None:
            nonlocal events, before
            before = current.batch
            decided = decide(current)
            events = decided.events if decided is not None else ()
            return decided

        state = await self._runtime.storage.change_batch(batch_id, noting)
        self.tell(events, before, state.batch)
        if before is not None and not before.status.is_final and state.batch.status.is_final:
            lasted = self._runtime.now() - state.batch.created_at
            self._runtime.metrics.batch_ended(state.batch.model, state.batch.status, lasted.total_seconds())
        return state

    async def write_many(self, batch_ids: Collection[str], decide: BatchDecision) -> None:
        """`Storage.change_batches`, logged as by `write`."""
        events: dict[str, tuple[Event, ...]] = {}

        def noting(current: BatchState) -> BatchChange | None:
            decided = decide(current)
            events[current.batch.id] = decided.events if decided is not None else ()
            return decided

        await self._runtime.storage.change_batches(batch_ids, noting)
        self.tell(tuple(chain.from_iterable(events.values())))

    def tell(self, events: Sequence[Event], before: Batch | None = None, batch: Batch | None = None) -> None:
        """Have committed events delivered at once, and log a line of each unless the log is a sink."""
        if events:
            self._runtime.events_written()
        if self._runtime.logs_events:
            return
        for event in events:
            log_event(event)
        if batch is not None:
            log_wait(before, batch)


def log_event(event: Event) -> None:
    """One line in the log where a batch has reached another status; steps of jobs have lines of their own."""
    if not event.type.startswith("batch."):
        return
    fields = {name: event.payload.get(name) for name in ("status", "owner", "model")}
    told = {"batch_id": event.batch_id, "event": event.type, **fields}
    logger.info(event.type.replace(".", " "), extra=told)


def log_wait(before: Batch | None, batch: Batch) -> None:
    """One line in the log where a batch has begun to wait, or to wait for something else."""
    waiting, was = batch.waiting_for, before.waiting_for if before is not None else None
    if waiting is None or (was is not None and was.reason == waiting.reason):
        return
    told = {"batch_id": batch.id, "owner": batch.owner, "model": batch.model, "reason": waiting.reason}
    logger.info("batch waits: %s", told_to_admin(waiting), extra=told)


class JobWork:
    """Base of the steps: each takes a claimed job and writes what became of it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.batches: BatchWriter = BatchWriter(runtime)

    async def write(
        self,
        claimed: Job,
        state: JobState,
        *,
        due: datetime | None,
        follow: Callable[[Job], Job] | None = None,
        batch: Callable[[Batch], Batch] | None = None,
        more: More | None = None,
        waiting_for: WaitingFor | None = None,
        unless: Callable[[BatchState], bool] | None = None,
        **changes: Any,
    ) -> Written:
        """Move a claimed job and fold its batch, in one transaction.

        The claim is given back, and the job is looked at again when it is `due`. `follow` makes the job that
        comes after it, `batch` changes the batch beforehand, `more` says what else to write, and
        `waiting_for` what the batch waits for where its jobs do not tell. Nothing is written where `unless`
        says so. Raises `StateConflict` if the claim is no longer ours.
        """
        now = self.runtime.now()
        following: Job | None = None

        def decide(current: BatchState) -> BatchChange | None:
            nonlocal following
            before = held(current, claimed)
            if unless is not None and unless(current):
                return None
            job = move(before, state, due=due, **changes)
            # whoever claimed it to be cancelled has tried that: not again at once if it was refused
            is_known = state is claimed.state and before.next_check_at == claimed.next_check_at
            job = job if is_known else hurried(job, current.batch, now)
            following = follow(job) if follow is not None else None
            rest = more(current, job, following) if more is not None else {}
            job, following = rest.pop("job", job), rest.pop("following", following)
            siblings = rest.pop("siblings", ())
            rest["removed_jobs"] = superseded(current.jobs, job)
            if batch is not None:
                rest["batch"] = batch(current.batch)
            new_jobs = (*((following,) if following is not None else ()), *rest.pop("new_jobs", ()))
            lease = self.runtime.settings.lease_seconds
            return batch_change(
                current,
                now,
                jobs=(job, *siblings),
                new_jobs=new_jobs,
                waiting_for=waiting_for,
                lease_seconds=lease,
                **rest,
            )

        after = await self.batches.write(claimed.batch_id, decide)
        return Written(
            state=after,
            job=job_in(after, claimed.id),
            following=job_in(after, following.id) if following is not None else None,
        )

    async def look_again(
        self, claimed: Job, *, no_later_than: datetime | None = None, waiting_for: WaitingFor | None = None
    ) -> None:
        """Give the job back, to be looked at after a while; longer each time there is no news."""
        now = self.runtime.now()
        due = self.runtime.next_look(now, claimed.deployment_id, claimed.checks)
        if no_later_than is not None:
            due = max(now, min(due, no_later_than))
        looked = partial(looked_at, now=now)
        await self.write(
            claimed,
            claimed.state,
            due=due,
            checks=claimed.checks + 1,
            batch=looked,
            waiting_for=waiting_for,
        )

    async def write_and_keep_claim(self, claimed: Job, state: JobState, **changes: Any) -> Written:
        """`write`, with the job still ours afterwards."""
        return await self.write(claimed, state, **self.claim_fields(self.runtime.now()), **changes)

    def claim_fields(self, now: datetime) -> dict[str, Any]:
        """What a row says while it is ours: due again as soon as our lease has run out."""
        return {"claimed_by": self.runtime.worker, "due": now}

    def span_of(self, name: str, job: Job, batch: Batch) -> AbstractContextManager[tracing.Span]:
        """A span of what the deployment of a job is asked, which a live one need not be there for."""
        assert job.deployment_id is not None
        fleet = self.runtime.fleet
        if job.lane is Lane.LIVE and not fleet.has(job.deployment_id):
            return tracing.span(name, batch, job, link=batch.traceparent)
        upstream = fleet.upstream(job.deployment_id, batch.model)
        return tracing.calling(name, batch, job, upstream, link=batch.traceparent)

    def next_attempt(self, ended: Job) -> Job:
        """The attempt that follows at once, and is ours."""
        now = self.runtime.now()
        return next_attempt(ended, now, **self.claim_fields(now))

    def log_fields(self, job: Job, **more: Any) -> dict[str, Any]:
        """Fields for the log that tell which job is meant."""
        fields = {"batch_id": job.batch_id, "job_id": job.id, "deployment": job.deployment_id}
        return fields | more


def looked_at(batch: Batch, *, now: datetime) -> Batch:
    """The batch, after somebody has tried to look at it at its provider, with or without success."""
    return replace(batch, looked_at=now)


def waiting_siblings(now: datetime, state: BatchState, *, most: int | None = None) -> dict[str, Any]:
    """Jobs of a batch that wait for a deployment, due at once: for `More`.

    `most`: not more than so many of them, for each that finds no room costs a look; None: all.
    """
    waiting = (job for job in state.jobs if job.state is JobState.WAITING and job.claimed_by is None)
    return {"siblings": [replace(job, next_check_at=now, checks=0) for job in islice(waiting, most)]}


def job_in(state: BatchState, job_id: str) -> Job:
    """The job of that id."""
    return next(job for job in state.jobs if job.id == job_id)
