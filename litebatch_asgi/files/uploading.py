"""Uploading: a received file to all its deployments, or tile by tile to some of them.

What has no lines goes to the first deployment that takes it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeAlias

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
from litebatch_asgi.files.cutting import spread
from litebatch_asgi.files.forms import Form, ReceivedForms
from litebatch_asgi.files.originals import Original
from litebatch_asgi.files.progress import Progress
from litebatch_asgi.files.reasons import by_deployment, not_taken
from litebatch_asgi.files.sending import Sender
from litebatch_asgi.leases import Lease
from litebatch_asgi.models import (
    CopyState,
    CreateRequest,
    File,
    FileChange,
    FileCopy,
    FileHold,
    FileState,
    Shard,
)
from litebatch_asgi.repeats import once
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.scrub import scrub
from litebatch_asgi.spool import Spool

logger: logging.Logger = logging.getLogger(__name__)

_Send: TypeAlias = Callable[[Lease], Awaitable[ProviderError | None]]
"""sends a copy under its lease; what stood against it, or None"""


class Plan(NamedTuple):
    """Where a received file is to be sent."""

    tiles: Sequence[Shard]
    copies: Sequence[FileCopy]
    """in the order in which they are sent"""
    spares: Mapping[int, list[str]]
    """by tile: the deployments that are tried where those of its copies do not take it"""

    @property
    def has_several_tiles(self) -> bool:
        """Whether its copies are sent a few at a time."""
        return len(self.tiles) > 1


class Uploader:
    """Gives a spooled file to the deployments; acknowledged is it as soon as they have each tile of it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._sender = Sender(runtime)

    async def plan(
        self, file: File, tiles: Sequence[Shard], deployment_ids: Sequence[str], forms: ReceivedForms
    ) -> Plan:
        """Which deployments get which tile, in forms that are made here.

        All of them get what is one tile. Of several each goes to `copies_per_shard` of them, no deployment
        having more than others; the first copy of each tile comes before any second one. Raises `InvalidFile`
        if there is a tile that none of them can take.
        """
        if len(tiles) == 1:
            ids = await forms.make(file, tiles[0], deployment_ids)
            sent_at = file.created_at  # all are sent at once
            copies = [self._intent(file, tiles[0], where, forms[0, where], sent_at) for where in ids]
            return Plan(tiles, copies, {})
        enough = self._runtime.settings.copies_per_shard
        ranked: list[tuple[int, FileCopy]] = []
        spares: dict[int, list[str]] = {}
        for tile in tiles:
            in_order = self._in_order(deployment_ids, tile.shard)
            looked_at = await forms.make(file, tile, in_order, enough=enough)
            spares[tile.shard] = in_order[len(looked_at) :]
            made = [self._intent(file, tile, where, forms[tile.shard, where], None) for where in looked_at]
            ranked += enumerate(sorted(made, key=lambda copy: copy.bytes is None))
        return Plan(tiles, [copy for _, copy in sorted(ranked, key=lambda each: each[0])], spares)

    def _in_order(self, deployment_ids: Sequence[str], tile: int) -> list[str]:
        """Where a tile goes first; last where something has just been refused."""
        resting = [where for where in deployment_ids if self._runtime.fleet.cooldown_left(where)]
        others = [where for where in deployment_ids if where not in resting]
        return [*spread(others, tile), *spread(resting, tile)]

    def _intent(
        self, file: File, tile: Shard, deployment_id: str, form: Form, started_at: datetime | None
    ) -> FileCopy:
        """The row that says that a tile of a new file is to be sent to a deployment, and is ours."""
        return FileCopy(
            file_id=file.id,
            shard=tile.shard,
            deployment_id=deployment_id,
            owner=file.owner,
            started_at=started_at,
            next_check_at=file.created_at,
            claimed_by=self._runtime.worker,
            model=form.sent.model,
            bytes=form.sent.bytes if form.refusal is None else None,
        )

    async def upload(
        self,
        file: File,
        plan: Plan,
        spool: Spool,
        forms: ReceivedForms,
        request: CreateRequest,
        holds: Sequence[FileHold],
    ) -> FileState | None:
        """Write the rows, then send to the deployments; or the file that this request made before.

        What has lines goes to all of them at once, or, in several tiles, with `max_parallel_copies` at a
        time. Anything else goes to one after the other, until one has taken it.

        Returns when all of them have ended, or when each tile was taken and `place_budget_seconds` are over:
        the slow ones go on without the caller, and are left to the reconciler where others need their disk
        space. Raises what the caller is to be told when no deployment has taken it, or a tile of it, or its
        original cannot be kept; nothing of it stays behind then.
        """
        written, since = await self._insert(file, plan, request, holds)
        if written.file.id != file.id:
            return written
        hit("upload.created")
        progress = Progress(plan.copies, plan.spares)
        original = self._keeping(written.file, spool)
        room = anyio.CapacityLimiter(self._runtime.settings.max_parallel_copies)
        upload = _Upload(file, plan, spool, forms, progress, original, room)
        turn: anyio.Event | None = None
        for copy in plan.copies:
            form = forms[copy.shard, copy.deployment_id]
            send: _Send = partial(self._send, upload, copy, form)
            if file.endpoint is None:
                send, turn = self._in_turn(progress, copy, send, turn)
            if original is not None:
                send = partial(_once_kept, original, send)
            work = partial(self._runtime.leases.run, copy, send, since=since)
            self._begin(upload, copy.shard, copy.deployment_id, work, form.spool or spool)
        await progress.settled.wait()
        if progress.lost is not None:
            progress.give_up()
            await progress.ended.wait()
            await self._refuse(file)
            if original is not None and original.error is not None:
                raise original.error
            raise self._told(file, plan, progress.errors[progress.lost])
        with anyio.move_on_after(self._runtime.settings.place_budget_seconds):
            await progress.ended.wait()
        if not progress.ended.is_set():
            made = [forms[copy.shard, copy.deployment_id] for copy in plan.copies]
            for each in {spool, *(form.spool or spool for form in made)}:
                each.offer(progress.give_up)
        return None

    async def _send(self, upload: _Upload, copy: FileCopy, form: Form, lease: Lease) -> ProviderError | None:
        """Send a copy, one of several tiles once it has its turn."""
        tile = upload.plan.tiles[copy.shard]
        if not upload.plan.has_several_tiles:
            return await self._sender.send(copy, upload.file, tile, form, lease)
        async with upload.room:
            if form.refusal is None:
                copy = await self._sender.start(copy, form.sent)
                hit("upload.tile_begun")
            error = await self._sender.send(copy, upload.file, tile, form, lease)
        if error is None:
            hit("upload.tile_taken")
        return error

    def _begin(
        self,
        upload: _Upload,
        tile: int,
        where: str,
        work: Callable[[], Awaitable[ProviderError | None]],
        source: Spool,
    ) -> None:
        """Have a copy sent in the background, from `source`, and from the spool where another one fails."""
        needed = {source, upload.spool} if upload.plan.spares.get(tile) else {source}
        shares = [each.share() for each in needed]
        self._runtime.start(partial(self._one, upload, tile, where, work, shares))

    async def _one(
        self,
        upload: _Upload,
        tile: int,
        where: str,
        work: Callable[[], Awaitable[ProviderError | None]],
        shares: Sequence[Spool],
    ) -> None:
        error: LiteBatchError | None = Unavailable("The gateway is shutting down. Try the upload again.")
        progress, has_ended = upload.progress, False
        try:
            with progress.sending() as scope:
                error = await work()
                has_ended = True
            if scope.cancelled_caught:
                told = {"file_id": upload.file.id, "shard": tile, "deployment": where}
                logger.info("a slow upload gives up its disk space: it is repaired later", extra=told)
        except LiteBatchError as failure:
            error, has_ended = failure, True
        finally:
            spare = progress.spare_for(tile) if error is not None and has_ended else None
            if spare is not None:
                self._begin(upload, tile, spare, partial(self._instead, upload, tile, spare), upload.spool)
            progress.one_ended(tile, where, error)
            with anyio.CancelScope(shield=True):
                for share in shares:
                    await share.aclose()

    async def _instead(self, upload: _Upload, tile: int, where: str) -> ProviderError | None:
        """Send a tile to a deployment that was not to have it: others have not taken it."""
        file, shard = upload.file, upload.plan.tiles[tile]
        async with upload.forms.at(file, shard, where) as form:
            copy = self._intent(file, shard, where, form, None)
            since = anyio.current_time()

            def insert(current: FileState) -> FileChange:
                if current.file.deleted_at is not None:
                    raise StateConflict(f"{file.id} was given up")
                return FileChange(copies=(copy,), lease_seconds=self._runtime.settings.lease_seconds)

            await self._runtime.storage.change_file(file.id, insert)
            send: _Send = partial(self._send, upload, copy, form)
            if upload.original is not None:
                send = partial(_once_kept, upload.original, send)
            return await self._runtime.leases.run(copy, send, since=since)

    def _keeping(self, file: File, spool: Spool) -> Original | None:
        """The original, on its way into the content store; None where it is not to be kept.

        No deployment gets the file before it is there: what is accepted is kept.
        """
        if self._runtime.settings.keep_originals != "always" and not self._is_not_given_back(file):
            return None
        original = Original(self._runtime, file)
        self._runtime.start(partial(original.keep, spool.share()))
        return original

    def _is_not_given_back(self, file: File) -> bool:
        """Whether a deployment of the file's models cannot give it back, or gets it line by line."""
        fleet = self._runtime.fleet
        served = ((where, model) for model in file.models for where in fleet.deployments_for(model))
        return file.endpoint is not None and any(
            fleet.is_live(where) or fleet.dialect(where, model) is not None for where, model in served
        )

    async def _insert(
        self, file: File, plan: Plan, request: CreateRequest, holds: Sequence[FileHold]
    ) -> tuple[FileState, float]:
        """The file as it was written or found, and when that was begun, by the event loop's clock.

        An equal upload that is under way is waited for, and one whose uploader has died until that is known.
        """
        settings = self._runtime.settings

        async def insert(request: CreateRequest) -> tuple[FileState, float]:
            since = anyio.current_time()
            state = await self._runtime.storage.create_file(
                replace(file, answering_until=request.answering_until),
                plan.copies,
                shards=plan.tiles if file.endpoint is not None else (),
                request=request,
                lease_seconds=settings.lease_seconds,
                holds=holds,
            )
            return state, since

        patience = settings.lease_seconds + settings.provider_timeout_seconds + request.answer_seconds
        return await once(request, insert, now=self._runtime.now, patience_seconds=patience)

    def _in_turn(
        self, progress: Progress, copy: FileCopy, send: _Send, turn: anyio.Event | None
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
                    if error is None:
                        progress.taken.add(copy.shard)
                    return error
                await self._sender.write(copy, CopyState.DELETED, due=None)
                return None
            finally:
                following.set()

        return wait_and_send, following

    async def _refuse(self, file: File) -> None:
        now = self._runtime.now()
        with suppress(StateConflict):  # somebody took us for dead and has swept it away
            await self._runtime.storage.change_file(file.id, lambda current: retraction(current, now))
        self._runtime.wake()

    def _told(self, file: File, plan: Plan, errors: Mapping[str, LiteBatchError]) -> LiteBatchError:
        """The provider's reason, in our words and names."""
        logger.warning(
            "no deployment took a file: %s",
            by_deployment(errors),
            extra={"file_id": file.id, "owner": file.owner, "deployments": sorted(errors)},
        )
        asked = {where: error for where, error in errors.items() if not isinstance(error, CannotTake)}
        refused = [error for error in asked.values() if isinstance(error, ContentRefused)]
        if refused:
            return self._content_refused(file, plan, asked, refused[0])
        return not_taken(asked)

    def _content_refused(
        self, file: File, plan: Plan, deployment_ids: Iterable[str], error: ContentRefused
    ) -> RequestError:
        words = self._scrubbed(file, plan, deployment_ids, error).rstrip(". ")
        told = f"The provider refused the content of the file: {words}. Change the file before another try."
        if error.status == 413:
            return FileTooLarge(told, param="file")
        return InvalidRequest(told, code=error.code, param="file")

    def _scrubbed(self, file: File, plan: Plan, deployment_ids: Iterable[str], error: ProviderError) -> str:
        names = {self._sender.tag(file, tile.shard): file.filename for tile in plan.tiles}
        for where in deployment_ids:
            names[where] = "the deployment"
            if file.endpoint is not None:
                upstream = self._runtime.fleet.upstream_model(where, file.models[0])
                names[upstream] = file.line_model
        return scrub(error.message, names=names)


async def _once_kept(original: Original, send: _Send, lease: Lease) -> ProviderError | None:
    await original.kept()
    return await send(lease)


class _Upload(NamedTuple):
    """An upload while it goes on."""

    file: File
    plan: Plan
    spool: Spool
    forms: ReceivedForms
    progress: Progress
    original: Original | None
    room: anyio.CapacityLimiter
