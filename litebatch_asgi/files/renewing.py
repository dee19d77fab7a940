"""Renewing on demand: copies that a batch cannot use as they are, and could if they were made anew."""

from __future__ import annotations

from datetime import datetime

from litebatch_asgi.copy_lifecycle import is_to_be_renewed, renewal
from litebatch_asgi.failpoints import hit
from litebatch_asgi.models import FileChange, FileCopy, FileState
from litebatch_asgi.runtime import Runtime


async def renew_copies(
    runtime: Runtime, file: FileState, model: str, until: datetime, *, shard: int | None = None
) -> None:
    """Have the copies sent anew that name another model than today's, or that end before a batch would.

    `model` is the virtual one, `until` when the batch ends, `shard` whose copies it needs, None: any. The
    reconciler sends them; what they are now is kept until then.
    """
    now, fleet = runtime.now(), runtime.fleet
    served = fleet.deployments_for(model)

    def is_due(copy: FileCopy) -> bool:
        if copy.deployment_id not in served or shard not in (None, copy.shard):
            return False
        today = fleet.upstream_model(copy.deployment_id, model)
        return is_to_be_renewed(copy, model=today, until=until, now=now)

    def decide(current: FileState) -> FileChange | None:
        if not current.file.is_visible(now):
            return None
        due = tuple(renewal(copy, now) for copy in current.copies if is_due(copy))
        return FileChange(copies=due, fence_out=True) if due else None

    if file.file.is_visible(now) and any(map(is_due, file.copies)):
        await runtime.storage.change_file(file.file.id, decide)
        hit("renewal.begun")
        runtime.wake()
