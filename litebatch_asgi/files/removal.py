"""Removing: hidden at once, gone from the deployments once no batch needs it."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from msgspec.structs import replace

from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.copies import CopyWork, held_copy
from litebatch_asgi.models import CopyState, File, FileChange, FileCopy, FileKind, FileState

_GONE = frozenset({CopyState.DELETING, CopyState.DELETED})


class Remover(CopyWork):
    """Removes the copies of deleted, refused and expired files."""

    async def remove(self, copy: FileCopy, state: FileState) -> None:
        """Delete a copy at its provider once no batch needs it; the rows go with the last one."""
        now = self.runtime.now()
        if state.open_batches:
            await self.write(copy, state=CopyState.DELETING, next_check_at=self.next_look(copy, now))
            return
        if copy.provider_file_id is not None:
            await self.delete_there(copy, copy.provider_file_id)
        elif copy.started_at is not None and not await self._surely_absent(copy, state.file, now):
            return
        hit("remove.done")
        await self.runtime.storage.change_file(copy.file_id, partial(self._forget, claimed=copy, now=now))

    async def _surely_absent(self, copy: FileCopy, file: File, now: datetime) -> bool:
        if file.kind is not FileKind.INPUT:
            return True
        for each in await self.tagged(copy, file):
            await self.delete_there(copy, each.id)
        if copy.search_until is None:
            copy = await self.begin_search(copy, now)
        assert copy.search_until is not None
        if now >= copy.search_until:
            return True
        due = min(self.next_look(copy, now), copy.search_until)
        await self.write(
            copy, state=CopyState.DELETING, next_check_at=max(due, now), attempts=copy.attempts + 1
        )
        return False

    def _forget(self, current: FileState, *, claimed: FileCopy, now: datetime) -> FileChange:
        gone = replace(
            held_copy(current, claimed),
            state=CopyState.DELETED,
            claimed_by=None,
            claimed_until=None,
            next_check_at=None,
        )
        others = [copy for copy in current.copies if copy.key != claimed.key]
        if all(copy.state is CopyState.DELETED for copy in others):
            return FileChange(remove=True)
        hidden = replace(current.file, deleted_at=current.file.deleted_at or now)
        return FileChange(file=hidden, copies=(gone,))


def deletion(current: FileState, now: datetime) -> FileChange:
    """Hide a file at once; its copies are removed at their deployments afterwards."""
    copies = tuple(
        replace(copy, state=CopyState.DELETING, next_check_at=now, claimed_by=None, claimed_until=None)
        for copy in current.copies
        if copy.state not in _GONE
    )
    if not copies:
        return FileChange(remove=True)
    return FileChange(file=replace(current.file, deleted_at=now), copies=copies, fence_out=True)


def refusal(current: FileState, now: datetime) -> FileChange:
    """Take back a file that no deployment took; only where an upload is in doubt is something left to do."""
    gone = replace(current, copies=tuple(copy for copy in current.copies if copy.started_at is not None))
    return deletion(gone, now)
