"""Copies on demand: a deployment that has none of a shard gets one, for a job that is to be placed there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litebatch_asgi.copy_lifecycle import move_copy
from litebatch_asgi.failpoints import hit
from litebatch_asgi.models import CopyState, FileChange, FileCopy, FileState, Shard
from litebatch_asgi.runtime import Runtime

_NEVER_SENT: dict[str, Any] = {
    "provider_file_id": None,
    "model": None,
    "bytes": None,
    "expires_at": None,
    "ready_at": None,
    "started_at": None,
    "search_until": None,
    "error": None,
    "attempts": 0,
}


async def ensure_copy(
    runtime: Runtime, file: FileState, shard: Shard, deployment_id: str, now: datetime
) -> FileState:
    """Have a copy of a shard brought to a deployment that has none; the file with the copy as it is then.

    The reconciler sends it, from wherever the shard can be read. One that is gone is made anew. One that is
    there stays as it is: what is on its way, and what has failed, for the deployment cannot take the shard.
    Raises `StateConflict` if the file is gone, or nothing can be copied of it any more.
    """
    key = (file.file.id, shard.shard, deployment_id)

    def decide(current: FileState) -> FileChange | None:
        copy = next((copy for copy in current.copies if copy.key == key), None)
        if copy is None:
            new = FileCopy(
                file_id=file.file.id,
                shard=shard.shard,
                deployment_id=deployment_id,
                owner=file.file.owner,
                next_check_at=now,
            )
            return FileChange(copies=(new,))
        if not _is_gone(copy):
            return None
        return FileChange(copies=(move_copy(copy, CopyState.INTENT, due=now, **_NEVER_SENT),), fence_out=True)

    known = next((copy for copy in file.copies if copy.key == key), None)
    if known is not None and not _is_gone(known):
        return file
    written = await runtime.storage.change_file(file.file.id, decide)
    hit("copy.wanted")
    runtime.wake()
    return written


def _is_gone(copy: FileCopy) -> bool:
    """Whether nothing of a copy is at its provider for sure, but for what may show up late."""
    if copy.state is CopyState.DELETING:  # as it is once its file was deleted before it was sent
        return copy.provider_file_id is None and copy.started_at is None
    return copy.state is CopyState.DELETED
