"""Uploading: one received file to all its deployments at once, or to the first that takes it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeAlias

import anyio
from msgspec.structs import replace

from litebatch_asgi.copy_lifecycle import retraction
from litebatch_asgi.errors import (
    CannotTake,
    ContentRefused,
    FileTooLarge,
    InvalidRequest,
    LiteBatchError,
    ProviderError,
    RequestError,
    StateConflict,
    Unavailable,
)
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.forms import Form, ReceivedForms
from litebatch_asgi.files.originals import Original
from litebatch_asgi.files.reasons import by_deployment, not_taken
from litebatch_asgi.files.sending import Sender
from litebatch_asgi.leases import Lease
from litebatch_asgi.models import CopyState, CreateRequest, File, FileCopy, FileHold, FileState
from litebatch_asgi.repeats import once
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.scrub import scrub
from litebatch_asgi.spool import Spool

logger: logging.Logger = logging.getLogger(__name__)

_Send: TypeAlias = Callable[[Lease], Awaitable[ProviderError | None]]
"""sends a copy under its lease; what stood against it, or None"""


class Uploader:
    """Gives a spooled file to the deployments; acknowledged is it as soon as one of them has it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._sender = Sender(runtime)

    def intent(self, file: File, deployment_id: str, form: Form) -> FileCopy:
        """The row that says that a new file is about to be sent to a deployment, and is ours."""
        return FileCopy(
            file_id=file.id,
            deployment_id=deployment_id,
            owner=file.owner,
            started_at=file.created_at,
            next_check_at=file.created_at,
            claimed_by=self._runtime.worker,
            model=form.sent.model,
            bytes=form.sent.bytes if form.refusal is None else None,
        )

    async def upload(
        self,
        file: File,
        copies: Sequence[FileCopy],
        spool: Spool,
        forms: ReceivedForms,
        request: CreateRequest,
        holds: Sequence[FileHold],
    ) -> FileState | None:
        """Write the rows, then send to the deployments; or the file that this request made before.

        What has lines goes to all of them at once. Anything else goes to one after the other, until one has
        taken it.

        Returns when all of them have ended, or when one has taken the file and `place_budget_seconds` are
        over: the slow ones go on without the caller, and are left to the reconciler where others need their
        disk space. Raises what the caller is to be told when no deployment has taken it, or its original
        cannot be kept; nothing of it stays behind then.
        """
        written, since = await self._insert(file, copies, request, holds)
        if written.file.id != file.id:
            return written
        hit("upload.created")
        progress = _Progress(len(copies))
        original = self._keeping(written.file, spool)
        turn: anyio.Event | None = None
        for copy in copies:
            form = forms[copy.deployment_id]
            send: _Send = partial(self._sender.send, copy, file, form)
            if file.endpoint is None:
                send, turn = self._in_turn(progress, copy, send, turn)
            if original is not None:
                send = partial(_once_kept, original, send)
            share = (form.spool or spool).share()
            self._runtime.start(partial(self._one, progress, file, copy, send, share, since))
        await progress.settled.wait()
        if not progress.taken:
            await self._refuse(file)
            if original is not None and original.error is not None:
                raise original.error
            raise self._told(file, copies, progress.errors)
        with anyio.move_on_after(self._runtime.settings.place_budget_seconds):
            await progress.ended.wait()
        if not progress.ended.is_set():
            for each in {spool, *(forms[copy.deployment_id].spool or spool for copy in copies)}:
                each.offer(progress.give_up)
        return None

    def _keeping(self, file: File, spool: Spool) -> Original | None:
        """The original, on its way into the content store; None where it is not to be kept.

        No deployment gets the file before it is there: what is accepted is kept.
        """
        if self._runtime.settings.keep_originals != "always" and not self._is_translated(file):
            return None
        original = Original(self._runtime, file)
        self._runtime.start(partial(original.keep, spool.share()))
        return original

    def _is_translated(self, file: File) -> bool:
        """Whether a deployment of the file's models cannot give it back as it was."""
        fleet = self._runtime.fleet
        served = ((where, model) for model in file.models for where in fleet.deployments_for(model))
        return file.endpoint is not None and any(fleet.dialect(*each) is not None for each in served)

    async def _insert(
        self, file: File, copies: Sequence[FileCopy], request: CreateRequest, holds: Sequence[FileHold]
    ) -> tuple[FileState, float]:
        """The file as it was written or found, and when that was begun, by the event loop's clock.

        An equal upload that is under way is waited for, and one whose uploader has died until that is known.
        """
        settings = self._runtime.settings

        async def insert(request: CreateRequest) -> tuple[FileState, float]:
            since = anyio.current_time()
            state = await self._runtime.storage.create_file(
                replace(file, answering_until=request.answering_until),
                copies,
                request=request,
                lease_seconds=settings.lease_seconds,
                holds=holds,
            )
            return state, since

        patience = settings.lease_seconds + settings.provider_timeout_seconds + request.answer_seconds
        return await once(request, insert, now=self._runtime.now, patience_seconds=patience)

    def _in_turn(
        self, progress: _Progress, copy: FileCopy, send: _Send, turn: anyio.Event | None
    ) -> tuple[_Send, anyio.Event]:
        """`send`, once the deployment before has not taken the file; and when it is the next one's turn.

        The row is kept ours meanwhile, and given up where an earlier one has taken the file.
        """
        following = anyio.Event()

        async def wait_and_send(lease: Lease) -> ProviderError | None:
            try:
                if turn is not None:
                    await turn.wait()
                if not progress.taken:
                    error = await send(lease)
                    progress.taken = error is None
                    return error
                await self._sender.write(copy, CopyState.DELETED, due=None)
                return None
            finally:
                following.set()

        return wait_and_send, following

    async def _one(
        self, progress: _Progress, file: File, copy: FileCopy, send: _Send, share: Spool, since: float
    ) -> None:
        error: LiteBatchError | None = Unavailable("The gateway is shutting down. Try the upload again.")
        try:
            with progress.sending() as scope:
                error = await self._runtime.leases.run(copy, send, since=since)
            if scope.cancelled_caught:
                told = {"file_id": file.id, "deployment": copy.deployment_id}
                logger.info("a slow upload gives up its disk space: it is repaired later", extra=told)
        except LiteBatchError as failure:
            error = failure
        finally:
            progress.one_ended(copy, error)
            with anyio.CancelScope(shield=True):
                await share.aclose()

    async def _refuse(self, file: File) -> None:
        now = self._runtime.now()
        with suppress(StateConflict):  # somebody took us for dead and has swept it away
            await self._runtime.storage.change_file(file.id, lambda current: retraction(current, now))
        self._runtime.wake()

    def _told(
        self, file: File, copies: Sequence[FileCopy], errors: dict[str, LiteBatchError]
    ) -> LiteBatchError:
        """The provider's reason, in our words and names."""
        logger.warning(
            "no deployment took a file: %s",
            by_deployment(errors),
            extra={"file_id": file.id, "owner": file.owner, "deployments": sorted(errors)},
        )
        asked = {where: error for where, error in errors.items() if not isinstance(error, CannotTake)}
        refused = [error for error in asked.values() if isinstance(error, ContentRefused)]
        if refused:
            return self._content_refused(file, copies, refused[0])
        return not_taken(asked)

    def _content_refused(self, file: File, copies: Sequence[FileCopy], error: ContentRefused) -> RequestError:
        words = self._scrubbed(file, copies, error).rstrip(". ")
        told = f"The provider refused the content of the file: {words}. Change the file before another try."
        if error.status == 413:
            return FileTooLarge(told, param="file")
        return InvalidRequest(told, code=error.code, param="file")

    def _scrubbed(self, file: File, copies: Sequence[FileCopy], error: ProviderError) -> str:
        names = {self._sender.tag(file): file.filename}
        for copy in copies:
            names[copy.deployment_id] = "the deployment"
            if file.endpoint is not None:
                upstream = self._runtime.fleet.upstream_model(copy.deployment_id, file.models[0])
                names[upstream] = file.line_model
        return scrub(error.message, names=names)


async def _once_kept(original: Original, send: _Send, lease: Lease) -> ProviderError | None:
    await original.kept()
    return await send(lease)


class _Progress:
    """How far the uploads of one file are."""

    def __init__(self, expected: int) -> None:
        self._left = expected
        self.taken = False
        self.errors: dict[str, LiteBatchError] = {}
        self.settled = anyio.Event()
        """set once one has taken the file, or none has"""
        self.ended = anyio.Event()
        self._scopes: list[anyio.CancelScope] = []

    @contextmanager
    def sending(self) -> Generator[anyio.CancelScope]:
        """One of them, which `give_up` cancels."""
        with anyio.CancelScope() as scope:
            self._scopes.append(scope)
            yield scope

    def give_up(self) -> None:
        """Cancel those that are still under way."""
        for scope in self._scopes:
            scope.cancel()

    def one_ended(self, copy: FileCopy, error: LiteBatchError | None) -> None:
        self._left -= 1
        if error is None:
            self.taken = True
        else:
            self.errors[copy.deployment_id] = error
        if self.taken or not self._left:
            self.settled.set()
        if not self._left:
            self.ended.set()
