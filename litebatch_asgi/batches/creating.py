"""Creating: a batch and its jobs, written once however often they are asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple, NoReturn, TypeVar

import anyio
from msgspec.structs import replace

from litebatch_asgi.batch_events import creation_events
from litebatch_asgi.batches.budgets import Budgets
from litebatch_asgi.batches.canaries import Canaries
from litebatch_asgi.batches.dispatching import JobDispatcher
from litebatch_asgi.batches.drafting import Drafts, no_input, no_input_of
from litebatch_asgi.batches.lanes import Lanes
from litebatch_asgi.batches.on_demand import CopiesOnDemand
from litebatch_asgi.batches.quotas import Quotas
from litebatch_asgi.batches.retrying import Retries, Retry
from litebatch_asgi.batches.targets import Target, Tries, choose, copies_for
from litebatch_asgi.batches.waiting import waiting_for
from litebatch_asgi.batches.work import BatchWriter
from litebatch_asgi.errors import BudgetExceeded, RequestError, StateConflict, dollars
from litebatch_asgi.failpoints import hit
from litebatch_asgi.lifecycle import first_attempt
from litebatch_asgi.models import (
    Batch,
    BatchChange,
    BatchState,
    CreateRequest,
    FileState,
    Job,
    JobState,
    Principal,
    Reservation,
    Shard,
)
from litebatch_asgi.models.ids import BATCH_PREFIX, file_id_in, new_id
from litebatch_asgi.models.limits import check_requests
from litebatch_asgi.models.reservations import OverBudget, SoftBudgetPassed
from litebatch_asgi.repeats import SENDING_SECONDS, Made, fingerprint, once
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.wire import CreateBatch, Repeat

T = TypeVar("T")

_NAMED_PARAMETERS = ("custom_llm_provider", "rescue", "row_retries", "at_expiry", "canary")


class _NothingMadeError(Exception):
    """A request has made no batch before."""


class _Draft(NamedTuple):
    """What is to be written of a new batch."""

    batch: Batch
    jobs: tuple[Job, ...]
    """of each shard, in order; the first is ours"""
    shards: tuple[Shard, ...]
    """those that are derived, which come with it"""
    reservations: tuple[Reservation, ...]


class _Budgets(NamedTuple):
    """What was seen of budgets while a batch was written."""

    passed: list[SoftBudgetPassed]
    refused: dict[str, OverBudget]
    """by scope"""

    def noted(self, reservation: Reservation) -> Reservation:
        """The reservation, which notes here what it sees."""
        refused = partial(self.refused.__setitem__, reservation.scope)
        return replace(reservation, on_soft_budget=self.passed.append, on_over_budget=refused)


class Creator:
    """Creates batches on behalf of principals."""

    def __init__(self, runtime: Runtime, drafts: Drafts, dispatcher: JobDispatcher) -> None:
        self._runtime = runtime
        self._drafts = drafts
        self._retries = Retries(runtime, drafts)
        self._dispatcher = dispatcher
        self._budgets = Budgets(runtime)
        self._quotas = Quotas(runtime)
        self._copies = CopiesOnDemand(runtime)
        self._lanes = Lanes(runtime)
        self._canaries = Canaries(runtime)
        self._writer = BatchWriter(runtime)

    async def create(
        self, principal: Principal, asked: CreateBatch, repeat: Repeat, *, retry: Retry | None = None
    ) -> Made[Batch]:
        """Begin a batch and wait for its placement, or find the one that was begun for this request before.

        An earlier one is found even if it could not be begun any more. What is `asked` of a `retry` has its
        parent's input.
        """
        request = self._request(principal, asked, repeat, retry)
        if retry is not None and (earlier := await self._found(principal, asked, request)) is not None:
            return Made(earlier, is_repeated=True)  # before anything large is read
        try:
            draft = await self._drafted(principal, asked, request, retry)
        except RequestError:
            earlier = await self._found(principal, asked, request)
            if earlier is None:
                raise
            return Made(earlier, is_repeated=True)
        if repeat.may_miss_answer:
            draft = draft._replace(batch=replace(draft.batch, request_fingerprint=request.fingerprint))
        hit("create.before")
        found = _Budgets([], {})
        try:
            state, since = await self._insert(draft, request, found)
        except BudgetExceeded:
            await self._budgets.tell_refused(found.refused)
            raise
        if state.batch.id != draft.batch.id:
            return Made(_shown(principal, state.batch), is_repeated=True)
        self._runtime.events_written()
        self._writer.tell((), None, state.batch)
        self._budgets.tell(found.passed)
        if len(draft.jobs) > 1:
            self._runtime.wake()
        self._runtime.metrics.batch_created(state.batch.model)
        hit("create.stored")
        return Made(await self._placed(state, since), is_repeated=False)

    def _request(
        self, principal: Principal, asked: CreateBatch, repeat: Repeat, retry: Retry | None
    ) -> CreateRequest:
        kind, about = ("batch", ()) if retry is None else ("retry", retry.parameters)
        return CreateRequest(
            owner=principal.owner,
            fingerprint=fingerprint(kind, principal, *about, *_parameters(asked)),
            object_id=new_id(BATCH_PREFIX),
            at=self._runtime.now(),
            key=repeat.key,
            is_retry=repeat.is_retry,
            answer_seconds=self._runtime.settings.place_budget_seconds + SENDING_SECONDS,
        )

    async def _drafted(
        self, principal: Principal, asked: CreateBatch, request: CreateRequest, retry: Retry | None
    ) -> _Draft:
        """What is to be written. Raises `RequestError` if it cannot be."""
        if retry is None:
            draft = await self._drafts.draft(principal, asked, request.object_id)
        else:
            draft = await self._retries.draft(principal, asked, request.object_id, retry)
        batch, file, shards, found = draft
        check_requests(principal.limits, found.lines)
        held = await self._budgets.reservations(
            principal, file, found, max_cost=asked.max_cost, at=batch.created_at
        )
        jobs = [first_attempt(batch.id, batch.owner, shard, batch.created_at) for shard in shards]
        copies = copies_for(file, jobs[0])
        tries = self._copies.without_too_small(Tries(), shards[0], batch.model)
        tries = self._lanes.apply(tries, batch, shards[0])
        tries = await self._quotas.put_off(tries, batch.model, jobs[0].tokens)
        target, waiting = None, None
        if self._canaries.size(batch):
            waiting = self._canaries.waiting_for(batch)
        else:
            target = await choose(
                self._runtime,
                copies,
                batch.model,
                requests=jobs[0].requests,
                until=batch.expires_at,
                seed=batch.id,
                tries=tries,
            )
            if target is None:
                waiting = waiting_for(self._runtime, batch, copies, tries, shards[0])
        jobs[0] = self._ours(jobs[0], target)
        placed = replace(
            batch,
            deployment_id=jobs[0].deployment_id,
            waiting_for=waiting,
            scopes=tuple(each.scope for each in held),
            estimated_cost=held[0].cost if held else None,
        )
        derived = tuple(shard for shard in shards if not shard.is_tile)
        return _Draft(placed, tuple(jobs), derived, held)

    async def _placed(self, state: BatchState, since: float) -> Batch:
        begin = partial(self._dispatcher.begin, state.jobs[0], state.batch, since=since)
        task = self._runtime.start(begin)
        if not await task.wait(self._runtime.settings.place_budget_seconds):
            return state.batch
        batch = await self._runtime.storage.get_batch(state.batch.id)
        assert batch is not None
        return batch

    async def _insert(
        self, draft: _Draft, request: CreateRequest, found: _Budgets
    ) -> tuple[BatchState, float]:
        """The state as it was written or found, and when that was begun, by the event loop's clock."""

        async def insert(request: CreateRequest) -> tuple[BatchState, float]:
            since = anyio.current_time()
            found.passed.clear()
            admit = partial(self._admit, draft, request, found)
            state = await self._runtime.storage.create_batch(
                draft.batch.input_file_id, admit, request=request
            )
            return state, since

        try:
            return await self._once(request, insert)
        except StateConflict as error:
            raise no_input_of(draft.batch.input_file_id, retry_of=draft.batch.retry_of) from error

    def _admit(
        self,
        draft: _Draft,
        request: CreateRequest,
        found: _Budgets,
        current: FileState,
    ) -> BatchChange:
        batch = draft.batch
        if not current.file.is_visible(batch.created_at):
            raise no_input_of(batch.input_file_id, retry_of=batch.retry_of)
        return BatchChange(
            batch=replace(batch, answering_until=request.answering_until),
            new_jobs=draft.jobs,
            new_shards=draft.shards,
            events=creation_events(batch, batch.created_at),
            reservations=tuple(map(found.noted, draft.reservations)),
            lease_seconds=self._runtime.settings.lease_seconds,
        )

    async def _found(self, principal: Principal, asked: CreateBatch, request: CreateRequest) -> Batch | None:
        """What this request has made before; None: nothing."""
        if request.key is None and not request.is_retry:
            return None

        def refuse(_: FileState) -> NoReturn:
            raise _NothingMadeError

        async def find(request: CreateRequest) -> BatchState:
            file_id = file_id_in(asked.input_file_id)
            return await self._runtime.storage.create_batch(file_id, refuse, request=request)

        try:
            state = await self._once(request, find)
        except (StateConflict, _NothingMadeError):
            return None
        return _shown(principal, state.batch)

    async def _once(self, request: CreateRequest, create: Callable[[CreateRequest], Awaitable[T]]) -> T:
        patience = request.answer_seconds + SENDING_SECONDS
        return await once(request, create, now=self._runtime.now, patience_seconds=patience)

    def _ours(self, job: Job, target: Target | None) -> Job:
        job = replace(job, claimed_by=self._runtime.worker)
        if target is None or not self._runtime.fleet.adapter(target.deployment_id).keeps_files:
            return job  # what goes out with it is brought to our disk first
        return replace(
            job,
            state=JobState.SUBMITTING,
            deployment_id=target.deployment_id,
            provider_file_id=target.provider_file_id,
            submit_started_at=job.created_at,
        )


def _parameters(asked: CreateBatch) -> tuple[object, ...]:
    """What makes two requests the same. What is not given is left out: a newer version is asked the same."""
    later: tuple[object, ...] = ()
    if asked.max_cost is not None:
        later += (dollars(asked.max_cost),)
    for name in _NAMED_PARAMETERS:
        if (value := getattr(asked, name)) is not None:
            later += (name, value)
    names = [name for name in asked.__struct_fields__ if name not in ("max_cost", *_NAMED_PARAMETERS)]
    return (*(getattr(asked, name) for name in names), *later)


def _shown(principal: Principal, batch: Batch) -> Batch:
    """The batch, if this principal may see it: rights may have changed since it was made."""
    if not principal.may_see(batch.owner):
        raise no_input(batch.input_file_id)
    return batch
