"""Copies of inputs, and their originals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi import copy_lifecycle
from litebatch_asgi.batches import on_demand, targets
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files import uploading
from litebatch_asgi.files.adopting import Adopter
from litebatch_asgi.files.copies import CopyWork
from litebatch_asgi.files.discarding import Discarder
from litebatch_asgi.files.origin import Origin
from litebatch_asgi.files.originals import Original
from litebatch_asgi.files.reconciling import CopyReconciler
from litebatch_asgi.files.sending import Sender
from litebatch_asgi.leases import Lease
from litebatch_asgi.models import Content, CopyState, File, FileCopy, FileState
from litebatch_asgi.routes.slots import UploadSlots

Patch = pytest.MonkeyPatch


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


def pending_copies_are_waited_for(patch: Patch) -> None:
    """A copy that its deployment has and cannot use yet is on its way, for however long."""
    may_never_come = on_demand._may_never_come

    def unless_it_is_there(copy: FileCopy) -> bool:
        return copy.state is not CopyState.PENDING and may_never_come(copy)

    patch.setattr(on_demand, "_may_never_come", unless_it_is_there)


def uploads_do_not_wait(patch: Patch) -> None:
    """An upload that finds no place is refused at once."""

    async def refuse(self: UploadSlots, owner: str, seconds: float) -> None:
        raise self._refusal(owner)

    patch.setattr(UploadSlots, "_wait", refuse)
