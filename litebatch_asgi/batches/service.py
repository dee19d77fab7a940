"""Batches as callers see them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import msgspec
from msgspec.structs import replace

from litebatch_asgi.batches.carrying import Carrier
from litebatch_asgi.batches.placing import Target, choose
from litebatch_asgi.errors import Conflict, InvalidRequest, NotFound, StateConflict
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.admission import model_error
from litebatch_asgi.files.service import unknown_file
from litebatch_asgi.lifecycle import change, status_event
from litebatch_asgi.models import (
    Batch,
    BatchChange,
    BatchState,
    BatchStatus,
    Counts,
    File,
    FileCopy,
    FileState,
    Job,
    JobState,
    Page,
    Principal,
)
from litebatch_asgi.models.ids import BATCH_PREFIX, JOB_PREFIX, new_id
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.storage import BatchQuery

COMPLETION_WINDOWS: Mapping[str, timedelta] = {"24h": timedelta(hours=24)}

_CANCELLABLE = frozenset({BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS})


class BatchService:
    """Create, look at, list and cancel batches on behalf of a principal.

    Raises `RequestError`s. An object of another owner is `NotFound`, just like one that never was.
    """

    def __init__(self, runtime: Runtime, carrier: Carrier) -> None:
        self._runtime = runtime
        self._carrier = carrier

    async def create(
        self,
        principal: Principal,
        *,
        input_file_id: str,
        endpoint: str,
        completion_window: str,
        metadata: Mapping[str, str] | None = None,
        output_expires_after: int | None = None,
    ) -> Batch:
        """Begin a batch on an uploaded file.

        From the moment the rows are written the batch exists. Waits for its placement at most
        `place_budget_seconds`; after that it goes on without the caller. `output_expires_after` is in
        seconds after the creation of each result file. Raises `NotFound` for the file, `InvalidRequest`,
        or `ModelAccessDenied`.
        """
        file = await self._input(principal, input_file_id, endpoint)
        window = COMPLETION_WINDOWS.get(completion_window)
        if window is None:
            raise InvalidRequest(
                f"Invalid value: '{completion_window}'. Supported values are: '24h'.",
                param="completion_window",
                code="invalid_value",
            )
        now = self._runtime.now()
        if file.copies and all(_ends_before(copy, now + window) for copy in file.copies):
            raise InvalidRequest(
                f"The file {input_file_id} expires before the batch could end. Upload it again.",
                param="input_file_id",
                code="file_expires",
            )
        batch = Batch(
            id=new_id(BATCH_PREFIX),
            owner=file.file.owner,
            created_by=principal.key_id,
            input_file_id=input_file_id,
            endpoint=endpoint,
            completion_window=completion_window,
            model=file.file.models[0],
            metadata=dict(metadata) if metadata is not None else None,
            output_expires_after=output_expires_after,
            created_at=now,
            expires_at=now + window,
            counts=Counts(total=file.file.lines),
            request_fingerprint=_fingerprint(
                input_file_id, endpoint, completion_window, metadata, output_expires_after
            ),
        )
        job_id = new_id(JOB_PREFIX)
        target = await choose(self._runtime, file, batch.model, until=batch.expires_at, seed=job_id)
        job = self._first_job(job_id, batch, file.file, target, now)
        hit("create.before")
        state = await self._insert(batch, job, input_file_id)
        hit("create.stored")
        errand = self._runtime.start(partial(self._carrier.begin, state.jobs[0], batch))
        if await errand.wait(self._runtime.settings.place_budget_seconds):
            return await self._get(batch.id)
        return batch

    async def _input(self, principal: Principal, file_id: str, endpoint: str) -> FileState:
        state = await self._runtime.storage.get_file(file_id)
        if state is None or not principal.may_see(state.file.owner):
            raise _no_input(file_id)
        if not state.file.is_visible(self._runtime.now()):
            raise _no_input(file_id)
        file = state.file
        if file.purpose != "batch" or file.endpoint is None:
            raise InvalidRequest(
                f"A batch needs a file with purpose 'batch'; {file_id} has the purpose '{file.purpose}'.",
                param="input_file_id",
                code="invalid_purpose",
            )
        if file.endpoint != endpoint:
            raise InvalidRequest(
                f"The lines of {file_id} are for '{file.endpoint}', not for '{endpoint}'.",
                param="endpoint",
                code="invalid_url",
            )
        error = model_error(self._runtime, principal, file.models[0])
        if error is not None:
            raise error
        return state

    def _first_job(self, job_id: str, batch: Batch, file: File, target: Target | None, now: datetime) -> Job:
        job = Job(
            id=job_id,
            batch_id=batch.id,
            requests=file.lines,
            created_at=now,
            next_check_at=now,
            claimed_by=self._runtime.worker,
            claimed_until=self._runtime.lease_until(now),
        )
        if target is None:
            return job
        return replace(
            job,
            state=JobState.SUBMITTING,
            deployment_id=target.deployment_id,
            provider_file_id=target.provider_file_id,
            submit_started_at=now,
        )

    async def _insert(self, batch: Batch, job: Job, file_id: str) -> BatchState:
        def admit(current: FileState) -> BatchChange:
            if not current.file.is_visible(batch.created_at):
                raise _no_input(file_id)
            created = status_event(batch, batch.created_at)
            return BatchChange(batch=batch, new_jobs=(job,), events=(replace(created, type="batch.created"),))

        try:
            return await self._runtime.storage.create_batch(file_id, admit)
        except StateConflict as error:
            raise _no_input(file_id) from error

    async def retrieve(self, principal: Principal, batch_id: str) -> Batch:
        """A batch, by one read. One that was not looked at lately is looked at soon. Raises `NotFound`."""
        batch = await self._visible(principal, batch_id)
        if not batch.status.is_final:
            seen = batch.refreshed_at or batch.created_at
            age = self._runtime.now() - seen
            if age.total_seconds() > self._runtime.settings.refresh_after_seconds:
                self._runtime.refresh(batch_id)
        return batch

    async def list(
        self,
        principal: Principal,
        *,
        limit: int = 20,
        after: str | None = None,
        target_model_names: Sequence[str] = (),
    ) -> Page[Batch]:
        """Batches of the principal's owner, newest first; an admin sees everybody's.

        `after` is the id of the last batch of the page before; `InvalidRequest` if it is not a visible one.
        """
        query = BatchQuery(
            owner=None if principal.is_admin else principal.owner,
            models=tuple(target_model_names),
            after=await self._after(principal, after),
            limit=limit + 1,
        )
        found = await self._runtime.storage.list_batches(query)
        return Page(items=found[:limit], has_more=len(found) > limit)

    async def cancel(self, principal: Principal, batch_id: str) -> Batch:
        """Ask for a batch to be cancelled; what has been done by then is kept.

        Durable when it returns. Cancelling again, or while results are being settled, changes nothing.
        Raises `NotFound`, and `Conflict` for a batch that has ended otherwise.
        """
        await self._visible(principal, batch_id)
        now = self._runtime.now()

        def decide(current: BatchState) -> BatchChange | None:
            batch = current.batch
            if batch.status in (BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.EXPIRED):
                raise Conflict(f"Cannot cancel a batch with status '{batch.status}'.")
            if batch.status not in _CANCELLABLE:
                return None
            return change(current, now, batch=replace(batch, cancel_requested_at=now))

        state = await self._runtime.storage.change_batch(batch_id, decide)
        hit("cancel.stored")
        self._runtime.refresh(batch_id)
        return state.batch

    async def _visible(self, principal: Principal, batch_id: str) -> Batch:
        batch = await self._runtime.storage.get_batch(batch_id)
        if batch is None or not principal.may_see(batch.owner):
            raise _unknown_batch(batch_id)
        return batch

    async def _get(self, batch_id: str) -> Batch:
        batch = await self._runtime.storage.get_batch(batch_id)
        assert batch is not None
        return batch

    async def _after(self, principal: Principal, batch_id: str | None) -> Batch | None:
        if batch_id is None:
            return None
        try:
            return await self._visible(principal, batch_id)
        except NotFound as error:
            raise InvalidRequest(f"No batch with id '{batch_id}' to go on after.", param="after") from error


def _ends_before(copy: FileCopy, time: datetime) -> bool:
    return copy.expires_at is not None and copy.expires_at < time


def _fingerprint(*parameters: object) -> str:
    return hashlib.sha256(msgspec.json.encode(parameters, order="sorted")).hexdigest()


def _no_input(file_id: str) -> NotFound:
    error = unknown_file(file_id)
    error.param = "input_file_id"
    return error


def _unknown_batch(batch_id: str) -> NotFound:
    return NotFound(f"No batch found with id '{batch_id[:100]}'.")
