"""Jobs: where they go, what is searched for, and what is cancelled."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from litebatch_asgi import copy_lifecycle
from litebatch_asgi.batches import creating, work
from litebatch_asgi.batches.endings import JobEndings
from litebatch_asgi.batches.placing import Placer
from litebatch_asgi.batches.quotas import Quotas
from litebatch_asgi.batches.searching import BatchSearch, Sighting
from litebatch_asgi.batches.targets import Target, Tries, choose
from litebatch_asgi.batches.unclear import UnclearJobs
from litebatch_asgi.batches.work import JobWork, Written
from litebatch_asgi.errors import ProviderError
from litebatch_asgi.files import copies, reconciling, removal
from litebatch_asgi.fleet import Fleet
from litebatch_asgi.leases import Lease
from litebatch_asgi.lifecycle import move
from litebatch_asgi.models import (
    Batch,
    BatchState,
    CopyState,
    FileCopy,
    FileState,
    Job,
    JobState,
    ProviderBatch,
)

Patch = pytest.MonkeyPatch


def target_is_written_last(patch: Patch) -> None:
    """The provider is called first, and where the job went is written with the answer."""
    accepted = Placer._accepted

    async def no_target(*_: object, **__: object) -> None:
        """A new batch begins without a target."""

    async def place(self: Placer, job: Job, lease: Lease) -> Job | None:
        state = await self.runtime.storage.get_batch_state(job.batch_id)
        assert state is not None
        file = await self.runtime.storage.get_file(state.batch.input_file_id)
        assert file is not None
        until = state.batch.expires_at
        target = await choose(
            self.runtime, file, state.batch.model, requests=job.requests, until=until, seed=job.id
        )
        if target is None:
            await self._wait(job, state.batch, await self._lines.of(job, file), Tries())
            return None
        sent = move(job, JobState.SUBMITTING, due=None, **msgspec.structs.asdict(target))
        return await self.submit(sent, state.batch, lease)

    async def write_and_accept(self: Placer, job: Job, batch: Batch, snapshot: ProviderBatch) -> None:
        assert job.deployment_id is not None
        assert job.provider_file_id is not None
        target = Target(deployment_id=job.deployment_id, provider_file_id=job.provider_file_id)
        await self._intend(job, target)
        await accepted(self, job, batch, snapshot)

    patch.setattr(creating, "choose", no_target)
    patch.setattr(Placer, "place", place)
    patch.setattr(Placer, "_accepted", write_and_accept)


def no_answer_is_a_refusal(patch: Patch) -> None:
    """A create without a clear answer is taken for one that was not done."""

    async def refuse(self: JobEndings, job: Job, error: ProviderError) -> Job | None:
        return await self.refused(job, error)

    patch.setattr(JobEndings, "unclear", refuse)


def no_grace_for_jobs(patch: Patch) -> None:
    """A list without the tag counts at once."""
    search = UnclearJobs.search

    async def search_once(self: UnclearJobs, job: Job) -> Job | None:
        return await search(self, replace(job, search_until=self.runtime.now()))

    patch.setattr(UnclearJobs, "search", search_once)


def one_list_is_enough_without_tags(patch: Patch) -> None:
    """Where a provider tells no tags, the first list without a candidate counts."""
    search = UnclearJobs.search

    async def search_once(self: UnclearJobs, job: Job) -> Job | None:
        if not self.runtime.fleet.adapter(job.deployment_id).tells_tags:
            job = replace(job, search_until=self.runtime.now())
        return await search(self, job)

    def always(self: UnclearJobs, job: Job) -> bool:
        return True

    patch.setattr(UnclearJobs, "search", search_once)
    patch.setattr(UnclearJobs, "_was_absent_before", always)


def the_vanished_are_given_up_early(patch: Patch) -> None:
    """A job that its provider has had is searched for no longer than one that may never have been made."""
    write = JobWork.write

    async def written(self: JobWork, claimed: Job, state: JobState, **changes: Any) -> Written:
        if changes.get("reason") == "vanished":
            grace = timedelta(seconds=self.runtime.settings.adopt_grace_seconds)
            changes["search_until"] = self.runtime.now() + grace
        return await write(self, claimed, state, **changes)

    patch.setattr(JobWork, "write", written)


def old_jobs_are_sent_unseen(patch: Patch) -> None:
    """What a restored database calls unsent is sent."""

    def never(self: Placer, job: Job, batch: Batch) -> bool:
        return False

    patch.setattr(Placer, "_may_be_of_yesterday", never)


def no_watch_for_twins(patch: Patch) -> None:
    """A job that was given up is not looked for any more."""

    async def close(self: UnclearJobs, job: Job) -> None:
        await self.write(job, JobState.CLOSED, due=None)

    patch.setattr(UnclearJobs, "watch", close)


def twins_are_left_alone(patch: Patch) -> None:
    """Of several jobs with one tag one is followed and none is cancelled."""

    async def let_run(self: UnclearJobs, job: Job, twin: object) -> bool:
        return True

    patch.setattr(UnclearJobs, "_end_twin", let_run)


def tags_are_not_compared(patch: Patch) -> None:
    """Whatever is listed counts as ours."""

    async def everything(
        self: BatchSearch, job: Job, deployment_id: str, *, since: datetime, to_cancel: bool = False
    ) -> Sighting:
        adapter = self._runtime.fleet.adapter(deployment_id)  # pyright: ignore[reportPrivateUsage]
        return Sighting(ours=[batch async for batch in adapter.list_batches(since=since)])

    patch.setattr(BatchSearch, "find", everything)


def nothing_is_fenced(patch: Patch) -> None:
    """Whoever once had a claim may write, whatever has become of the row."""

    def held(state: BatchState, claimed: Job) -> Job:
        return next(job for job in state.jobs if job.id == claimed.id)

    def held_copy(state: FileState, claimed: FileCopy) -> FileCopy:
        return next(copy for copy in state.copies if copy.key == claimed.key)

    anything = dict.fromkeys(CopyState, frozenset(CopyState))
    patch.setattr(copy_lifecycle, "TRANSITIONS", anything)
    patch.setattr(work, "held", held)
    modules: tuple[Any, ...] = (copies, reconciling, removal)
    for module in modules:
        patch.setattr(module, "held_copy", held_copy)


def limits_outlive_larger_jobs(patch: Patch) -> None:
    """A limit that was learned counts for its hour, whatever runs meanwhile."""

    async def nothing(self: Quotas, *jobs: Job) -> None:
        """Nothing is forgotten."""

    patch.setattr(Quotas, "took", nothing)


def live_deployments_are_asked_for_batches(patch: Patch) -> None:
    """Whoever has a deployment asks it what has become of a batch, in whichever lane it is now."""
    patch.setattr(Fleet, "has_batches", Fleet.has)
