"""Placing: a waiting job is given a deployment, which is written down before the deployment is called."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

import msgspec

from litebatch_asgi.batches.work import JobWork, newest
from litebatch_asgi.errors import (
    ContentRefused,
    CopyRefused,
    DeploymentRefused,
    NoClearAnswer,
    ProviderBusy,
    ProviderError,
    ProviderNotFound,
    StateConflict,
)
from litebatch_asgi.failpoints import hit
from litebatch_asgi.lifecycle import batch_change, held, move, next_attempt
from litebatch_asgi.models import (
    Batch,
    BatchChange,
    BatchError,
    BatchState,
    CopyState,
    FileChange,
    FileState,
    Job,
    JobState,
    ProviderBatch,
)
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.provider import BatchSubmission
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.scrub import scrub
from litebatch_asgi.strategies import Candidate

logger: logging.Logger = logging.getLogger(__name__)

UNUSABLE = BatchError(code="invalid_file", message="No deployment could use the input file. Upload it again.")
_ON_THEIR_WAY = frozenset({CopyState.INTENT, CopyState.PENDING})
_USABLE = frozenset({CopyState.READY, CopyState.DELETING})


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job goes."""

    deployment_id: str
    provider_file_id: str


async def choose(
    runtime: Runtime, file: FileState, model: str, *, until: datetime, seed: str
) -> Target | None:
    """The best deployment that has a usable copy and is not resting; None: none has."""
    copies = usable_copies(file, until)
    deployments = runtime.fleet.deployments_for(model)
    ids = [id_ for id_ in deployments if id_ in copies and not runtime.fleet.rests_for(id_)]
    if not ids:
        return None
    load = await runtime.storage.open_requests() if len(ids) > 1 else {}
    candidates = [
        Candidate(deployment_id=id_, weight=deployments[id_].weight, open_requests=load.get(id_, 0))
        for id_ in ids
    ]
    first = runtime.strategy(candidates, seed=seed)[0]
    return Target(deployment_id=first.deployment_id, provider_file_id=copies[first.deployment_id])


def usable_copies(file: FileState, until: datetime) -> Mapping[str, str]:
    """Provider file ids by deployment, of copies that their providers keep until then.

    Those of a deleted file stay usable while a batch needs them.
    """
    return {
        copy.deployment_id: copy.provider_file_id
        for copy in file.copies
        if copy.state in _USABLE and copy.provider_file_id is not None
        if copy.expires_at is None or copy.expires_at >= until
    }


