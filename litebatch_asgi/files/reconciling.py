"""What the reconciler does for copies that are due: wait for them, bring them where they are missing."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from litebatch_asgi.copy_lifecycle import deletion, held_copy, move_copy
from litebatch_asgi.errors import ProviderError, ProviderNotFound, StateConflict
from litebatch_asgi.files.copies import CopyWork
from litebatch_asgi.files.origin import Origin
from litebatch_asgi.files.removal import Remover
from litebatch_asgi.leases import Lease
from litebatch_asgi.models import (
    CopyState,
    File,
    FileChange,
    FileCopy,
    FileState,
    ProviderFile,
    ProviderFileStatus,
)
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)


class CopyReconciler(CopyWork):
    """Looks after due copies."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._remover = Remover(runtime)
        self._origin = Origin(runtime)

    async def look(self, copy: FileCopy, lease: Lease) -> None:
        """Do what a due copy needs; a provider that is in the way is tried again later."""
        state = await self.runtime.storage.get_file(copy.file_id)
        if state is None:
            raise StateConflict(f"{copy.file_id} is gone")
        now = self.runtime.now()
        try:
            if state.file.accepted_at is None and state.file.deleted_at is None:
                await self._abandoned(copy, now)
            elif state.file.deleted_at is not None:
                await self._remover.remove(copy, state)
            elif state.file.is_expired(now):
                await self.runtime.storage.change_file(copy.file_id, partial(deletion, now=now))
                self.runtime.wake()
            elif copy.state is CopyState.INTENT:
                await self._repair(copy, state, lease)
            elif copy.state is CopyState.PENDING:
                await self._ask(copy, now)
            else:
                await self._watch(copy, state.file, now)
        except ProviderError as error:
            logger.warning(
                "a copy could not be looked after",
                extra={"file_id": copy.file_id, "deployment": copy.deployment_id, "error": error.message},
            )
            await self.look_again(copy, now)

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
        """Record whether the provider can use the copy; if it was lost, schedule a new upload."""
        assert copy.provider_file_id is not None
        adapter = self.runtime.fleet.adapter(copy.deployment_id)
        try:
            found = await adapter.retrieve_file(copy.provider_file_id)
        except ProviderNotFound:
            await self.write(copy, CopyState.INTENT, due=now, provider_file_id=None)
            return
        await self.record_upload(replace(copy, attempts=copy.attempts + 1), found)

    async def _repair(self, copy: FileCopy, state: FileState, lease: Lease) -> None:
        """Bring a missing copy to its deployment: the one that may be there already, else a new one."""
        now = self.runtime.now()
        if copy.started_at is not None:
            if await self._adopt(copy, state.file):
                return
            if not await self.is_surely_absent(copy, now):
                return
        if not self._origin.sources(state):
            await self.look_again(copy, now)
            return
        started = await self._start(copy, now)
        content = self._origin.copied(state, self.model_at(copy.deployment_id, state.file))
        await self.send(started, state.file, content, lease)

    async def _watch(self, copy: FileCopy, file: File, now: datetime) -> None:
        """Look whether a twin of an upload in doubt has shown up beside the copy, and delete it."""
        twins: list[ProviderFile] = []
        if copy.watch_until is not None:
            twins = [each for each in await self.tagged(copy, file) if each.id != copy.provider_file_id]
        for twin in twins:
            await self.delete_there(copy, twin.id)
        goes_on = not twins and copy.watch_until is not None and now < copy.watch_until
        until = copy.watch_until if goes_on else None
        await self.write(copy, copy.state, due=None, watch_until=until, attempts=copy.attempts + 1)

    async def _start(self, copy: FileCopy, now: datetime) -> FileCopy:
        return await self.write_and_keep_claim(copy, started_at=now, search_until=None, now=now)

    async def _adopt(self, copy: FileCopy, file: File) -> bool:
        """Take over an upload whose answer was lost: the oldest of the right size; others are deleted."""
        size = self.copy_size(file, copy.deployment_id)
        found = [await self._sized(copy, each) for each in await self.tagged(copy, file)]
        usable = [each for each in found if each.status is not ProviderFileStatus.FAILED]
        right = [each for each in usable if each.bytes == size]
        for each in found:
            if not right or each is not right[0]:
                await self.delete_there(copy, each.id)
        if right:
            await self.record_upload(copy, right[0], watch_until=None)
        return bool(right)

    async def _sized(self, copy: FileCopy, file: ProviderFile) -> ProviderFile:
        """Lists may leave the size out, which a look at the file itself tells."""
        if file.bytes is not None:
            return file
        return await self.runtime.fleet.adapter(copy.deployment_id).retrieve_file(file.id)


def _is_held(copy: FileCopy, now: datetime) -> bool:
    return copy.claimed_until is not None and copy.claimed_until > now
