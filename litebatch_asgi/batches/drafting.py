"""Drafting: what a batch would be that is asked for, once all that stands against it has been looked at."""

from __future__ import annotations

from typing import NamedTuple

from litebatch_asgi import tracing
from litebatch_asgi.costs import BatchInput
from litebatch_asgi.errors import Conflict, DeploymentGone, InvalidRequest, NotFound, RequestError
from litebatch_asgi.files.admission import model_error
from litebatch_asgi.files.providers import check_provider
from litebatch_asgi.files.service import unknown_file
from litebatch_asgi.lifetimes import would_last
from litebatch_asgi.models import Batch, Counts, FileCopy, FileState, Principal, Shard
from litebatch_asgi.models.ids import file_id_in
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.wire import CreateBatch
from litebatch_asgi.wire.checks import one_of
from litebatch_asgi.wire.requests import CANARY, USUAL_WINDOW, window_of


class Draft(NamedTuple):
    """What a batch would be, not placed anywhere."""

    batch: Batch
    file: FileState
    """its input"""
    shards: tuple[Shard, ...]
    """what its jobs are to run, in order"""
    found: BatchInput
    """what is known of all of their lines"""


class Drafts:
    """Drafts batches on behalf of principals; reads, and writes nothing."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def draft(self, principal: Principal, asked: CreateBatch, batch_id: str) -> Draft:
        """A batch of all lines of its input. Raises `RequestError` if it cannot be."""
        one_of(self._runtime.settings.completion_windows, asked.completion_window, "completion_window")
        file = await self._input(principal, asked.input_file_id, asked.endpoint)
        check_provider(self._runtime.fleet.catalog, asked.custom_llm_provider, file.file.models[:1])
        self._check_copies(file)
        self._check_window(asked.completion_window, file.file.models[0])
        self._check_canary(asked.canary, file.file.models[0])
        batch = self._batch(principal, asked, file, batch_id)
        return Draft(batch, file, file.tiles, file.file)

    async def _input(self, principal: Principal, file_id: str, endpoint: str) -> FileState:
        state = await self._runtime.storage.get_file(file_id_in(file_id))
        if state is None or not principal.may_see(state.file.owner):
            raise no_input(file_id)
        if not state.file.is_visible(self._runtime.now()):
            raise no_input(file_id)
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
        error = model_error(self._runtime.fleet.catalog, principal, file.models[0])
        if error is not None:
            raise error
        return state

    def _check_window(self, window: str, model: str) -> None:
        """Raises `InvalidRequest` for what only a live deployment could keep where the model has none."""
        fleet = self._runtime.fleet
        if window_of(window) < window_of(USUAL_WINDOW):
            live = any(map(fleet.is_live, fleet.deployments_for(model)))
            if not live:
                raise InvalidRequest(
                    f"No deployment of '{model}' is through within {window}: use a completion_window of "
                    f"'{USUAL_WINDOW}'.",
                    param="completion_window",
                    code="invalid_value",
                )

    def _check_canary(self, canary: int | None, model: str) -> None:
        """Raises `InvalidRequest` for one that there is nothing to run at."""
        fleet = self._runtime.fleet
        if canary and not any(map(fleet.is_live, fleet.deployments_for(model))):
            raise InvalidRequest(
                f"A canary takes a deployment of '{model}' that runs requests one by one (`lane: live`), and "
                f"there is none: leave '{CANARY}' out, or set it to 0.",
                param=CANARY,
                code="invalid_value",
            )

    def _check_copies(self, file: FileState) -> None:
        """Raises `DeploymentGone` if no copy can ever serve, neither where it is nor for another one."""
        presence, model, copies = self._runtime.presence, file.file.models[0], _of_tiles(file)
        can_run = any(presence.serves(copy.deployment_id, model) for copy in copies)
        can_be_read = any(presence.is_served(copy.deployment_id) for copy in copies if copy.provider_file_id)
        if copies and not (can_run and can_be_read):
            raise DeploymentGone(
                "The deployments that have this file are no longer in the gateway's configuration. Ask its "
                "operator to put one back, or upload the file again."
            )

    def _batch(self, principal: Principal, asked: CreateBatch, file: FileState, batch_id: str) -> Batch:
        now = self._runtime.now()
        ends = now + window_of(asked.completion_window)
        copies = _of_tiles(file)
        if copies and not any(would_last(copy, ends, now) for copy in copies):
            raise InvalidRequest(
                f"The file {asked.input_file_id} expires before the batch could end. Upload it again.",
                param="input_file_id",
                code="file_expires",
            )
        return Batch(
            id=batch_id,
            owner=file.file.owner,
            created_by=principal.key_id,
            input_file_id=asked.input_file_id,
            endpoint=asked.endpoint,
            completion_window=asked.completion_window,
            model=file.file.models[0],
            metadata=dict(asked.metadata) if asked.metadata is not None else None,
            output_expires_after=asked.output_expires_after,
            created_at=now,
            expires_at=ends,
            counts=Counts(total=file.file.lines),
            options=asked.options,
            traceparent=tracing.traceparent(),
        )


def _of_tiles(file: FileState) -> list[FileCopy]:
    """The copies that any batch can run on: those of derived shards are of one alone."""
    return [copy for copy in file.copies if not file.is_derived(copy)]


def no_input(file_id: str) -> NotFound:
    """What is said of an input that is not there, or not the caller's."""
    error = unknown_file(file_id)
    error.param = "input_file_id"
    return error


def no_input_of(file_id: str, *, retry_of: str | None) -> RequestError:
    """The same of the input of a batch that is drafted: who asks for a retry has named no file."""
    if retry_of is None:
        return no_input(file_id)
    return Conflict(
        f"The input {file_id} of {retry_of} has been deleted, has expired or is lost: its requests cannot "
        "run again. Upload them again for a new batch.",
        code="input_unavailable",
    )