class Placer(JobWork):
    """Gives waiting jobs to deployments."""

    async def place(self, job: Job) -> Job | None:
        """Send a waiting job that we hold to a deployment; the job to go on with, or None.

        Nothing is sent once the batch is cancelled or its time is over: that is for `UnsentJobs`.
        """
        state = await self.runtime.storage.get_batch_state(job.batch_id)
        if state is None:
            raise StateConflict(f"{job.batch_id} is gone")
        file = await self.runtime.storage.get_file(state.batch.input_file_id)
        if file is None:
            raise StateConflict(f"{state.batch.input_file_id} is gone")
        until = state.batch.expires_at
        target = await choose(self.runtime, file, state.batch.model, until=until, seed=job.id)
        if target is None and all(copy.state is CopyState.FAILED for copy in file.copies):
            await self.fail(job, state.batch, (UNUSABLE,))
            return None
        if target is None:
            await self._wait(job, state.batch, file)
            return None
        now = self.runtime.now()
        intended = partial(self._intend, claimed=job, target=target, now=now)
        written = newest(await self.runtime.storage.change_batch(job.batch_id, intended), job.shard)
        if written.state is not JobState.SUBMITTING:
            return written  # cancelled in the meantime
        return await self.submit(written, state.batch)

    def _intend(
        self, current: BatchState, *, claimed: Job, target: Target, now: datetime
    ) -> BatchChange | None:
        job = held(current, claimed)
        if current.batch.cancel_requested_at is not None:
            return None
        moved = move(
            job,
            JobState.SUBMITTING,
            deployment_id=target.deployment_id,
            provider_file_id=target.provider_file_id,
            submit_started_at=now,
            **self.claim_fields(now),
        )
        return batch_change(current, now, jobs=(moved,), lease_seconds=self.runtime.settings.lease_seconds)

    async def _wait(self, job: Job, batch: Batch, file: FileState) -> None:
        """Give the job back until a deployment may have room, or a copy may have become ready."""
        now = self.runtime.now()
        ids = self.runtime.fleet.deployments_for(batch.model)
        rests = [rest for rest in map(self.runtime.fleet.rests_for, ids) if rest > 0]
        on_its_way = any(copy.state in _ON_THEIR_WAY for copy in file.copies)
        due = self.runtime.next_look(now, None, 0 if on_its_way else job.checks)
        if rests and not on_its_way:
            due = now + timedelta(seconds=min(rests))
        due = min(due, max(now, batch.expires_at))
        await self.write(job, job.state, next_check_at=due, checks=job.checks + 1)

    async def submit(self, job: Job, batch: Batch) -> Job | None:
        """Make the call that a submitting job's row announces; the job to go on with, or None."""
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
            timeout_seconds=self.runtime.settings.call_timeout_seconds,
        )
        await self.runtime.ensure_lease(job, submission.timeout_seconds)
        try:
            snapshot = await adapter.create_batch(submission)
        except CopyRefused as error:
            return await self.copy_refused(job, batch, error)
        except (DeploymentRefused, ProviderNotFound) as error:
            fleet.rest(job.deployment_id, error.retry_after)
            return await self._turned_away(job, error)
        except ContentRefused as error:
            await self.fail(job, batch, (refusal(error, job, batch, self.runtime),))
            return None
        except (NoClearAnswer, ProviderBusy) as error:
            return await self._doubt(job, error)
        hit("place.answered")
        fleet.welcome(job.deployment_id)
        await self._accepted(job, batch, snapshot)
        return None

    def _metadata(self, job: Job, batch: Batch, most: int) -> dict[str, str]:
        tag = {TAG_JOB: job.id, TAG_INSTALLATION: self.runtime.installation_id}
        own = [(key, value) for key, value in (batch.metadata or {}).items() if key not in tag]
        return dict(own[: most - len(tag)]) | tag

    async def _accepted(self, job: Job, batch: Batch, snapshot: ProviderBatch) -> None:
        now = self.runtime.now()
        told = self.log_fields(job, model=batch.model, provider_batch_id=snapshot.id)
        logger.info("batch placed", extra=told)
        try:
            await self.write(
                job,
                JobState.SUBMITTED,
                provider_batch_id=snapshot.id,
                snapshot=snapshot,
                next_check_at=self.runtime.next_look(now, job.deployment_id, 0),
            )
        except StateConflict:
            await self._undo(job, snapshot)
        hit("place.stored")

    async def _undo(self, job: Job, snapshot: ProviderBatch) -> None:
        """Somebody else holds the job now: leave it what can still be adopted, cancel what cannot."""
        state = await self.runtime.storage.get_batch_state(job.batch_id)
        row = next((each for each in state.jobs if each.id == job.id), None) if state is not None else None
        if row is not None and row.state in (JobState.SUBMITTING, JobState.UNCLEAR, JobState.SUBMITTED):
            return
        logger.warning("a job came too late and is cancelled", extra=self.log_fields(job))
        await self.runtime.fleet.adapter(job.deployment_id).cancel_batch(snapshot.id)

    async def _turned_away(self, job: Job, error: ProviderError) -> Job | None:
        """Refused by a deployment, or by something on the way that may have passed the call on before.

        The next attempt begins at once; where an answer came, one look after the grace tells a twin.
        """
        if error.status is None:
            return await self.refused(job, error)
        logger.warning("deployment refused a batch", extra=self.log_fields(job, error=error.message))
        now = self.runtime.now()
        until = now + timedelta(seconds=self.runtime.settings.adopt_grace_seconds)
        after = await self.write(
            job,
            JobState.WATCHED,
            reason=error.message,
            search_until=until,
            next_check_at=until,
            follow=lambda ended: next_attempt(ended, now, **self.claim_fields(now)),
        )
        return newest(after, job.shard)

    async def refused(self, job: Job, error: ProviderError) -> Job | None:
        """End a job that its deployment did not take, and begin the next attempt, which we hold."""
        logger.warning("deployment refused a batch", extra=self.log_fields(job, error=error.message))
        now = self.runtime.now()
        after = await self.write(
            job,
            JobState.REFUSED,
            reason=error.message,
            follow=lambda ended: next_attempt(ended, now, **self.claim_fields(now)),
        )
        return newest(after, job.shard)

    async def copy_refused(self, job: Job, batch: Batch, error: CopyRefused) -> Job | None:
        """The deployment cannot use its copy: that one is looked at anew, and the job begins another try."""
        await self._doubt_copy(job, batch)
        return await self.refused(job, error)

    async def _doubt_copy(self, job: Job, batch: Batch) -> None:
        now = self.runtime.now()

        def decide(current: FileState) -> FileChange:
            doubted = tuple(
                msgspec.structs.replace(
                    copy, state=CopyState.PENDING, next_check_at=now, claimed_by=None, claimed_until=None
                )
                for copy in current.copies
                if copy.deployment_id == job.deployment_id and copy.state is CopyState.READY
            )
            # who watches the copy at this moment would put it to rest otherwise
            return FileChange(copies=doubted, fence_out=True)

        await self.runtime.storage.change_file(batch.input_file_id, decide)
        self.runtime.wake()

    async def fail(self, job: Job, batch: Batch, errors: tuple[BatchError, ...]) -> None:
        """End a job, and with it its batch, for its content is wrong at any deployment."""
        logger.info("batch failed", extra=self.log_fields(job, model=batch.model))
        await self.write(
            job,
            JobState.FAILED,
            reason=errors[0].code if errors else None,
            batch=lambda current: msgspec.structs.replace(current, errors=errors),
        )

    async def _doubt(self, job: Job, error: NoClearAnswer | ProviderBusy) -> Job | None:
        logger.warning("no clear answer to a create", extra=self.log_fields(job, error=error.message))
        now = self.runtime.now()
        grace = 0.0 if isinstance(error, ProviderBusy) else self.runtime.settings.adopt_grace_seconds
        after = await self.write(
            job,
            JobState.UNCLEAR,
            reason=error.message,
            search_until=now + timedelta(seconds=grace),
            **self.claim_fields(now),
        )
        return next(each for each in after.jobs if each.id == job.id)


def refusal(error: ProviderError, job: Job, batch: Batch, runtime: Runtime) -> BatchError:
    """What a provider said, fit for the batch's owner."""
    scrubbed = partial(scrub, names=private_names(job, batch, runtime))
    return BatchError(
        code=error.code or "invalid_request", message=scrubbed(error.message), param=error.param
    )


def private_names(job: Job, batch: Batch, runtime: Runtime) -> dict[str, str]:
    """The provider's names of what the client knows by ours."""
    names = {
        job.provider_file_id: batch.input_file_id,
        job.provider_batch_id: batch.id,
        job.deployment_id: "the deployment",
    }
    if job.deployment_id is not None and runtime.fleet.has(job.deployment_id):
        names[runtime.fleet.upstream_model(job.deployment_id, batch.model)] = batch.model
    return {private: public for private, public in names.items() if private}
