"""Removing: hidden at once, gone from the deployments once no batch needs it."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from msgspec.structs import replace

from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.copies import CopyWork, held_copy
from litebatch_asgi.models import CopyState, File, FileChange, FileCopy, FileState

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
        if copy.started_at is not None or copy.search_until is not None:
            await self._delete_tagged(copy, state.file)
            if copy.started_at is not None and not await self.is_surely_absent(copy, now):
                return
        hit("remove.done")
        await self.runtime.storage.change_file(copy.file_id, partial(self._forget, claimed=copy, now=now))

    async def _delete_tagged(self, copy: FileCopy, file: File) -> None:
        """Delete what an upload in doubt may have left."""
        for each in await self.tagged(copy, file):
            await self.delete_there(copy, each.id)

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
    if all(copy.state is CopyState.DELETED for copy in current.copies):
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
