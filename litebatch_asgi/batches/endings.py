"""Endings of attempts: refused, refused for the copy's sake, failed for the content's, unclear."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.batches.quotas import Quotas
from litebatch_asgi.batches.targets import copies_for
from litebatch_asgi.batches.work import JobWork
from litebatch_asgi.copy_lifecycle import doubt, move_copy
from litebatch_asgi.errors import ContentRefused, CopyRefused, NoClearAnswer, ProviderBusy, ProviderError
from litebatch_asgi.file_events import copy_events
from litebatch_asgi.files.forms import dialect_of
from litebatch_asgi.models import Batch, BatchError, CopyState, FileChange, FileState, Job, JobState
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.scrub import scrub

logger: logging.Logger = logging.getLogger(__name__)

UNUSABLE = BatchError(code="invalid_file", message="No deployment could use the input file. Upload it again.")
_LEFT = frozenset({CopyState.INTENT, CopyState.PENDING, CopyState.READY})
MOST_COPY_REFUSALS = 8
"""creates that are refused for their copy's sake before the batch fails"""


class JobEndings(JobWork):
    """Writes how an attempt ended, and begins the next one where another deployment may do better."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._quotas = Quotas(runtime)

    async def turned_away(self, job: Job, error: ProviderError) -> Job | None:
        """Refused by a deployment, or by something on the way that may have passed the call on before.

        The next attempt begins at once; where an answer came, one look after the grace tells a twin.
        """
        if error.status is None:
            return await self.refused(job, error)
        await self._quotas.learn(job, error)
        logger.warning("deployment refused a batch", extra=self.log_fields(job, error=error.message))
        until = self.runtime.now() + timedelta(seconds=self.runtime.settings.adopt_grace_seconds)
        written = await self.write(
            job,
            JobState.WATCHED,
            reason=error.message,
            search_until=until,
            due=until,
            follow=self.next_attempt,
        )
        return written.following

    async def refused(self, job: Job, error: ProviderError, **next_one: Any) -> Job | None:
        """End a job that its deployment did not take, and begin the next attempt, which is ours."""
        await self._quotas.learn(job, error)
        logger.warning("deployment refused a batch", extra=self.log_fields(job, error=error.message))
        written = await self.write(
            job,
            JobState.REFUSED,
            reason=error.message,
            due=None,
            follow=lambda ended: replace(self.next_attempt(ended), **next_one),
        )
        return written.following

    async def copy_refused(self, job: Job, batch: Batch, error: CopyRefused) -> Job | None:
        """The deployment cannot use its copy: that one is looked at anew, and the job begins another try.

        After so many tries the batch fails: a provider may call a copy ready and refuse it for ever.
        """
        await self._doubt_copy(job, batch)
        if job.copy_refusals + 1 >= MOST_COPY_REFUSALS:
            await self.failed(job, (UNUSABLE,))
            return None
        return await self.refused(job, error, copy_refusals=job.copy_refusals + 1)

    async def content_refused(self, job: Job, batch: Batch, error: ContentRefused) -> Job | None:
        """Refused for its content. The batch fails, unless its lines were translated for this deployment.

        Then this copy counts as failed, and the job begins another try where a copy is left.
        """
        if await self._leaves_others(job, batch, error):
            return await self.turned_away(job, error)
        await self.failed(job, (refusal_of(error, job, batch, self.runtime),))
        return None

    async def _leaves_others(self, job: Job, batch: Batch, error: ContentRefused) -> bool:
        """Give up a translated copy, if another deployment may take the file."""
        fleet, now = self.runtime.fleet, self.runtime.now()
        served = fleet.deployments_for(batch.model).keys() - {job.deployment_id}

        def decide(current: FileState) -> FileChange | None:
            copies = copies_for(current, job).copies
            refused = next((copy for copy in copies if copy.deployment_id == job.deployment_id), None)
            left = [copy for copy in copies if copy.deployment_id in served and copy.state in _LEFT]
            if refused is None or refused.state is not CopyState.READY or not left:
                return None
            if dialect_of(fleet, refused.deployment_id, current.file) is None:
                return None
            failed = move_copy(refused, CopyState.FAILED, due=None, ready_at=None, error=error.message)
            events = copy_events(current.file, refused, failed, now)
            return FileChange(copies=(failed,), events=events, fence_out=True)

        written = await self.runtime.storage.change_file(batch.input_file_id, decide)
        self.runtime.events_written()
        copies = copies_for(written, job).copies
        where = [copy for copy in copies if copy.deployment_id == job.deployment_id]
        return any(copy.state is CopyState.FAILED for copy in where)

    async def _doubt_copy(self, job: Job, batch: Batch) -> None:
        now = self.runtime.now()

        def decide(current: FileState) -> FileChange | None:
            where = (job.deployment_id, job.provider_file_id)
            refused = [
                copy
                for copy in copies_for(current, job).copies
                if (copy.deployment_id, copy.provider_file_id) == where
            ]
            return doubt(refused[0], now) if refused else None

        await self.runtime.storage.change_file(batch.input_file_id, decide)
        self.runtime.wake()

    async def failed(self, job: Job, errors: tuple[BatchError, ...]) -> None:
        """End a job for its content is wrong at any deployment, and its batch if nothing else of it runs."""
        await self.write(
            job, JobState.FAILED, reason=errors[0].code if errors else None, due=None, errors=errors
        )

    async def unclear(self, job: Job, error: NoClearAnswer | ProviderBusy) -> Job:
        """Nobody knows whether the provider has the job: it is to be searched for, and stays ours."""
        logger.warning("no clear answer to a create", extra=self.log_fields(job, error=error.message))
        now = self.runtime.now()
        is_told = self.runtime.fleet.adapter(job.deployment_id).tells_tags  # else no single list is enough
        at_once = isinstance(error, ProviderBusy) and is_told
        grace = 0.0 if at_once else self.runtime.settings.adopt_grace_seconds
        written = await self.write_and_keep_claim(
            job, JobState.UNCLEAR, reason=error.message, search_until=now + timedelta(seconds=grace)
        )
        return written.job


def refusal_of(error: ProviderError, job: Job, batch: Batch, runtime: Runtime) -> BatchError:
    """What a provider said, fit for the batch's owner."""
    said = BatchError(code=error.code or "invalid_request", message=error.message, param=error.param)
    return fit_for_owner(said, job, batch, runtime)


def fit_for_owner(error: BatchError, job: Job, batch: Batch, runtime: Runtime) -> BatchError:
    """A provider's error without its names, in none of its texts."""
    names = private_names(job, batch, runtime)
    texts = {name: getattr(error, name) for name in ("code", "message", "param")}
    return replace(error, **{name: scrub(text, names=names) for name, text in texts.items() if text})


def private_names(job: Job, batch: Batch, runtime: Runtime) -> dict[str, str]:
    """The provider's names of what the client knows by ours."""
    names = {
        job.provider_file_id: batch.input_file_id,
        job.provider_batch_id: batch.id,
        job.deployment_id: "the deployment",
    }
    if job.deployment_id is not None and runtime.fleet.has(job.deployment_id):
        names.update(runtime.fleet.catalog.deployments[job.deployment_id].place_names)
        names[runtime.fleet.upstream_model(job.deployment_id, batch.model)] = batch.model
    return {private: public for private, public in names.items() if private}
