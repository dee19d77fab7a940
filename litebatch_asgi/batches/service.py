"""Batches as callers see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Literal

from msgspec.structs import replace

from litebatch_asgi import tracing
from litebatch_asgi.batches.answered import AnsweredBatches
from litebatch_asgi.batches.attempts import JobView, job_views
from litebatch_asgi.batches.creating import Creator
from litebatch_asgi.batches.dispatching import JobDispatcher
from litebatch_asgi.batches.drafting import Drafts
from litebatch_asgi.batches.dry_run import DryRuns
from litebatch_asgi.batches.retrying import Retry
from litebatch_asgi.batches.work import BatchWriter
from litebatch_asgi.errors import Conflict, InvalidRequest, NotFound, Unavailable
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.providers import check_provider
from litebatch_asgi.files.service import names_of
from litebatch_asgi.lifecycle import batch_change, hurried
from litebatch_asgi.models import (
    Batch,
    BatchChange,
    BatchState,
    BatchStatus,
    DryRun,
    Event,
    Page,
    Principal,
    RowError,
)
from litebatch_asgi.models.ids import batch_id_in
from litebatch_asgi.models.principal import owner_to_list
from litebatch_asgi.repeats import Made
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.storage import BatchQuery
from litebatch_asgi.wire import (
    BatchListQuery,
    CreateBatch,
    EventListQuery,
    Repeat,
    RetryBatch,
    event_for_owner,
)

_CANCELLABLE = frozenset({BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING})


class BatchService:
    """Create, look at, list and cancel batches on behalf of a principal.

    Raises `RequestError`s. An object of another owner is `NotFound`, just like one that never was.
    """

    def __init__(self, runtime: Runtime, dispatcher: JobDispatcher) -> None:
        self._runtime = runtime
        self._writer = BatchWriter(runtime)
        drafts = Drafts(runtime)
        self._creator = Creator(runtime, drafts, dispatcher)
        self._answered = AnsweredBatches(runtime)
        self._dry_runs = DryRuns(runtime, drafts)

    async def create(
        self,
        principal: Principal,
        *,
        input_file_id: str,
        endpoint: str,
        completion_window: str,
        metadata: Mapping[str, str] | None = None,
        output_expires_after: int | None = None,
        max_cost: Decimal | None = None,
        custom_llm_provider: str | None = None,
        rescue: bool | None = None,
        row_retries: int | None = None,
        at_expiry: Literal["wait", "stop"] | None = None,
        canary: int | None = None,
        idempotency_key: str | None = None,
    ) -> Batch:
        """Begin a batch on an uploaded file.

        From the moment the rows are written the batch exists. Waits for its placement at most
        `place_budget_seconds`; after that it goes on without the caller. `metadata` has at most 16 pairs,
        of 64 and 512 characters. `output_expires_after` is in seconds after the creation of each result
        file: an hour to 30 days. `max_cost` is what the batch may be estimated to cost, in US dollars.
        `custom_llm_provider` is refused unless the file is for a model of that provider.
        `rescue`, `row_retries` (0 to 10), `at_expiry` and `canary` (0 to 1,000; 0: none) stand in place of
        the settings of these names; a canary takes a live deployment of the model. The
        same `idempotency_key` (at most 255 printable characters) with the same request gives the same batch
        for 24 hours. Raises `NotFound` for the file, `InvalidRequest`, `ModelAccessDenied`, `AboveLimit`,
        `LimitExceeded`, `AboveBudget`, `BudgetExceeded`, `ModelHasNoPrice`, or `KeyReused` for a key that
        came with another request.
        """
        asked = CreateBatch(
            input_file_id=input_file_id,
            endpoint=endpoint,
            completion_window=completion_window,
            metadata=metadata,
            output_expires_after=output_expires_after,
            max_cost=max_cost,
            custom_llm_provider=custom_llm_provider,
            rescue=rescue,
            row_retries=row_retries,
            at_expiry=at_expiry,
            canary=canary,
        )
        made = await self.begin(principal, asked, Repeat(key=idempotency_key, in_process=True))
        return made.object

    async def begin(self, principal: Principal, asked: CreateBatch, repeat: Repeat) -> Made[Batch]:
        """`create`, of what was checked already; one that comes again leads to the batch it led to before."""
        return await self._begin(principal, asked, repeat, None)

    async def _begin(
        self, principal: Principal, asked: CreateBatch, repeat: Repeat, retry: Retry | None
    ) -> Made[Batch]:
        with self._runtime.call(), tracing.span("create") as span:
            made = await self._creator.create(principal, asked, repeat, retry=retry)
            span.about(made.object)
        return made._replace(object=shown(principal, made.object))

    async def retry(
        self,
        principal: Principal,
        batch_id: str,
        *,
        completion_window: str | None = None,
        metadata: Mapping[str, str] | None = None,
        output_expires_after: int | None = None,
        max_cost: Decimal | None = None,
        custom_llm_provider: str | None = None,
        rescue: bool | None = None,
        row_retries: int | None = None,
        at_expiry: Literal["wait", "stop"] | None = None,
        canary: int | None = None,
        custom_ids: Sequence[str] | None = None,
        errors: Sequence[RowError] | None = None,
        idempotency_key: str | None = None,
    ) -> Batch:
        """Begin a batch of those requests of an ended one that have not succeeded, whatever the reason.

        With `custom_ids` (at most 10,000), `errors` (at most 100) or both only of those that are named, or
        have failed in one of these ways. What else is None is as it was for that batch, but for `max_cost`;
        its id is in the metadata as `litebatch_retry_of`. The same rights, limits and budgets count as for
        `create`, which tells what the values may be. It reads the earlier batch's result files, mostly the
        smaller one alone, and its input. Raises what `create` raises, also for custom ids that cannot run
        again, `NotFound` for the earlier batch, and `Conflict` while that one runs, where nothing is left to
        run, and where its input or its results cannot be read any more.
        """
        asked = RetryBatch(
            completion_window=completion_window,
            metadata=metadata,
            output_expires_after=output_expires_after,
            max_cost=max_cost,
            custom_llm_provider=custom_llm_provider,
            rescue=rescue,
            row_retries=row_retries,
            at_expiry=at_expiry,
            canary=canary,
            custom_ids=custom_ids,
            errors=errors,
        )
        repeat = Repeat(key=idempotency_key, in_process=True)
        return (await self.begin_retry(principal, batch_id, asked, repeat)).object

    async def begin_retry(
        self, principal: Principal, batch_id: str, asked: RetryBatch, repeat: Repeat
    ) -> Made[Batch]:
        """`retry`, of what was checked already; one that comes again leads to the batch it led to before."""
        parent = await self._visible(principal, batch_id)
        if not parent.status.is_final:
            raise Conflict(
                f"Cannot retry a batch with status '{parent.status}'. Wait until it has ended, or cancel it."
            )
        return await self._begin(principal, asked.create(parent), repeat, Retry(parent, asked.choice))

    async def dry_run(
        self,
        principal: Principal,
        *,
        input_file_id: str,
        endpoint: str,
        completion_window: str,
        metadata: Mapping[str, str] | None = None,
        output_expires_after: int | None = None,
    ) -> DryRun:
        """What a batch would consume, cost and wait for, with the values that `create` takes.

        Makes nothing, reserves nothing and calls no provider. The limits that the batch would exceed are
        told; otherwise it raises what `create` raises.
        """
        asked = CreateBatch(
            input_file_id=input_file_id,
            endpoint=endpoint,
            completion_window=completion_window,
            metadata=metadata,
            output_expires_after=output_expires_after,
        )
        return await self.look_ahead(principal, asked)

    async def look_ahead(self, principal: Principal, asked: CreateBatch) -> DryRun:
        """`dry_run`, of what was checked already."""
        with self._runtime.call():
            return await self._dry_runs.run(principal, asked)

    def answered(self, batch_id: str, *, was_sent: bool) -> None:
        """Note, in the background, whether the answer to a create was sent: if not, a retry gets it."""
        with suppress(Unavailable), self._runtime.call():
            self._answered.note(batch_id, was_sent=was_sent)

    async def retrieve(self, principal: Principal, batch_id: str) -> Batch:
        """A batch, by one read. One that was not looked at lately is looked at soon. Raises `NotFound`."""
        batch = await self._visible(principal, batch_id)
        if not batch.status.is_final:
            seen = batch.looked_at or batch.created_at
            age = self._runtime.now() - seen
            if age.total_seconds() > self._runtime.settings.refresh_after_seconds:
                self._runtime.refresh(batch_id)
        return shown(principal, batch)

    async def list(
        self,
        principal: Principal,
        *,
        limit: int = 20,
        after: str | None = None,
        target_model_names: Sequence[str] = (),
        owner: str | None = None,
        custom_llm_provider: str | None = None,
    ) -> Page[Batch]:
        """Batches of the principal's owner, newest first.

        Those on models of `custom_llm_provider`, where it is named.

        An admin sees everybody's, or those of `owner`, which is `PermissionDenied` to anybody else. At most
        `limit` of them, 1 to 100. `after` is the id of the last batch of the page before;
        `InvalidRequest` if it is not a visible one, or for values that cannot be.
        """
        asked = BatchListQuery(
            limit=limit,
            after=after,
            target_model_names=names_of(target_model_names),
            owner=owner,
            custom_llm_provider=custom_llm_provider,
        )
        return await self.page(principal, asked)

    async def page(self, principal: Principal, asked: BatchListQuery) -> Page[Batch]:
        """`list`, of a query that was checked already."""
        provider, catalog = asked.custom_llm_provider, self._runtime.fleet.catalog
        check_provider(catalog, provider, ())
        query = BatchQuery(
            owner=owner_to_list(principal, asked.owner),
            models=asked.target_model_names,
            patterns=catalog.patterns_of(provider) if provider is not None else (),
            after=await self._after(principal, asked.after),
            limit=asked.limit + 1,
        )
        found = await self._runtime.storage.list_batches(query)
        items = [shown(principal, batch) for batch in found[: asked.limit]]
        return Page(items=items, has_more=len(found) > asked.limit)

    async def cancel(self, principal: Principal, batch_id: str) -> Batch:
        """Ask for a batch to be cancelled; what has been done by then is kept.

        Durable when it returns. Cancelling again changes nothing; while results are being read, only that
        nothing of them is handed on to another deployment.
        Raises `NotFound`, and `Conflict` for a batch that has ended otherwise.
        """
        await self._visible(principal, batch_id)
        now = self._runtime.now()

        def decide(current: BatchState) -> BatchChange | None:
            batch = current.batch
            if batch.status in (BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.EXPIRED):
                raise Conflict(f"Cannot cancel a batch with status '{batch.status}'.")
            if batch.status not in _CANCELLABLE or batch.cancel_requested_at is not None:
                return None
            asked = replace(batch, cancel_requested_at=now)
            jobs = [hurried(job, asked, now) for job in current.jobs]
            moved = [job for job, before in zip(jobs, current.jobs, strict=True) if job != before]
            return batch_change(current, now, batch=asked, jobs=moved)

        state = await self._writer.write(batch_id, decide)
        hit("cancel.stored")
        self._runtime.wake()
        return shown(principal, state.batch)

    async def events(
        self,
        principal: Principal,
        batch_id: str,
        *,
        limit: int = 20,
        after: str | None = None,
        order: Literal["asc", "desc"] = "desc",
    ) -> Page[Event]:
        """What has happened to a batch, newest first, or in the order in which it happened.

        Deployments, and what providers have said, are told to admins alone. At most `limit` events, 1 to 100.
        `after` is the id of the last one of the page before; `InvalidRequest` if it is none of the batch, or
        for values that cannot be. Raises `NotFound`.
        """
        return await self.story(principal, batch_id, EventListQuery(limit=limit, after=after, order=order))

    async def story(self, principal: Principal, batch_id: str, asked: EventListQuery) -> Page[Event]:
        """`events`, of a query that was checked already."""
        batch = await self._visible(principal, batch_id)
        outbox = self._runtime.storage.outbox
        last = await outbox.event(asked.after) if asked.after is not None else None
        if asked.after is not None and (last is None or last.subject != batch.id):
            raise InvalidRequest(
                f"No event with id '{asked.after}' of the batch to go on after.", param="after"
            )
        found = await outbox.events(
            batch.id,
            after=last.seq if last is not None else None,
            limit=asked.limit + 1,
            descending=asked.order == "desc",
        )
        page = found[: asked.limit]
        items = page if principal.is_admin else [event_for_owner(event) for event in page]
        return Page(items=items, has_more=len(found) > asked.limit)

    async def jobs(self, principal: Principal, batch_id: str) -> Sequence[JobView]:
        """The attempts to run a batch's lines, in order. Raises `NotFound`.

        Deployments, and why jobs have ended, are told to admins alone.
        """
        batch = await self._visible(principal, batch_id)
        state = await self._runtime.storage.get_batch_state(batch.id)
        return job_views(state, for_admin=principal.is_admin) if state is not None else ()

    async def check_provider(self, principal: Principal, batch_id: str, provider: str | None) -> None:
        """Raises `InvalidRequest` for a batch that is not of a provider (None: any), and `NotFound`."""
        if provider is not None:
            batch = await self._visible(principal, batch_id)
            check_provider(self._runtime.fleet.catalog, provider, (batch.model,))

    async def _visible(self, principal: Principal, batch_id: str) -> Batch:
        batch = await self._runtime.storage.get_batch(batch_id_in(batch_id))
        if batch is None or not principal.may_see(batch.owner):
            raise _unknown_batch(batch_id)
        return batch

    async def _after(self, principal: Principal, batch_id: str | None) -> Batch | None:
        if batch_id is None:
            return None
        try:
            return await self._visible(principal, batch_id)
        except NotFound as error:
            raise InvalidRequest(f"No batch with id '{batch_id}' to go on after.", param="after") from error


def shown(principal: Principal, batch: Batch) -> Batch:
    """The batch as this principal may see it: the names of deployments are for admins alone."""
    waiting = batch.waiting_for
    if principal.is_admin or (waiting is None and batch.deployment_id is None):
        return batch
    if waiting is not None and waiting.deployments:
        waiting = replace(waiting, deployments={})
    return replace(batch, deployment_id=None, waiting_for=waiting)


def _unknown_batch(batch_id: str) -> NotFound:
    return NotFound(f"No batch found with id '{batch_id[:100]}'.")
