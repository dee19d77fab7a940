"""Jobs whose create had no clear answer: searched for, adopted, given up, watched."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.batches.results import named_files
from litebatch_asgi.batches.searching import BatchSearch, Sent, Sighting
from litebatch_asgi.batches.targets import copies_for
from litebatch_asgi.batches.unsent import UnsentJobs
from litebatch_asgi.batches.work import JobWork, looked_at
from litebatch_asgi.errors import NoClearAnswer, ProviderError, ProviderNotFound
from litebatch_asgi.failpoints import hit
from litebatch_asgi.lifetimes import WATCH_FOR
from litebatch_asgi.models import (
    Batch,
    BatchState,
    BatchStatus,
    DeploymentWait,
    FileState,
    Job,
    JobState,
    ProviderBatch,
    WaitingFor,
    WaitReason,
)
from litebatch_asgi.recent import RecentIds
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

_LOOKED_FOR = frozenset({JobState.SUBMITTING, JobState.UNCLEAR})


class OpenCandidate(NoClearAnswer):
    """A batch at credentials that nobody else uses may be the one that is looked for: it tells at its end."""


class UnclearJobs(JobWork):
    """Finds out what became of a create."""

    def __init__(self, runtime: Runtime, unsent: UnsentJobs) -> None:
        super().__init__(runtime)
        self._unsent = unsent
        self._search = BatchSearch(runtime)
        self._not_listed = RecentIds()
        self._unbilled = RecentIds()
        self._silent_until: dict[str, datetime] = {}

    async def mark_unclear(self, job: Job) -> Job:
        """A submitting job whose caller has died: whether it was sent is open."""
        grace = timedelta(seconds=self.runtime.settings.adopt_grace_seconds)
        written = await self.write_and_keep_claim(
            job, JobState.UNCLEAR, reason="its sender died", search_until=self.runtime.now() + grace
        )
        return written.job

    async def search(self, job: Job) -> Job | None:
        """Look for an unclear job; the next attempt, already claimed, if it was never made."""
        now = self.runtime.now()
        assert job.search_until is not None
        try:
            given = await self._seen_again(job)
            found = Sighting(ours=[given]) if given else await self._tagged(job)
        except ProviderError as error:
            logger.warning("a list is not complete", extra=self.log_fields(job, error=error.message))
            await self._unsent.postpone(job)
            return None
        listed = next((batch for batch in found.ours if batch.id == job.provider_batch_id), None)
        if listed is not None and given is None:
            await self._only_listed(job, listed)
            return None
        if found.ours:
            await self._adopt(job, found.ours)
            return None
        if found.perhaps:
            await self._unsent.postpone(job, waiting_for=_open_candidate(job))
            return None
        if now < job.search_until or not self._was_absent_before(job):
            await self._unsent.postpone(job, no_later_than=max(now, job.search_until))
            return None
        return await self._next_one(job)

    async def begin_anew(self, job: Job) -> Job | None:
        """End an adopted job that was cancelled as a twin; the next attempt, already claimed."""
        logger.warning("an adopted batch was cancelled before", extra=self.log_fields(job))
        return await self._next_one(job, reason="cancelled as a twin")

    async def _next_one(self, job: Job, **changes: Any) -> Job | None:
        """Watch a job that is given up from now on, and begin the next attempt, which is ours."""
        now = self.runtime.now()
        written = await self.write(
            job,
            JobState.WATCHED,
            search_until=now + WATCH_FOR,
            due=self.runtime.next_look(now, job.deployment_id, 0),
            checks=0,
            follow=self.next_attempt,
            **changes,
        )
        return written.following

    async def _seen_again(self, job: Job) -> ProviderBatch | None:
        """A job that had vanished, if its provider knows it again."""
        if job.provider_batch_id is None:
            return None
        try:
            return await self.runtime.fleet.adapter(job.deployment_id).retrieve_batch(job.provider_batch_id)
        except ProviderNotFound:
            return None

    async def _only_listed(self, job: Job, listed: ProviderBatch) -> None:
        """A job that its provider lists and does not find: it is there, so that it is not begun anew.

        The list's word counts once it names results. Until then the job waits, for the end grace at most.
        """
        if listed.status is BatchStatus.FAILED or not listed.names_results:
            await self._unsent.postpone(job)
            return
        now = self.runtime.now()
        looked = partial(looked_at, now=now)
        await self.write(job, JobState.ENDED, snapshot=listed, checks=0, due=now, batch=looked)

    async def _tagged(self, job: Job, *, to_cancel: bool = False) -> Sighting:
        assert job.submit_started_at is not None
        assert job.deployment_id is not None
        since = job.submit_started_at
        return await self._search.find(job, job.deployment_id, since=since, to_cancel=to_cancel)

    def _was_absent_before(self, job: Job) -> bool:
        """Whether a list without the job counts: one alone does not where a provider tells no tags."""
        if self.runtime.fleet.adapter(job.deployment_id).tells_tags or job.id in self._not_listed:
            return True
        self._not_listed.add(job.id)
        return False

    async def is_foreign(self, job: Job, batch: ProviderBatch) -> bool:
        """Whether a batch that was taken for the job's turns out to be another one's, now that it has ended.

        Raises `ProviderError` if it cannot be asked.
        """
        return await self._search.is_foreign(job, batch)

    async def sent_before(self, state: BatchState, job: Job, file: FileState) -> list[Sent]:
        """Where a waiting job is already, though no row speaks of that; the newest attempt first.

        The rows may be of yesterday: a database that was restored does not know what was placed since. Empty:
        no deployment has any attempt that is not of the rows. Raises `ProviderError` if one cannot be
        asked, or has a batch that may be one and does not tell yet: `OpenCandidate` where that is worth
        waiting for, since nobody else makes batches there.
        """
        found, since = list[Sent](), state.batch.created_at
        for deployment_id in self._to_ask(state.batch, file):
            sent, perhaps = await self._search.sent(job, deployment_id, since=since)
            new = [each for each in sent if each.attempt >= job.attempt or _is_unspoken(each, state.jobs)]
            found += new
            if perhaps and not new:
                is_alone = self.runtime.fleet.adapter(deployment_id).is_exclusive
                raise (OpenCandidate if is_alone else NoClearAnswer)(
                    f"{perhaps[0].id} may be the job's, which it tells once it has ended"
                )
        return sorted(found, key=lambda sent: sent.attempt, reverse=True)

    def _to_ask(self, batch: Batch, file: FileState) -> list[str]:
        """The deployments that may have been sent a job with these copies, and can tell.

        The row of a copy that was brought on demand may be lost as well: all are asked that tell tags.
        """
        fleet, copies = self.runtime.fleet, {copy.deployment_id for copy in file.copies}
        served = fleet.deployments_for(batch.model)
        return [id_ for id_ in served if id_ in copies or fleet.adapter(id_).tells_tags]

    async def end_others(self, job: Job, sent: Sequence[Sent]) -> bool:
        """End attempts that another one is gone on with instead; whether all of them are through.

        What cannot be ended now is logged.
        """
        return all([await self._ends(job, each) for each in sent])

    async def _ends(self, job: Job, sent: Sent) -> bool:
        try:
            return await self._end_twin(replace(job, deployment_id=sent.deployment_id), sent.batch)
        except ProviderError as error:
            told = self.log_fields(job, provider_batch_id=sent.batch.id, error=error.message)
            logger.warning("a twin cannot be cancelled now", extra=told)
            return False

    async def _adopt(self, job: Job, found: list[ProviderBatch]) -> None:
        first, *others = found
        now = self.runtime.now()
        await self._end_twins(job, others)
        await self.write(
            job,
            JobState.SUBMITTED,
            provider_batch_id=first.id,
            snapshot=first,
            search_until=now + timedelta(seconds=self.runtime.settings.adopt_grace_seconds),
            due=self.runtime.next_look(now, job.deployment_id, 0),
            refresh_from=self.runtime.refresh_from(now, job.deployment_id),
        )
        logger.info("batch adopted", extra=self.log_fields(job, provider_batch_id=first.id))
        hit("adopt.stored")

    async def look_beside(self, job: Job) -> bool:
        """Look whether there are others of an adopted job, and end them; whether to look again later.

        What passed a create on twice may have made two, and a list that lags shows one of them at first. So
        may a history that was lost with a restore, at any deployment.
        """
        now = self.runtime.now()
        assert job.search_until is not None
        try:
            found = await self._tagged(job, to_cancel=True)
            twins = [batch for batch in found.ours if batch.id != job.provider_batch_id]
            are_through = await self._end_twins(job, twins) and not found.perhaps
        except ProviderError as error:
            logger.warning("a list is not complete", extra=self.log_fields(job, error=error.message))
            are_through = False
        are_through = await self._end_unspoken(job) and are_through
        return now < (job.search_until if are_through else job.search_until + WATCH_FOR)

    async def _end_unspoken(self, job: Job) -> bool:
        """End the attempts at a job's shard that no row speaks of; whether there can be no more.

        Rows are read after the lists: what a list shows was called for by a row that is there by then, unless
        its row is lost. A deployment that cannot be asked is left alone for a while.
        """
        state = await self.runtime.storage.get_batch_state(job.batch_id)
        file = await self.runtime.storage.get_file(state.batch.input_file_id) if state is not None else None
        if state is None or file is None:
            return True
        found, can_all_tell, now = list[Sent](), True, self.runtime.now()
        for deployment_id in self._to_ask(state.batch, copies_for(file, job)):
            if now < self._silent_until.get(deployment_id, now):
                can_all_tell = False
                continue
            since = state.batch.created_at
            try:
                sent, perhaps = await self._search.sent(job, deployment_id, since=since)
            except ProviderError as error:
                logger.warning("a list is not complete", extra=self.log_fields(job, error=error.message))
                silence = timedelta(seconds=self.runtime.settings.max_poll_seconds)
                self._silent_until[deployment_id] = self.runtime.now() + silence
                can_all_tell = False
            else:
                found += sent
                can_all_tell = can_all_tell and not perhaps
        rows = await self.runtime.storage.get_batch_state(job.batch_id)
        unspoken = [each for each in found if rows is not None and _is_unspoken(each, rows.jobs)]
        return await self.end_others(job, unspoken) and can_all_tell

    async def watch(self, job: Job) -> None:
        """Look whether a job that was given up has shown up after all, and end it there.

        One without a deployment may show up at any.
        """
        now = self.runtime.now()
        assert job.search_until is not None
        twins: list[ProviderBatch] = []
        try:
            if job.deployment_id is None:
                are_through = await self._end_unspoken(job)
            else:
                found = await self._tagged(job, to_cancel=True)
                twins = found.ours
                are_through = await self._end_twins(job, twins) and not found.perhaps
        except ProviderError as error:
            logger.warning("a watch goes on", extra=self.log_fields(job, error=error.message))
            are_through = False
        if not are_through and now < job.search_until + WATCH_FOR:
            await self.look_again(job)
            return
        if twins or now >= job.search_until:
            await self.write(job, JobState.CLOSED, due=None, provider_batch_id=twins[0].id if twins else None)
        else:
            await self.look_again(job, no_later_than=job.search_until)

    async def _end_twins(self, job: Job, twins: list[ProviderBatch]) -> bool:
        """Cancel twins, and delete the results that they leave; whether all of them are through.

        Raises `ProviderError` for one that cannot be cancelled now, also if it is listed and not found.
        """
        return all([await self._end_twin(job, twin) for twin in twins])

    async def _end_twin(self, job: Job, twin: ProviderBatch) -> bool:
        """Nobody else has the ids of its result files, which may come later than its end."""
        adapter = self.runtime.fleet.adapter(job.deployment_id)
        if twin.status.is_final or twin.status is BatchStatus.CANCELLING:
            seen = await adapter.retrieve_batch(twin.id)
        else:
            logger.warning("a twin is cancelled", extra=self.log_fields(job, provider_batch_id=twin.id))
            seen = await adapter.cancel_batch(twin.id)
        if not seen.status.is_final:
            return False
        self._count_unbilled(job, seen)
        for named in named_files(job.deployment_id, seen):
            await adapter.delete_file(named.provider_file_id)
        return seen.names_results or seen.counts is None or not seen.counts.done

    def _count_unbilled(self, job: Job, twin: ProviderBatch) -> None:
        """What a twin has run is paid, and in no charge. Counted once by each process that sees its end."""
        if twin.id in self._unbilled or twin.counts is None or job.deployment_id is None:
            return
        self._unbilled.add(twin.id)
        self.runtime.metrics.unbilled(job.deployment_id, "twin", twin.counts.completed)


def _is_unspoken(sent: Sent, jobs: Iterable[Job]) -> bool:
    """Whether no row has an attempt that a provider has, nor will look for it; one that ran nothing is over.

    Of attempts that ran nothing there may be hundreds, and the rows of most are gone.
    """
    if sent.batch.status is BatchStatus.FAILED and not sent.batch.names_results:
        return False
    for job in jobs:
        is_looked_for = job.state in _LOOKED_FOR and job.provider_batch_id is None
        is_watched = job.state is JobState.WATCHED and job.deployment_id == sent.deployment_id
        if job.provider_batch_id == sent.batch.id or (job.id == sent.tag and (is_looked_for or is_watched)):
            return False
    return True


def _open_candidate(job: Job) -> WaitingFor:
    """What a batch waits for while another batch at its deployment may be it."""
    there = {job.deployment_id: DeploymentWait(reason="candidate_open")} if job.deployment_id else {}
    return WaitingFor(reason=WaitReason.UNCLEAR.value, deployments=there)
