"""The events of a file's copies. Pure: `now` is passed."""

from __future__ import annotations

from datetime import datetime

from litebatch_asgi.models import CopyState, Event, File, FileCopy, FileKind
from litebatch_asgi.models.ids import EVENT_PREFIX, new_id

COPIED, COPY_FAILED = "file.copied", "file.copy_failed"


def copy_events(file: File, before: FileCopy, after: FileCopy, now: datetime) -> tuple[Event, ...]:
    """That a deployment can use an input file now, or does not take it; when that changes, not each try.

    A copy that came into doubt and is found again is told again.
    """
    type_ = _type_of(before, after) if file.kind is FileKind.INPUT else None
    if type_ is None:
        return ()
    payload = {
        "file_id": file.id,
        "owner": file.owner,
        "key_id": file.created_by,
        "models": list(file.models),
        "deployment": after.deployment_id,
        "shard": after.shard,
        "reason": after.error,
        "traceparent": file.traceparent,
    }
    event = Event(
        id=new_id(EVENT_PREFIX),
        subject=file.id,
        type=type_,
        owner=file.owner,
        payload=payload,
        created_at=now,
    )
    return (event,)


def _type_of(before: FileCopy, after: FileCopy) -> str | None:
    if after.ready_at is not None:
        return COPIED if before.ready_at is None else None
    has_failed = after.state is CopyState.FAILED and before.state is not CopyState.FAILED
    has_trouble = after.error is not None and before.error is None
    return COPY_FAILED if has_failed or has_trouble else None
