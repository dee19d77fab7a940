"""Protections that can be switched off, one at a time, to see that it shows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from litebatch_asgi import copy_lifecycle
from litebatch_asgi.batches import creating, settling, targets, work
from litebatch_asgi.batches.endings import JobEndings
from litebatch_asgi.batches.placing import Placer
from litebatch_asgi.batches.reading import Reading, ResultReader
from litebatch_asgi.batches.searching import BatchSearch, Sighting
from litebatch_asgi.batches.settling import Settler
from litebatch_asgi.batches.targets import Target, Tries, choose
from litebatch_asgi.batches.unclear import UnclearJobs
from litebatch_asgi.batches.work import JobWork, Written
from litebatch_asgi.errors import ProviderError
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files import content, copies, reconciling, removal, uploading
from litebatch_asgi.files.adopting import Adopter
from litebatch_asgi.files.copies import CopyWork
from litebatch_asgi.files.discarding import Discarder
from litebatch_asgi.files.origin import Origin
from litebatch_asgi.files.originals import Original
from litebatch_asgi.files.reconciling import CopyReconciler
from litebatch_asgi.files.sending import Sender
from litebatch_asgi.jsonl import Tally
from litebatch_asgi.leases import Lease
from litebatch_asgi.lifecycle import move
from litebatch_asgi.models import (
    Batch,
    BatchState,
    Content,
    CopyState,
    File,
    FileCopy,
    FilePart,
    FileState,
    Job,
    JobState,
    ProviderBatch,
)
from litebatch_asgi.models.tellings import Telling, Told
from litebatch_asgi.webhooks.queue import ClaimedWebhook
from litebatch_sql.webhook_queue import SQLWebhookQueue
from tests.faults import translated
from tests.faults.budgets import soft_budget_passed
from tests.faults.contents import death_while_discarding, store_that_fails
from tests.faults.journey import outcome
from tests.faults.renewals import LOST_UPLOADS, models_change
from tests.faults.senders import several_senders
from tests.faults.settled import counts_that_begin_anew, gap_in_results, results_that_changed
from tests.faults.tiles import tiles_in_doubt
from tests.faults.troubles import ALL
from tests.faults.zombies import upload_of_a_zombie
from tests.journey.test_restored import restored_while_waiting
from tests.journey.test_vanished import unknown_for_a_while
from tests.translated.deployed import ANTHROPIC

Patch = pytest.MonkeyPatch


class Mutation(msgspec.Struct, frozen=True, kw_only=True):
    """One protection, and a journey that needs it."""

    switch_off: Callable[[Patch], None]
    journey: Callable[[Path], Awaitable[list[str]]]
    """tells what came out wrong"""

    @property
    def name(self) -> str:
        """For test ids."""
        return self.switch_off.__name__


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
        target = await choose(self.runtime, file, state.batch.model, until=until, seed=job.id)
        if target is None:
            await self._wait(job, state.batch, file, Tries())
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

    async def let_run(self: UnclearJobs, job: Job, twins: object) -> bool:
        return True

    patch.setattr(UnclearJobs, "_end_twins", let_run)


def tags_are_not_compared(patch: Patch) -> None:
    """Whatever is listed counts as ours."""

    async def everything(
        self: BatchSearch, job: Job, deployment_id: str, *, since: datetime, to_cancel: bool = False
    ) -> Sighting:
        adapter = self._runtime.fleet.adapter(deployment_id)  # pyright: ignore[reportPrivateUsage]
        return Sighting(ours=[batch async for batch in adapter.list_batches(since=since)])

    patch.setattr(BatchSearch, "find", everything)


def results_always_pass(patch: Patch) -> None:
    """No exact pass."""

    def holds_all(self: Tally, id_count: int, id_sum: int) -> bool:
        return True

    patch.setattr(Tally, "holds_all", holds_all)


def one_read_is_enough(patch: Patch) -> None:
    """Rows that are missing once are lost."""

    def is_sure(self: Settler, batch: Batch, reading: Reading, reads: object) -> bool:
        return True

    patch.setattr(Settler, "_is_sure", is_sure)


def missing_files_are_empty(patch: Patch) -> None:
    """A file that the provider names and does not give has no rows, and that is all."""

    async def is_whole(self: ResultReader, reading: Reading) -> bool:
        return True

    patch.setattr(ResultReader, "is_whole", is_whole)


def counts_may_fall(patch: Patch) -> None:
    """What a provider says last counts, whatever it has said before."""

    def after(self: ProviderBatch, earlier: ProviderBatch | None) -> ProviderBatch:
        return self

    patch.setattr(ProviderBatch, "after", after)


def gaps_are_forgotten(patch: Patch) -> None:
    """Each read that misses rows is taken for the first one that does."""

    def known(job: Job, reading: Reading) -> None:
        return None

    patch.setattr(settling, "_known", known)


def digest_is_not_checked(patch: Patch) -> None:
    """Whatever a provider gives is passed on, as long as it is of the right size."""

    async def unchecked(blocks: AsyncIterator[bytes], part: FilePart) -> AsyncGenerator[bytes]:
        async for block in blocks:
            yield block

    patch.setattr(content, "_as_settled", unchecked)


def size_is_not_checked(patch: Patch) -> None:
    """A copy that is adopted may have any size, and any content."""

    async def is_right(*_: object, **__: object) -> bool:
        return True

    patch.setattr(Sender, "is_right", is_right)


def nothing_is_read_back(patch: Patch) -> None:
    """A copy of another size is taken unread."""

    async def is_copy(*_: object) -> bool:
        return True

    patch.setattr(Origin, "is_copy", is_copy)


def old_copies_are_adopted(patch: Patch) -> None:
    """What a deployment had before may be taken for an upload in doubt."""

    async def adopt_any(self: Adopter, copy: FileCopy, state: FileState) -> bool:
        found = await self.tagged(copy, state.file)
        if found:
            shard = await self.shard_of(copy, state)
            async with self.form(copy, shard, state) as form:
                await self.record_upload(copy, found[0], form.sent, watch_until=None)
        return bool(found)

    patch.setattr(Adopter, "adopt", adopt_any)


def tags_tell_no_tile(patch: Patch) -> None:
    """All tiles of a file have one name at their deployments."""
    tag = CopyWork.tag

    def of_the_file(self: CopyWork, file: File, shard: int) -> str:
        return tag(self, file, 0)

    patch.setattr(CopyWork, "tag", of_the_file)


def twins_go_at_once(patch: Patch) -> None:
    """What is beside a copy is deleted, whoever reads it."""
    keep = CopyReconciler._keep

    async def keep_alone(self: CopyReconciler, copy: FileCopy, state: FileState, now: datetime) -> None:
        await keep(self, copy, replace(state, open_batches=0), now)

    patch.setattr(CopyReconciler, "_keep", keep_alone)


def any_model_will_do(patch: Patch) -> None:
    """A copy is used by the name that it was sent with, whatever the deployment's model is."""

    def is_usable(copy: FileCopy, *, model: str | None, until: datetime) -> bool:
        return copy_lifecycle.is_usable(copy, model=copy.model, until=until)

    patch.setattr(targets, "is_usable", is_usable)


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


