"""Placing: a waiting job is given a deployment, which is written down before the deployment is called."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from functools import partial

from msgspec.structs import replace

from litebatch_asgi.batches.canaries import Canaries
from litebatch_asgi.batches.endings import UNUSABLE, JobEndings
from litebatch_asgi.batches.halving import Halver, Halving
from litebatch_asgi.batches.inputs import Input, Inputs
from litebatch_asgi.batches.lanes import Lanes
from litebatch_asgi.batches.lines import JobLines, LineReader
from litebatch_asgi.batches.live_jobs import LiveJobs
from litebatch_asgi.batches.on_demand import CopiesOnDemand
from litebatch_asgi.batches.quotas import Quotas
from litebatch_asgi.batches.targets import Target, Tries, choose, copies_for, next_chance
from litebatch_asgi.batches.unclear import OpenCandidate, UnclearJobs
from litebatch_asgi.batches.waiting import waiting_for
from litebatch_asgi.batches.work import JobWork
from litebatch_asgi.canary import CanaryStep
from litebatch_asgi.errors import (
    ContentRefused,
    CopyRefused,
    DeploymentRefused,
    NoClearAnswer,
    ProviderBusy,
    ProviderError,
    ProviderNotFound,
    RequestError,
    StateConflict,
)
from litebatch_asgi.failpoints import hit
from litebatch_asgi.leases import Lease
from litebatch_asgi.models import (
    Batch,
    BatchState,
    CopyState,
    FileState,
    Job,
    JobState,
    ProviderBatch,
)
from litebatch_asgi.models.ids import family_of
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.provider import BatchSubmission
from litebatch_asgi.recent import RecentIds
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

_ON_THEIR_WAY = frozenset({CopyState.INTENT, CopyState.PENDING})


class _InputUnreadableError(Exception):
    """What a job is to run cannot be read or brought into its form now."""


@contextmanager
def _reading() -> Generator[None]:
    try:
        yield
    except (ProviderError, RequestError) as error:
        raise _InputUnreadableError(error.message) from error


class Placer(JobWork):
    """Gives waiting jobs to deployments."""

    def __init__(self, runtime: Runtime, endings: JobEndings, unclear: UnclearJobs) -> None:
        super().__init__(runtime)
        self._endings = endings
        self._unclear = unclear
        self._known = RecentIds()
        self._began = runtime.now()
        self._inputs = Inputs(runtime)
        self._quotas = Quotas(runtime)
        self._lines = LineReader(runtime)
        self._copies = CopiesOnDemand(runtime)
        self._halver = Halver(runtime)
        self._live = LiveJobs(runtime)
        self._lanes = Lanes(runtime)
        self._canaries = Canaries(runtime)

    async def place(self, job: Job, lease: Lease) -> Job | None:
        """Send a waiting job that is ours to a deployment; the job to go on with, or None.

        Nothing is sent once the batch is cancelled or its time is over: that is for `UnsentJobs`.
        """
        state, lines, file = await self._read(job)
        step = self._canaries.step(job, state)
        if step is CanaryStep.CUT:
            unsent = await self._unless_sent(job, state, file)
            if unsent is None or unsent.state is not JobState.WAITING:
                return unsent
        if await self._canaries.hold_back(step, job, state, lines):
            return None
        until, model = state.batch.expires_at, state.batch.model
        tries = self._copies.keep_away(self._tries(state, job), job, state.jobs, lines.shard)
        is_too_large = self._copies.is_too_large(lines.shard, model, tries)
        if is_too_large and await self._halver.halve(job, lines) is Halving.DONE:
            return None
        tries = self._copies.without_too_small(tries, lines.shard, model)
        tries = self._lanes.apply(tries, state.batch, lines.shard, job, state.jobs)
        tries = await self._quotas.put_off(tries, model, job.tokens, checks=job.checks)
        while True:
            target = await choose(
                self.runtime, file, model, requests=job.requests, until=until, seed=job.id, tries=tries
            )
            if target is None and await self._copies.bring(file, lines, model, tries, seed=job.id):
                await self._wait(job, state.batch, lines, tries, is_coming=True)
                return None
            if target is None and self._copies.can_run_nowhere(file, model, tries):
                await self._endings.failed(job, (UNUSABLE,))
                return None
            if target is None or self._rests(target.deployment_id):
                await self._wait(job, state.batch, lines, tries)
                return None
            try:
                return await self._place_at(job, state, lines, target, lease)
            except _InputUnreadableError as error:
                told = self.log_fields(job, deployment=target.deployment_id, error=str(error))
                logger.warning("an input cannot be sent now", extra=told)
                due = self.runtime.next_look(self.runtime.now(), None, job.checks)
                tries = tries.not_before(target.deployment_id, due)

    def _rests(self, deployment_id: str) -> bool:
        """Whether nothing is to be placed at a deployment that was chosen: it may have refused since."""
        fleet = self.runtime.fleet
        return fleet.cooldown_left(deployment_id) > 0 and not fleet.answers_at_rest(deployment_id)

    async def _place_at(
        self, job: Job, state: BatchState, lines: JobLines, target: Target, lease: Lease
    ) -> Job | None:
        file, where = copies_for(lines.file, job), target.deployment_id
        if self.runtime.fleet.is_live(where):
            unsent = await self._unless_sent(job, state, file)
            if unsent is None or unsent.state is not JobState.WAITING:
                return unsent
            span = self.span_of("place", replace(unsent, deployment_id=where), state.batch)
            with _reading(), self.runtime.fleet.placing(where, job.requests), span:
                return await self._live.place(unsent, state.batch, lines, where)
        async with AsyncExitStack() as stack:
            with _reading():
                content = await stack.enter_async_context(self._inputs.of(lines, target))
            with self.runtime.fleet.placing(where, job.requests):
                return await self._send(job, state, file, target, lease, content)

    async def unless_sent(self, job: Job) -> Job | None:
        """A waiting job that is to end unsent: itself, or what to go on with where it was sent after all.

        It has a `search_until` if it may have been sent all the same.
        """
        state, _, file = await self._read(job)
        return await self._unless_sent(job, state, file)

    async def _read(self, job: Job) -> tuple[BatchState, JobLines, FileState]:
        """The batch, the lines of the job, and its input with the copies of these alone."""
        state = await self.runtime.storage.get_batch_state(job.batch_id)
        if state is None:
            raise StateConflict(f"{job.batch_id} is gone")
        file = await self.runtime.storage.get_file(state.batch.input_file_id)
        if file is None:
            raise StateConflict(f"{state.batch.input_file_id} is gone")
        return state, await self._lines.of(job, file), copies_for(file, job)

    async def _unless_sent(self, job: Job, state: BatchState, file: FileState) -> Job | None:
        if self._may_be_of_yesterday(job, state.batch):
            return await self._sent_before(job, state, file)
        return replace(job, search_until=None)

    async def _send(
        self,
        job: Job,
        state: BatchState,
        file: FileState,
        target: Target,
        lease: Lease,
        content: Input | None,
    ) -> Job | None:
        unsent = await self._unless_sent(job, state, file)
        if unsent is None or unsent.state is not JobState.WAITING:
            return unsent
        intended = await self._intend(unsent, target)
        if intended.state is not JobState.SUBMITTING:
            return intended  # cancelled in the meantime
        return await self.submit(intended, state.batch, lease, content)

    def _may_be_of_yesterday(self, job: Job, batch: Batch) -> bool:
        """Whether the database may have been restored to before the job was sent.

        So it is where a job has waited for long, or where a shard of an older batch is new to this process.
        """
        since = job.created_at if family_of(job.id) in self._known else batch.created_at
        waited = self.runtime.now() - since
        return waited.total_seconds() > self.runtime.settings.adopt_grace_seconds

    async def _sent_before(self, job: Job, state: BatchState, file: FileState) -> Job | None:
        """`job` itself if no deployment has it; otherwise the job to go on with, or None.

        The newest attempt is the one to go on with, if it comes after those of the rows; others are ended. A
        deployment that cannot be asked, or does not end one now, is waited for no longer than the grace. It
        may have one that shows up later, as may any deployment that was called just before the database was
        restored: then the job is given a `search_until`, so that others are looked for beside it.
        """
        now, grace = self.runtime.now(), timedelta(seconds=self.runtime.settings.adopt_grace_seconds)
        until = job.search_until or now + grace
        due = self.runtime.next_look(now, None, job.checks)
        wait = partial(self.write, job, job.state, due=due, checks=job.checks + 1, search_until=until)
        copies = {copy.deployment_id: copy.provider_file_id for copy in file.copies}
        try:
            found = await self._unclear.sent_before(state, job, file)
        except ProviderError as error:
            logger.warning("a list is not complete", extra=self.log_fields(job, error=error.message))
            if now >= until and not isinstance(error, OpenCandidate):
                return replace(job, search_until=now + grace)
            await wait()
            return None
        later = [each for each in found if each.attempt >= job.attempt]
        newest = later[0] if later else None
        others = [each for each in found if newest is None or each.tag != newest.tag]
        are_ended = await self._unclear.end_others(job, others)
        if not are_ended and now < until:
            await wait()
            return None
        if newest is None and (not are_ended or now < self._began + grace):
            return replace(job, search_until=now + grace)
        self._known.add(family_of(job.id))
        if newest is None:
            return replace(job, search_until=None)
        where, tag, attempt = newest.deployment_id, newest.tag, newest.attempt
        logger.warning("a job was sent already", extra=self.log_fields(job, found_at=where, sent_as=tag))
        sent = {
            "deployment_id": where,
            "provider_file_id": copies.get(where),
            "submit_started_at": state.batch.created_at,
            "search_until": now + grace,
        }
        if tag == job.id:
            return (await self.write_and_keep_claim(job, JobState.UNCLEAR, **sent)).job
        written = await self.write(
            job,
            JobState.REFUSED,
            due=None,
            reason=f"{tag} was sent in its place",
            follow=lambda ended: replace(
                self.next_attempt(ended), id=tag, attempt=attempt, state=JobState.UNCLEAR, **sent
            ),
        )
        return written.following

    async def _intend(self, job: Job, target: Target) -> Job:
        """Write where the job goes before anybody is called."""
        written = await self.write_and_keep_claim(
            job,
            JobState.SUBMITTING,
            deployment_id=target.deployment_id,
            provider_file_id=target.provider_file_id,
            submit_started_at=self.runtime.now(),
            search_until=job.search_until,
            unless=_is_to_be_cancelled,
        )
        return written.job

    def _tries(self, state: BatchState, job: Job) -> Tries:
        floor = self.runtime.fleet.min_poll_seconds(None)
        return Tries.of(state.jobs, job, floor=floor, ceiling=self.runtime.settings.max_poll_seconds)

    async def _wait(
        self,
        job: Job,
        batch: Batch,
        lines: JobLines,
        tries: Tries,
        *,
        is_coming: bool = False,
    ) -> None:
        """Give the job back until a deployment may have room, or a copy may have become ready."""
        now, file = self.runtime.now(), copies_for(lines.file, job)
        on_its_way = is_coming or any(copy.state in _ON_THEIR_WAY for copy in file.copies)
        due = self.runtime.next_look(now, None, 0 if on_its_way else job.checks)
        chance = next_chance(self.runtime, file, batch.model, until=batch.expires_at, tries=tries)
        if chance is not None:
            due = min(due, chance) if on_its_way else chance
        due = min(due, max(now, batch.expires_at))
        waiting = waiting_for(self.runtime, batch, file, tries, lines.shard)
        await self.write(job, job.state, due=due, checks=job.checks + 1, waiting_for=waiting)

    async def begin(self, job: Job, batch: Batch, lease: Lease) -> Job | None:
        """`submit`, of the first job of a batch that is just being created."""
        assert job.deployment_id is not None
        with self.runtime.fleet.placing(job.deployment_id, job.requests):
            return await self.submit(job, batch, lease)

    async def submit(self, job: Job, batch: Batch, lease: Lease, content: Input | None = None) -> Job | None:
        """Make the call that a submitting job's row announces; the job to go on with, or None.

        One that goes out with its content may take as long as that does: the lease is renewed meanwhile.
        """
        if job.search_until is None:
            self._known.add(family_of(job.id))
        hit("place.intended")
        assert job.deployment_id is not None
        assert job.provider_file_id is not None
        fleet = self.runtime.fleet
        adapter = fleet.adapter(job.deployment_id)
        submission = BatchSubmission(
            input_file_id=job.provider_file_id,
            endpoint=batch.endpoint,
            completion_window=batch.completion_window,
            metadata=self._metadata(job, batch, adapter.max_metadata_pairs),
            timeout_seconds=self.runtime.settings.call_timeout_seconds if content is None else None,
            model=fleet.upstream_model(job.deployment_id, batch.model),
            requests=job.requests,
            size=content.size if content is not None else None,
            content=content.content if content is not None else None,
        )
        await lease.ensure(self.runtime.settings.call_timeout_seconds)
        try:
            with self.span_of("place", job, batch):
                snapshot = await adapter.create_batch(submission)
        except CopyRefused as error:
            return await self._endings.copy_refused(job, batch, error)
        except (DeploymentRefused, ProviderNotFound) as error:
            fleet.refused(job.deployment_id, error)
            return await self._endings.turned_away(job, error)
        except ContentRefused as error:
            return await self._endings.content_refused(job, batch, error)
        except (NoClearAnswer, ProviderBusy) as error:
            return await self._endings.unclear(job, error)
        hit("place.answered")
        fleet.clear_cooldown(job.deployment_id)
        await self._accepted(job, batch, snapshot)
        return None

    def _metadata(self, job: Job, batch: Batch, most: int) -> dict[str, str]:
        tag = {TAG_JOB: job.id, TAG_INSTALLATION: self.runtime.installation_id}
        own = [(key, value) for key, value in (batch.metadata or {}).items() if key not in tag]
        return dict(own[: most - len(tag)]) | tag

    async def _accepted(self, job: Job, batch: Batch, snapshot: ProviderBatch) -> None:
        now = self.runtime.now()
        try:
            await self.write(
                job,
                JobState.SUBMITTED,
                provider_batch_id=snapshot.id,
                snapshot=snapshot,
                due=self.runtime.next_look(now, job.deployment_id, 0),
                refresh_from=self.runtime.refresh_from(now, job.deployment_id),
            )
        except StateConflict:
            await self._undo(job, snapshot)
        else:
            told = self.log_fields(job, model=batch.model, provider_batch_id=snapshot.id)
            logger.info("batch placed", extra=told)
        hit("place.stored")

    async def _undo(self, job: Job, snapshot: ProviderBatch) -> None:
        """Somebody else holds the job now: leave it what can still be adopted, cancel what cannot."""
        state = await self.runtime.storage.get_batch_state(job.batch_id)
        row = next((each for each in state.jobs if each.id == job.id), None) if state is not None else None
        if row is not None and row.state in (JobState.SUBMITTING, JobState.UNCLEAR, JobState.SUBMITTED):
            return
        logger.warning("a job came too late and is cancelled", extra=self.log_fields(job))
        await self.runtime.fleet.adapter(job.deployment_id).cancel_batch(snapshot.id)


def _is_to_be_cancelled(current: BatchState) -> bool:
    return current.batch.cancel_requested_at is not None
