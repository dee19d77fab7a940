"""Removing: hidden at once, gone from the deployments once no batch needs it."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from litebatch_asgi.copy_lifecycle import held_copy, move_copy, removal
from litebatch_asgi.errors import ProviderError, ProviderNotFound
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.copies import CopyWork
from litebatch_asgi.lifetimes import WATCH_FOR
from litebatch_asgi.models import (
    CopyState,
    File,
    FileChange,
    FileCopy,
    FileState,
    ProviderFile,
    ProviderFileStatus,
)


class Remover(CopyWork):
    """Removes the copies of deleted, refused and expired files."""

    async def remove(self, copy: FileCopy, state: FileState) -> None:
        """Delete a copy at its provider once no batch needs it; the rows go with the last one.

        One whose upload was in doubt is looked for a while longer: it may still be done, or done twice.
        """
        now = self.runtime.now()
        if copy.state is CopyState.DELETED:
            await self._watch(copy, state.file, now)
            return
        if copy.state not in (CopyState.DELETING, CopyState.FAILED):
            await self.write(copy, CopyState.DELETING, due=now)
            self.runtime.wake()
            return
        if await self.is_read(copy, state):
            await self._wait(copy, state.file, now)
            return
        if copy.provider_file_id is not None:
            await self.delete_there(copy, copy.provider_file_id)
        watch = False
        if copy.started_at is not None or copy.watch_until is not None:
            found = await self._delete_tagged(copy, state.file)
            if copy.started_at is not None and not await self.is_surely_absent(copy, now):
                return
            watch = not found and self._goes_on(copy, now)
        hit("remove.done")
        await self._forget(copy, now, watch=watch)

    async def _wait(self, copy: FileCopy, file: File, now: datetime) -> None:
        """A batch needs the file: ask on about a copy that was not ready when the file was deleted.

        To wait is no failure: how often does not count for how soon a deletion that fails is tried again.
        """
        state, changes = copy.state, dict[str, Any]()
        waits = copy.ready_at is None and copy.provider_file_id is not None and state is CopyState.DELETING
        if waits:
            found = await self._look_at(copy)
            if found is None or found.status is ProviderFileStatus.FAILED:
                state = CopyState.FAILED
            elif found.status is ProviderFileStatus.READY:
                changes["ready_at"] = now
        if waits:
            changes["attempts"] = copy.attempts + 1
        due = self.next_look(copy, now) if waits else self.next_look_since(file.deleted_at or now, now)
        await self.write(copy, state, due=due, **changes)

    async def _look_at(self, copy: FileCopy) -> ProviderFile | None:
        assert copy.provider_file_id is not None
        try:
            return await self.runtime.fleet.adapter(copy.deployment_id).retrieve_file(copy.provider_file_id)
        except ProviderNotFound:
            return None

    async def _watch(self, copy: FileCopy, file: File, now: datetime) -> None:
        """Delete what shows up of a copy that was given up; a provider that fails is asked a day longer."""
        try:
            found = await self._delete_tagged(copy, file)
        except ProviderError:
            if self._goes_on(copy, now - WATCH_FOR):
                raise
            found = False
        await self._forget(copy, now, watch=not found and self._goes_on(copy, now))

    async def _delete_tagged(self, copy: FileCopy, file: File) -> bool:
        """Delete what an upload in doubt may have left; whether there was anything."""
        found = await self.tagged(copy, file)
        for each in found:
            await self.delete_there(copy, each.id)
        return bool(found)

    def _goes_on(self, copy: FileCopy, now: datetime) -> bool:
        return copy.watch_until is not None and now < copy.watch_until

    async def _forget(self, copy: FileCopy, now: datetime, *, watch: bool) -> None:
        """The copy is gone; with `watch` it is looked for again later."""
        forget = partial(self._forgotten, claimed=copy, now=now, watch=watch)
        await self.runtime.storage.change_file(copy.file_id, forget)

    def _forgotten(self, current: FileState, *, claimed: FileCopy, now: datetime, watch: bool) -> FileChange:
        copy = held_copy(current, claimed)
        gone = move_copy(
            copy,
            CopyState.DELETED,
            due=self.next_look(copy, now) if watch else None,
            attempts=copy.attempts + 1,
            search_until=None,
            watch_until=copy.watch_until if watch else None,
        )
        if current.file.deleted_at is None:  # of lines that only a batch has needed
            return FileChange(copies=(gone,))
        return removal(current, gone, now)