def everything_is_news(patch: Patch) -> None:
    """What operators were told is told again each time that it is seen."""

    def is_news(self: Telling, last: Told | None) -> bool:
        return True

    patch.setattr(Telling, "is_news", is_news)


def rows_of_contents_go_first(patch: Patch) -> None:
    """The row of a content is removed before its bytes are."""

    async def discard(self: Discarder, content: Content, _: Lease) -> None:
        runtime = self._runtime
        await runtime.storage.contents.remove(content)
        hit("content.discarding")
        await runtime.stores.store(content.store).delete(content.key)

    patch.setattr(Discarder, "_discard", discard)


def acceptance_does_not_wait(patch: Patch) -> None:
    """A file is sent to its deployments whether its original is kept or not."""

    async def send_at_once(original: Original, send: Callable[[Lease], Awaitable[Any]], lease: Lease) -> Any:
        return await send(lease)

    patch.setattr(uploading, "_once_kept", send_at_once)


def _under(name: str, flavour: str = "openai") -> Callable[[Path], Awaitable[list[str]]]:
    trouble = ALL[name] if flavour == "openai" else translated.ALL[flavour, name]
    return partial(outcome, (trouble,), flavour=flavour)


def endpoints_are_not_held(patch: Patch) -> None:
    """A claim on an endpoint has run out as soon as it was made."""
    claim = SQLWebhookQueue.claim

    async def claim_for_no_time(self: SQLWebhookQueue, worker: str, **options: Any) -> list[ClaimedWebhook]:
        options["lease_seconds"] = 0.0
        return await claim(self, worker, **options)

    patch.setattr(SQLWebhookQueue, "claim", claim_for_no_time)


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


MUTATIONS = (
    Mutation(switch_off=target_is_written_last, journey=_under("death at place.answered")),
    Mutation(switch_off=no_answer_is_a_refusal, journey=_under("create_batch done, 504")),
    Mutation(switch_off=no_grace_for_jobs, journey=_under("create lost, list lags by calls")),
    Mutation(
        switch_off=one_list_is_enough_without_tags,
        journey=_under("create lost, list lags by calls", flavour=ANTHROPIC),
    ),
    Mutation(switch_off=the_vanished_are_given_up_early, journey=unknown_for_a_while),
    Mutation(switch_off=old_jobs_are_sent_unseen, journey=restored_while_waiting),
    Mutation(switch_off=no_watch_for_twins, journey=_under("create done when it was given up")),
    Mutation(switch_off=twins_are_left_alone, journey=_under("create is passed on twice, 503 to a cancel")),
    Mutation(switch_off=tags_are_not_compared, journey=_under("create lost, list fails")),
    Mutation(switch_off=results_always_pass, journey=_under("rows lost, doubled, foreign and unparsable")),
    Mutation(switch_off=one_read_is_enough, journey=_under("ids of results come late")),
    Mutation(switch_off=missing_files_are_empty, journey=_under("results are not there for a while")),
    Mutation(switch_off=counts_may_fall, journey=counts_that_begin_anew),
    Mutation(switch_off=gaps_are_forgotten, journey=gap_in_results),
    Mutation(switch_off=digest_is_not_checked, journey=results_that_changed),
    Mutation(switch_off=size_is_not_checked, journey=_under("copy is cut off")),
    Mutation(switch_off=nothing_is_read_back, journey=_under("sizes told wrong, copy cut off")),
    Mutation(switch_off=old_copies_are_adopted, journey=partial(models_change, faults=[LOST_UPLOADS])),
    Mutation(switch_off=tags_tell_no_tile, journey=tiles_in_doubt),
    Mutation(switch_off=twins_go_at_once, journey=models_change),
    Mutation(switch_off=any_model_will_do, journey=models_change),
    Mutation(switch_off=everything_is_news, journey=soft_budget_passed),
    Mutation(switch_off=nothing_is_fenced, journey=upload_of_a_zombie),
    Mutation(switch_off=endpoints_are_not_held, journey=several_senders),
    Mutation(switch_off=rows_of_contents_go_first, journey=death_while_discarding),
    Mutation(switch_off=acceptance_does_not_wait, journey=store_that_fails),
)
