"""Searching: which of a provider's batches a job has made.

Where the provider tells tags, its list says so. Where it does not, candidates are the listed batches of that
time with as many requests that no row of ours names. One that has ended tells by its results whose it is. One
that has not may be anybody's: it is waited for, unless nobody else makes batches with these credentials.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from litebatch_asgi.fleet import batch_family
from litebatch_asgi.lifetimes import made_since
from litebatch_asgi.models import Job, ProviderBatch
from litebatch_asgi.models.ids import attempt_of, job_family
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB, oldest_first
from litebatch_asgi.provider import ProviderAdapter
from litebatch_asgi.recent import RecentIds
from litebatch_asgi.runtime import Runtime

_LATER_ATTEMPTS = 4
"""attempts after its own that a job of a database that was restored may have come to"""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt of a job that a provider has."""

    attempt: int
    tag: str
    """the id of the job"""
    deployment_id: str
    batch: ProviderBatch


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """What a complete list has shown of a job."""

    ours: list[ProviderBatch]
    """made by it, oldest first"""
    perhaps: list[ProviderBatch] = []
    """those that may be, and do not tell yet"""


class BatchSearch:
    """Looks for the batches of jobs in the lists of their deployments.

    Raises `ProviderError` where a list is not complete, or a batch cannot be asked whose it is.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._foreign = RecentIds()

    async def find(
        self, job: Job, deployment_id: str, *, since: datetime, to_cancel: bool = False
    ) -> Sighting:
        """The job's batches among those made since then; one read serves all who look for theirs.

        `to_cancel`: what is found is to be cancelled. One that was taken for the job's by mistake would show
        at its end; one that was cancelled by mistake is lost.
        """
        adapter = self._runtime.fleet.adapter(deployment_id)
        if adapter.tells_tags:
            listed = await self._family(job, deployment_id, since=since)
            tagged = [batch for batch in listed if batch.metadata[TAG_JOB] == job.id]
            return Sighting(ours=oldest_first(tagged))
        candidates, has_rivals = await self._candidates(job, deployment_id, since, with_waiting=to_cancel)
        ours: list[ProviderBatch] = []
        perhaps: list[ProviderBatch] = []
        for batch in candidates:
            told = batch.id == job.provider_batch_id or await self._is_of(batch, job.id, adapter)
            if told is not False:
                (ours if told else perhaps).append(batch)
        if adapter.is_exclusive and not ours and not has_rivals and len(perhaps) == 1:
            return Sighting(ours=perhaps)
        return Sighting(ours=oldest_first(ours), perhaps=perhaps)

    async def sent(
        self, job: Job, deployment_id: str, *, since: datetime
    ) -> tuple[list[Sent], list[ProviderBatch]]:
        """All attempts at a job's shard, and the batches that may be one and do not tell.

        The batch that the job has is not among the latter.
        """
        family, found = job_family(job.batch_id, job.shard), list[Sent]()
        adapter = self._runtime.fleet.adapter(deployment_id)
        if adapter.tells_tags:
            for batch in await self._family(job, deployment_id, since=since):
                tag = batch.metadata[TAG_JOB]
                attempt = attempt_of(tag, family)
                if attempt is not None:
                    found.append(Sent(attempt=attempt, tag=tag, deployment_id=deployment_id, batch=batch))
            return found, []
        perhaps: list[ProviderBatch] = []
        candidates, _ = await self._candidates(job, deployment_id, since)
        for batch in (each for each in candidates if each.id != job.provider_batch_id):
            for attempt in range(1, job.attempt + _LATER_ATTEMPTS + 1):
                tag = f"{family}{attempt}"
                told = await self._is_of(batch, tag, adapter)
                if told is None:
                    perhaps.append(batch)
                    break
                if told:
                    found.append(Sent(attempt=attempt, tag=tag, deployment_id=deployment_id, batch=batch))
                    break
        return found, perhaps

    async def is_foreign(self, job: Job, batch: ProviderBatch) -> bool:
        """Whether a batch that was adopted for a job turns out to be another one's, now that it has ended."""
        adapter = self._runtime.fleet.adapter(job.deployment_id)
        was_unclear = job.reason is not None
        return (
            was_unclear
            and not adapter.tells_tags
            and await adapter.is_tagged(batch, self._tag(job.id)) is False
        )

    async def _family(self, job: Job, deployment_id: str, *, since: datetime) -> list[ProviderBatch]:
        """A deployment's attempts at the job's shard."""
        listing = self._runtime.fleet.batches_by_family(deployment_id)
        key = batch_family(self._runtime.installation_id, job.id)
        return await listing.find(key, since=made_since(since))

    async def _candidates(
        self, job: Job, deployment_id: str, since: datetime, *, with_waiting: bool = False
    ) -> tuple[list[ProviderBatch], bool]:
        """The batches that the job may have made, and whether another job may have made one of them.

        The list is read first: what is not named by a row then was begun by one that is there by now.
        """
        earliest = made_since(since)
        listing = self._runtime.fleet.batches_by_size(deployment_id)
        listed = [
            batch
            for batch in await listing.find(job.requests, since=earliest)
            if batch.created_at is None or batch.created_at >= earliest
        ]
        if not listed:
            return [], False
        storage = self._runtime.storage
        unanswered = await storage.unanswered_jobs(deployment_id, job.requests, with_waiting=with_waiting)
        known = await storage.known_provider_batches(deployment_id, [batch.id for batch in listed])
        known -= {job.provider_batch_id}
        return [batch for batch in listed if batch.id not in known], bool(unanswered - {job.id})

    async def _is_of(self, batch: ProviderBatch, tag: str, adapter: ProviderAdapter) -> bool | None:
        """Whether the job with this id has made a batch; None: that cannot be told yet."""
        asked = f"{batch.id} {tag}"
        if asked in self._foreign:
            return False
        told = await adapter.is_tagged(batch, self._tag(tag))
        if told is False:
            self._foreign.add(asked)
        return told

    def _tag(self, job_id: str) -> dict[str, str]:
        return {TAG_JOB: job_id, TAG_INSTALLATION: self._runtime.installation_id}
