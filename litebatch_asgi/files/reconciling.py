"""What the reconciler does for copies that are due: wait for them, bring them where they are missing."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import partial

from msgspec.structs import replace

from litebatch_asgi.copy_lifecycle import deletion, held_copy, move_copy
from litebatch_asgi.errors import (
    ProviderError,
    ProviderNotFound,
    RequestError,
    StateConflict,
    StorageUnavailable,
)
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.adopting import Adopter
from litebatch_asgi.files.removal import Remover
from litebatch_asgi.files.sending import Sender
from litebatch_asgi.leases import Lease
from litebatch_asgi.lifetimes import renew_at
from litebatch_asgi.models import CopyState, FileChange, FileCopy, FileState
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

_GONE = frozenset({CopyState.DELETING, CopyState.DELETED})
_HAVING = frozenset({CopyState.INTENT, CopyState.PENDING, CopyState.READY})
"""with an id of its provider: it has the file, or had it and is looked at"""


class CopyReconciler(Sender):
    """Looks after due copies."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._remover = Remover(runtime)
        self._adopter = Adopter(runtime)

    async def look(self, copy: FileCopy, lease: Lease) -> None:
        """Do what a due copy needs; a provider, a store or a disk that is in the way is tried again later."""
        state = await self.runtime.storage.get_file(copy.file_id)
        if state is None:
            raise StateConflict(f"{copy.file_id} is gone")
        now = self.runtime.now()
        try:
            if state.file.accepted_at is None and state.file.deleted_at is None:
                await self._abandoned(copy, now)
            elif state.file.deleted_at is None and state.file.is_expired(now):
                await self.runtime.storage.change_file(copy.file_id, partial(deletion, now=now))
                self.runtime.wake()
            elif not await self._is_wanted(copy, state):
                await self._remover.remove(copy, state)
            elif copy.state is CopyState.INTENT:
                await self._repair(copy, state, lease)
            elif copy.state is CopyState.PENDING:
                await self._ask(copy, now)
            else:
                await self._keep(copy, state, now)
        except StorageUnavailable:
            raise
        except (ProviderError, RequestError) as error:
            logger.warning(
                "a copy could not be looked after",
                extra={"file_id": copy.file_id, "deployment": copy.deployment_id, "error": error.message},
            )
            is_awaited = copy.state is CopyState.PENDING
            due = self.next_look(copy, now) if is_awaited else self.next_try(copy, now)
            is_ours = isinstance(error, RequestError) and copy.state is CopyState.INTENT
            told = error.message if is_ours else copy.error  # by which others are asked to take the file
            await self.write(copy, copy.state, due=due, attempts=copy.attempts + 1, error=told)

    async def _is_wanted(self, copy: FileCopy, state: FileState) -> bool:
        """Whether a copy is to be there: of a deleted file only what was asked for since, while it is read.

        So it is with a copy of lines that one batch alone has.
        """
        if copy.state in _GONE:
            return False
        if state.file.deleted_at is None and not state.is_derived(copy):
            return True
        return copy.state in _HAVING and await self.is_read(copy, state)

    async def _abandoned(self, copy: FileCopy, now: datetime) -> None:
        """Its uploader died before the file was acknowledged: refused, unless another copy is on its way."""

        def decide(current: FileState) -> FileChange:
            mine = held_copy(current, copy)
            others = [other for other in current.copies if other.key != copy.key]
            if current.file.accepted_at is not None or any(_is_held(other, now) for other in others):
                return FileChange(copies=(move_copy(mine, mine.state, due=self.next_look(copy, now)),))
            return deletion(current, now)

        await self.runtime.storage.change_file(copy.file_id, decide)
        self.runtime.wake()

    async def _ask(self, copy: FileCopy, now: datetime) -> None:
        """Record whether the provider can use the copy; if it was lost, schedule a new upload.

        What a provider does not find it may still have: there may be twins then.
        """
        assert copy.provider_file_id is not None
        adapter = self.runtime.fleet.adapter(copy.deployment_id)
        try:
            found = await adapter.retrieve_file(copy.provider_file_id)
        except ProviderNotFound:
            watch_until = max(now, copy.watch_until or now)
            await self.write(copy, CopyState.INTENT, due=now, provider_file_id=None, watch_until=watch_until)
            return
        looked = replace(copy, attempts=copy.attempts + 1)
        await self.record_upload(looked, found, None, watch_until=copy.watch_until)

    async def _repair(self, copy: FileCopy, state: FileState, lease: Lease) -> None:
        """Bring a missing copy to its deployment: the one that may be there already, else a new one.

        A file without lines is to be at one deployment alone: its other copies are given up.
        """
        now = self.runtime.now()
        if copy.started_at is not None:
            if await self._adopter.adopt(copy, state):
                return
            if not await self.is_surely_absent(copy, now):
                return
        if state.file.endpoint is None and _others_have(state, copy):
            await self.write(copy, CopyState.DELETED, due=None)
            return
        rest = self.runtime.fleet.cooldown_left(copy.deployment_id)
        if rest:
            await self.write(copy, copy.state, due=now + timedelta(seconds=rest))
            return
        shard = await self.shard_of(copy, state)
        if not await self.origin.can_be_read(state, shard):
            await self.look_again(copy, self.next_look(copy, now))
            return
        async with self.form(copy, shard, state) as form:
            if form.refusal is None:
                copy = await self.start(copy, form.sent)
            await self.send(copy, state.file, shard, form, lease)

    async def _keep(self, copy: FileCopy, state: FileState, now: datetime) -> None:
        """Make a ready copy anew in time; look whether there are others with its tag, and delete them."""
        due = renew_at(copy, state.file) if not state.is_derived(copy) else None
        if due is not None and now >= due:
            await self.write(copy, CopyState.INTENT, due=now, attempts=0)
            hit("renewal.begun")
            self.runtime.wake()
        elif copy.watch_until is None or await self.is_read(copy, state):  # by a batch: one of them
            await self.write(copy, copy.state, due=None, attempts=copy.attempts + 1)
        else:
            await self._remove_twins(copy, state, now)

    async def _remove_twins(self, copy: FileCopy, state: FileState, now: datetime) -> None:
        twins = [each for each in await self.tagged(copy, state.file) if each.id != copy.provider_file_id]
        for twin in twins:
            await self.delete_there(copy, twin.id)
        goes_on = copy.watch_until is not None and now < copy.watch_until
        until = copy.watch_until if goes_on else None
        await self.write(copy, copy.state, due=None, watch_until=until, attempts=copy.attempts + 1)


def _others_have(state: FileState, copy: FileCopy) -> bool:
    """Whether another deployment has the file."""
    return copy.provider_file_id is None and any(
        other.provider_file_id is not None and other.state in _HAVING
        for other in state.copies_of(copy.shard)
        if other.key != copy.key
    )


def _is_held(copy: FileCopy, now: datetime) -> bool:
    return copy.claimed_until is not None and copy.claimed_until > now
