"""Expired files that no copy calls for, such as results that we wrote ourselves: removed as well."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from litebatch_asgi.copy_lifecycle import deletion
from litebatch_asgi.errors import RequestUnderWay, StateConflict
from litebatch_asgi.files.pruning import Pruner
from litebatch_asgi.models import FileChange, FileState, UploadStatus
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.storage import FileQuery

KEPT = timedelta(hours=1)
"""How long an expired file's rows stay: who reads it may finish, and its copies are removed by themselves."""
COMPLETED_WITHIN = timedelta(minutes=10)
"""How long the parts of an expired upload stay: a completion that began in time may still read them."""
_AT_ONCE = 100


class Sweeper:
    """Removes what has expired, and rows that are too old."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._pruner = Pruner(runtime)

    async def sweep(self) -> bool:
        """Remove some of what is past its time; whether there may be more."""
        has_more = await self._expire()
        has_more = await self._expire_uploads() or has_more
        return await self._pruner.step() or has_more

    async def _expire_uploads(self) -> bool:
        """End uploads that nobody has completed in time: their parts go."""
        uploads, now = self._runtime.storage.uploads, self._runtime.now()
        found = await uploads.overdue(now - COMPLETED_WITHIN, limit=_AT_ONCE)
        for upload_id in found:
            with suppress(StateConflict, RequestUnderWay):  # it is being removed, or its file is on its way
                await uploads.end(upload_id, UploadStatus.EXPIRED, now)
        return len(found) == _AT_ONCE

    async def _expire(self) -> bool:
        now = self._runtime.now()
        query = FileQuery(owner=None, now=now - KEPT, expired=True, limit=_AT_ONCE)
        found = await self._runtime.storage.list_files(query)
        for file in found:
            with suppress(StateConflict):  # somebody else is removing it
                await self._runtime.storage.change_file(file.id, partial(_expired, now=now))
        if found:
            self._runtime.wake()
        return len(found) == _AT_ONCE


def _expired(current: FileState, *, now: datetime) -> FileChange | None:
    return deletion(current, now) if current.file.deleted_at is None else None
