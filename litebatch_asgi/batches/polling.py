"""Polling: what a running job's provider says of it, and what follows."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.batches.endings import JobEndings, fit_for_owner
from litebatch_asgi.batches.halving import Halver, Halving
from litebatch_asgi.batches.handing_on import HandingOn
from litebatch_asgi.batches.lines import JobLines, LineReader
from litebatch_asgi.batches.live_jobs import LiveJobs
from litebatch_asgi.batches.quotas import Quotas
from litebatch_asgi.batches.results import named_files
from litebatch_asgi.batches.unclear import UnclearJobs
from litebatch_asgi.batches.unsent import INPUT_UNAVAILABLE, UnsentJobs
from litebatch_asgi.batches.work import JobWork, looked_at, waiting_siblings
from litebatch_asgi.canary import canary_until
from litebatch_asgi.causes import Cause, cause_of, is_about_import, is_about_room
from litebatch_asgi.errors import (
    CopyRefused,
    DeploymentRefused,
    ProviderError,
    ProviderNotFound,
    StateConflict,
)
from litebatch_asgi.failpoints import hit
from litebatch_asgi.jsonl import file_line
from litebatch_asgi.lifecycle import batch_change, hurried, move
from litebatch_asgi.models import (
    Batch,
    BatchChange,
    BatchError,
    BatchState,
    BatchStatus,
    Job,
    JobState,
    Lane,
    ProviderBatch,
    Shard,
    StopReason,
)
from litebatch_asgi.models.provider import MOST_ERRORS
from litebatch_asgi.refusals import Refusal
from litebatch_asgi.rescue import CANARY, RescueRules, look_fields, wants_stop
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

_KEY_CHANGED = (
    "several batches of deployment %s are unknown to its provider at once: was its key changed to one of "
    "another project? Nothing new is sent there for a while; put the key back, or the batches begin anew "
    "after vanished_grace_seconds"
)

SIBLINGS_AT_ONCE = 8
"""jobs of one batch that are due at once when another one of it has ended: it makes room for about one"""


class Poller(JobWork):
    """Looks at jobs that a provider runs, and passes a cancellation on."""

    def __init__(
        self, runtime: Runtime, endings: JobEndings, unclear: UnclearJobs, unsent: UnsentJobs
    ) -> None:
        super().__init__(runtime)
        self._endings = endings
        self._unclear = unclear
        self._unsent = unsent
        self._handing_on = HandingOn(runtime)
        self._halver = Halver(runtime)
        self._lines = LineReader(runtime)
        self._quotas = Quotas(runtime)
        self._live = LiveJobs(runtime)

    async def look(self, job: Job) -> Job | None:
        """Ask the provider about a submitted job; the job to go on with, or None."""
        state = await self.runtime.storage.get_batch_state(job.batch_id)
        assert state is not None
        beside = job.search_until is not None and await self._unclear.look_beside(job)
        if job.lane is Lane.LIVE:
            await self._look_live(job, state, look_beside=beside)
            return None
        try:
            with self.span_of("poll", job, state.batch):
                snapshot, cancel_sent = await self._ask(job, state.batch)
        except ProviderNotFound as error:
            await self._vanished(job, error)
            return None
        except ProviderError as error:
            logger.warning("no news of a batch", extra=self.log_fields(job, error=error.message))
            await self._unsent.postpone(job)
            return None
        if snapshot.status is BatchStatus.FAILED and not _has_run(job, snapshot):
            return await self._failed(job, snapshot, state)
        if snapshot.status.is_final:
            return await self._ended_or_foreign(job, snapshot, state)
        if self._unsent.is_end_overdue(job, state.batch):
            await self._unsent.give_up(job, INPUT_UNAVAILABLE)
            return None
        await self._goes_on(job, snapshot, state, cancel_sent=cancel_sent, look_beside=beside)
        return None

    async def _look_live(self, job: Job, state: BatchState, *, look_beside: bool) -> None:
        """Sum up what has become of the requests of a job that we run ourselves."""
        snapshot = await self._live.look(job, state.batch)
        if snapshot.status.is_final:
            await self._ended(job, snapshot, state)
        else:
            await self._goes_on(job, snapshot, state, cancel_sent=False, look_beside=look_beside)

    async def _ask(self, job: Job, batch: Batch) -> tuple[ProviderBatch, bool]:
        """What the provider says, and whether it has taken the cancellation.

        One that cannot be cancelled, be it that a server has no such call, runs on to its end.
        """
        assert job.provider_batch_id is not None
        adapter = self.runtime.fleet.adapter(job.deployment_id)
        if _wants_cancel(job, batch):
            hit("cancel.before")
            try:
                cancelled = await adapter.cancel_batch(job.provider_batch_id)
            except ProviderError as error:
                logger.warning("a batch is not cancelled", extra=self.log_fields(job, error=error.message))
            else:
                hit("cancel.answered")
                return cancelled, True
        return await adapter.retrieve_batch(job.provider_batch_id), False

    async def _goes_on(
        self, job: Job, snapshot: ProviderBatch, state: BatchState, *, cancel_sent: bool, look_beside: bool
    ) -> None:
        now = self.runtime.now()
        seen = self._seen(job, snapshot, state, now)
        if cancel_sent:
            seen |= {"cancel_sent_at": now, "to_cancel": False}
        if _has_begun(job, snapshot):
            await self._quotas.took(job)
        await self.write(
            job,
            JobState.SUBMITTED,
            search_until=job.search_until if look_beside else None,
            batch=partial(looked_at, now=now),
            **seen,
        )
        if seen.get("stop_requested_at"):
            told = self.log_fields(job, reason=seen["stop_reason"])
            logger.warning("a job is to be stopped, so that another goes on with its lines", extra=told)
            hit("stop.stored")

    async def note(self, seen: Sequence[tuple[Job, ProviderBatch]]) -> None:
        """Write what a list has shown of submitted jobs that go on, and give them back, in one transaction.

        Jobs that somebody else has claimed since are left alone.
        """
        now = self.runtime.now()
        of_batch: dict[str, list[tuple[Job, ProviderBatch]]] = defaultdict(list)
        for job, snapshot in seen:
            of_batch[job.batch_id].append((job, snapshot))

        def decide(current: BatchState) -> BatchChange | None:
            held = {(job.id, job.epoch): job for job in current.jobs}
            going = [
                (held[job.id, job.epoch], snapshot)
                for job, snapshot in of_batch[current.batch.id]
                if (job.id, job.epoch) in held
            ]
            seen = [(job, self._seen(job, snapshot, current, now)) for job, snapshot in going]
            moved = [hurried(move(job, JobState.SUBMITTED, **what), current.batch, now) for job, what in seen]
            batch = looked_at(current.batch, now=now)
            return batch_change(current, now, jobs=moved, batch=batch) if moved else None

        await self._quotas.took(*(job for job, snapshot in seen if _has_begun(job, snapshot)))
        await self.batches.write_many(of_batch, decide)

    def _seen(self, job: Job, snapshot: ProviderBatch, state: BatchState, now: datetime) -> dict[str, Any]:
        """What changes of a job that goes on. Counts alone do not hurry its next look: they always grow.

        One that would not be through in time is to be stopped, which is tried at once.
        """
        is_news = job.snapshot is None or snapshot.status is not job.snapshot.status
        checks = 0 if is_news else job.checks + 1
        assert job.deployment_id is not None
        rules = self._handing_on.rules(state.batch, job)
        gap = self.runtime.look_gap_seconds(job.deployment_id)
        looked = look_fields(job, state.batch, snapshot, now, rules, gap_seconds=gap)
        seen: dict[str, Any] = {
            "snapshot": snapshot,
            "checks": checks,
            "refresh_from": self.runtime.refresh_from(now, job.deployment_id),
            "due": self.runtime.next_round(now, job.deployment_id, checks),
            **looked,
        }
        if job.lane is Lane.LIVE:  # nobody else ends it
            seen["due"] = max(now, min(seen["due"], self._ends_at(job, state.batch, now)))
        reason = self._reason_to_stop(replace(job, snapshot=snapshot, **looked), state, rules, now)
        if reason is not None:
            seen |= {"stop_requested_at": now, "stop_reason": reason, "to_cancel": True, "due": now}
        return seen

    def _ends_at(self, job: Job, batch: Batch, now: datetime) -> datetime:
        """When a live job is to be ended whatever it has done; of a canary, when it is not waited for."""
        until = canary_until(batch, self.runtime.settings)
        is_awaited = job.reason == CANARY and now < until
        return min(until, batch.expires_at) if is_awaited else batch.expires_at

    def _reason_to_stop(self, job: Job, state: BatchState, rules: RescueRules, now: datetime) -> str | None:
        if job.deployment_id in self.runtime.presence.gone:  # of a job that we run ourselves
            is_allowed = self._handing_on.is_allowed(job, state.batch, state.jobs, now)
            return StopReason.GONE if is_allowed and job.stop_requested_at is None else None
        is_overdue = job.reason == CANARY and now >= canary_until(state.batch, self.runtime.settings)
        if is_overdue and job.stop_requested_at is None:
            is_allowed = self._handing_on.is_allowed(job, state.batch, state.jobs, now)
            return StopReason.CANARY if is_allowed else None
        if job.deployment_id is None or not self.runtime.fleet.has(job.deployment_id):
            return None
        adapter = self.runtime.fleet.adapter(job.deployment_id)
        return wants_stop(
            job,
            state.batch,
            state.jobs,
            now,
            rules,
            tells_progress=adapter.tells_progress,
            ends_at_expiry=adapter.ends_at_expiry,
            others=self._handing_on.others(state.batch),
        )

    async def _ended_or_foreign(self, job: Job, snapshot: ProviderBatch, state: BatchState) -> Job | None:
        """A batch that was adopted where no tag is told may turn out to be another one's: results of others
        are never published, and the job is searched for once more.

        One that was just adopted and comes out as cancelled, which nobody has asked for, is begun anew unless
        what it has done is there: that is paid for, and does not run again.
        """
        try:
            is_foreign = await self._unclear.is_foreign(job, snapshot)
            is_given_up = self._was_given_up(job, snapshot, state.batch)
            is_left = is_given_up and await self._is_left_undone(job, snapshot, state)
        except ProviderError as error:
            logger.warning("no news of a batch", extra=self.log_fields(job, error=error.message))
            await self._unsent.postpone(job)
            return None
        if not is_foreign:
            if is_given_up and not is_left:
                return await self._unclear.begin_anew(job)
            await self._ended(job, snapshot, state)
            return None
        logger.error("a batch was taken for a job's and is not", extra=self.log_fields(job))
        now = self.runtime.now()
        await self.write(
            job,
            JobState.UNCLEAR,
            reason="another one's batch",
            provider_batch_id=None,
            snapshot=None,
            search_until=now + timedelta(seconds=self.runtime.settings.adopt_grace_seconds),
            due=now,
            checks=0,
        )
        return None

    def _was_given_up(self, job: Job, snapshot: ProviderBatch, batch: Batch) -> bool:
        """Whether what has just been adopted was cancelled as a twin, in a history that is lost.

        The database was restored then to before that: its results are deleted, or nobody will read them.
        """
        if snapshot.status is not BatchStatus.CANCELLED or job.search_until is None:
            return False
        is_asked_for = batch.cancel_requested_at is not None or job.stop_requested_at is not None
        return not is_asked_for and self.runtime.now() < batch.expires_at

    async def _is_left_undone(self, job: Job, snapshot: ProviderBatch, state: BatchState) -> bool:
        """Whether its results are there, and either tell of requests that were done or may be handed on.

        Raises `ProviderError`.
        """
        has_done_none = snapshot.counts is not None and not snapshot.counts.completed
        now = self.runtime.now()
        if has_done_none and not self._handing_on.is_allowed(job, state.batch, state.jobs, now):
            return False
        adapter = self.runtime.fleet.adapter(job.deployment_id)
        for named in named_files(job.deployment_id, snapshot):
            try:
                await adapter.retrieve_file(named.provider_file_id)
            except ProviderNotFound:
                return False
        return snapshot.names_results

    async def _ended(self, job: Job, snapshot: ProviderBatch, state: BatchState) -> None:
        """Its results are read in a place of its own for that: looks at others do not wait for them."""
        await self._quotas.took(job)
        now = self.runtime.now()
        is_whole = snapshot.counts is not None and snapshot.counts.completed >= job.requests
        await self.write(
            job,
            JobState.ENDED,
            snapshot=snapshot,
            checks=0,
            due=now,
            may_hand_on=not is_whole and self._handing_on.is_allowed(job, state.batch, state.jobs, now),
            batch=partial(looked_at, now=now),
            more=partial(_room_for_others, now),
        )
        hit("poll.ended")
        self.runtime.wake()

    async def _failed(self, job: Job, snapshot: ProviderBatch, state: BatchState) -> Job | None:
        """The provider ran nothing: another deployment may, unless the content is to blame."""
        assert job.deployment_id is not None
        errors = snapshot.errors[:MOST_ERRORS]
        first = errors[0] if errors else BatchError()
        cause = cause_of(errors, others_left=self._others_left(job, state))
        if cause is Cause.COPY:
            refusal = CopyRefused(first.message or "", code=first.code, param=first.param)
            return await self._endings.copy_refused(job, state.batch, refusal)
        if cause is Cause.DEPLOYMENT:
            gave_back = DeploymentRefused(first.message or "", code=first.code)
            kind = Refusal.BUSY if is_about_room(first) else Refusal.FAILS
            self.runtime.fleet.refused(job.deployment_id, gave_back, kind=kind)
            return await self._endings.refused(job, gave_back)
        lines = await self._lines_of(job, state.batch)
        halving = await self._halver.halve(job, lines) if is_about_import(errors) else Halving.IMPOSSIBLE
        if halving is not Halving.IMPOSSIBLE:
            if halving is Halving.LATER:
                await self._unsent.postpone(job)
            return None
        told = (fit_for_owner(error, job, state.batch, self.runtime) for error in errors)
        await self._endings.failed(job, tuple(_in_file(error, lines.shard) for error in told))
        return None

    async def _lines_of(self, job: Job, batch: Batch) -> JobLines:
        file = await self.runtime.storage.get_file(batch.input_file_id)
        if file is None:
            raise StateConflict(f"{batch.input_file_id} is gone")
        return await self._lines.of(job, file)

    def _others_left(self, job: Job, state: BatchState) -> bool:
        """Whether a deployment is left that has not refused these lines."""
        refused = (each for each in state.jobs if each.state is JobState.REFUSED and each.shard == job.shard)
        tried = {each.deployment_id for each in refused}
        return bool(set(self.runtime.fleet.deployments_for(state.batch.model)) - tried - {job.deployment_id})

    async def _vanished(self, job: Job, error: ProviderNotFound) -> None:
        """The provider does not know its own job: searched for as one whose create had no answer, for hours.

        Not at once, and later each time: a provider may list what it does not find.
        """
        logger.warning("a batch has vanished", extra=self.log_fields(job, error=error.message))
        assert job.deployment_id is not None
        if self.runtime.fleet.batch_vanished(job.deployment_id):
            logger.error(_KEY_CHANGED, job.deployment_id, extra=self.log_fields(job))
        now = self.runtime.now()
        grace = timedelta(seconds=self.runtime.settings.vanished_grace_seconds)
        await self.write(
            job,
            JobState.UNCLEAR,
            reason="vanished",
            search_until=now + grace,
            due=self.runtime.next_look(now, job.deployment_id, job.checks),
            checks=job.checks + 1,
        )


def _has_begun(job: Job, snapshot: ProviderBatch) -> bool:
    """Whether a look shows for the first time that a job's lines run: they may have when it was adopted."""
    before = job.snapshot.status if job.snapshot is not None and job.looked_since is not None else None
    return snapshot.status is BatchStatus.IN_PROGRESS and before is not snapshot.status


def _wants_cancel(job: Job, batch: Batch) -> bool:
    """Whether the provider is to be asked, until it shows that it has begun to cancel."""
    if batch.cancel_requested_at is None and job.stop_requested_at is None:
        return False
    is_cancelling = job.snapshot is not None and job.snapshot.status is BatchStatus.CANCELLING
    return job.cancel_sent_at is None or not is_cancelling


def _room_for_others(now: datetime, state: BatchState, *_: Job | None) -> dict[str, Any]:
    """Some jobs of a batch that wait for a deployment: one that ends makes room for about one."""
    return waiting_siblings(now, state, most=SIBLINGS_AT_ONCE)


def _has_run(job: Job, snapshot: ProviderBatch) -> bool:
    """Whether a batch that has failed had run a part of its requests before."""
    counts = snapshot.after(job.snapshot).counts
    return snapshot.names_results or (counts is not None and counts.completed > 0)


def _in_file(error: BatchError, shard: Shard) -> BatchError:
    """An error about a line of what was sent, with the line of the file that it is."""
    return error if error.line is None else replace(error, line=file_line(shard, error.line))
