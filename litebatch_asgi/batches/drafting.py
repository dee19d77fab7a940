"""Drafting: what a batch would be that is asked for, once all that stands against it has been looked at."""

from __future__ import annotations

from litebatch_asgi import tracing
from litebatch_asgi.errors import DeploymentGone, InvalidRequest, NotFound
from litebatch_asgi.files.admission import model_error
from litebatch_asgi.files.providers import check_provider
from litebatch_asgi.files.service import unknown_file
from litebatch_asgi.lifetimes import would_last
from litebatch_asgi.models import Batch, Counts, FileState, Principal
from litebatch_asgi.models.ids import file_id_in
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.wire import CreateBatch
from litebatch_asgi.wire.requests import COMPLETION_WINDOWS


class Drafts:
    """Drafts batches on behalf of principals; reads, and writes nothing."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def draft(self, principal: Principal, asked: CreateBatch, batch_id: str) -> tuple[Batch, FileState]:
        """The batch, not placed anywhere, and its input. Raises `RequestError` if it cannot be."""
        file = await self._input(principal, asked.input_file_id, asked.endpoint)
        check_provider(self._runtime.fleet.catalog, asked.custom_llm_provider, file.file.models[:1])
        self._check_copies(file)
        return self._batch(principal, asked, file, batch_id), file

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

    def _check_copies(self, file: FileState) -> None:
        """Raises `DeploymentGone` if no copy can ever serve, neither where it is nor for another one."""
        presence, model = self._runtime.presence, file.file.models[0]
        can_run = any(presence.serves(copy.deployment_id, model) for copy in file.copies)
        can_be_read = any(
            presence.is_served(copy.deployment_id) for copy in file.copies if copy.provider_file_id
        )
        if file.copies and not (can_run and can_be_read):
            raise DeploymentGone(
                "The deployments that have this file are no longer in the gateway's configuration. Ask its "
                "operator to put one back, or upload the file again."
            )

    def _batch(self, principal: Principal, asked: CreateBatch, file: FileState, batch_id: str) -> Batch:
        now = self._runtime.now()
        ends = now + COMPLETION_WINDOWS[asked.completion_window]
        if file.copies and not any(would_last(copy, ends, now) for copy in file.copies):
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


def no_input(file_id: str) -> NotFound:
    """What is said of an input that is not there, or not the caller's."""
    error = unknown_file(file_id)
    error.param = "input_file_id"
    return error
