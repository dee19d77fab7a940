"""Removing: hidden at once, gone from the deployments once no batch needs it."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from msgspec.structs import replace

from litebatch_asgi.errors import ProviderError
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.copies import WATCH_FOR, CopyWork, held_copy
from litebatch_asgi.models import CopyState, File, FileChange, FileCopy, FileState

_GONE = frozenset({CopyState.DELETING, CopyState.DELETED})


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
        if state.open_batches:
            await self.write(copy, state=CopyState.DELETING, next_check_at=self.next_look(copy, now))
            return
        if copy.provider_file_id is not None:
            await self.delete_there(copy, copy.provider_file_id)
        watch = False
        if copy.started_at is not None or copy.search_until is not None:
            found = await self._delete_tagged(copy, state.file)
            if copy.started_at is not None and not await self.is_surely_absent(copy, now):
                return
            watch = not found and self._goes_on(copy, now)
        hit("remove.done")
        await self._forget(copy, now, watch=watch)

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
        return now < (copy.search_until or now) + WATCH_FOR

    async def _forget(self, copy: FileCopy, now: datetime, *, watch: bool) -> None:
        """The copy is gone; with `watch` it is looked for again later."""
        forget = partial(self._forgotten, claimed=copy, now=now, watch=watch)
        await self.runtime.storage.change_file(copy.file_id, forget)

    def _forgotten(self, current: FileState, *, claimed: FileCopy, now: datetime, watch: bool) -> FileChange:
        copy = held_copy(current, claimed)
        gone = replace(
            copy,
            state=CopyState.DELETED,
            claimed_by=None,
            claimed_until=None,
            attempts=copy.attempts + 1,
            search_until=(copy.search_until or now) if watch else None,
            next_check_at=self.next_look(copy, now) if watch else None,
        )
        others = [each for each in current.copies if each.key != claimed.key]
        if all(map(_is_forgotten, (gone, *others))):
            return FileChange(remove=True)
        hidden = replace(current.file, deleted_at=current.file.deleted_at or now)
        return FileChange(file=hidden, copies=(gone,))


def _is_forgotten(copy: FileCopy) -> bool:
    """Whether a copy is gone for good: neither there nor looked for."""
    return copy.state is CopyState.DELETED and copy.next_check_at is None


def deletion(current: FileState, now: datetime) -> FileChange:
    """Hide a file at once; its copies are removed at their deployments afterwards."""
    if all(map(_is_forgotten, current.copies)):
        return FileChange(remove=True)
    copies = tuple(
        replace(copy, state=CopyState.DELETING, next_check_at=now, claimed_by=None, claimed_until=None)
        for copy in current.copies
        if copy.state not in _GONE
    )
    return FileChange(file=replace(current.file, deleted_at=now), copies=copies, fence_out=True)


def refusal(current: FileState, now: datetime) -> FileChange:
    """Take back a file that no deployment took; only where an upload is in doubt is something left to do."""
    gone = replace(current, copies=tuple(copy for copy in current.copies if copy.started_at is not None))
    return deletion(gone, now)
