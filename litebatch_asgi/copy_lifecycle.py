"""What may happen to a copy, and what a file is, seen from its copies. Pure: `now` is passed.

intent ──> pending ──> ready       a doubted copy is pending again, a lost one an intent again; one whose
  │ ^         │ │        │         translation a create has refused has failed
  │ └─────────┘ │        │         one that is made anew is an intent as well: it keeps the provider's file
  └──> failed <─┘        │         that it had, to be read and used, until it has the next one
         │               │
         └──> deleting <─┘         every state leads here while the provider may have something
                 └──> deleted      what failed or is gone is an intent again once a job needs it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.lifetimes import lasts_until, renew_at, would_last
from litebatch_asgi.models import CopyState, File, FileChange, FileCopy, FileKind, FileState, FileStatus

TRANSITIONS: Mapping[CopyState, frozenset[CopyState]] = {
    CopyState.INTENT: frozenset(
        {CopyState.PENDING, CopyState.READY, CopyState.FAILED, CopyState.DELETING, CopyState.DELETED}
    ),
    CopyState.PENDING: frozenset({CopyState.READY, CopyState.FAILED, CopyState.INTENT, CopyState.DELETING}),
    CopyState.READY: frozenset({CopyState.PENDING, CopyState.FAILED, CopyState.INTENT, CopyState.DELETING}),
    CopyState.FAILED: frozenset({CopyState.INTENT, CopyState.DELETING, CopyState.DELETED}),
    CopyState.DELETING: frozenset({CopyState.INTENT, CopyState.FAILED, CopyState.DELETED}),
    CopyState.DELETED: frozenset({CopyState.INTENT}),
}
"""Which state may follow which; what is not here cannot happen."""

_GONE = frozenset({CopyState.DELETING, CopyState.DELETED})
_USABLE = frozenset({CopyState.READY, CopyState.INTENT, CopyState.DELETING})


def move_copy(copy: FileCopy, state: CopyState, *, due: datetime | None, **changes: Any) -> FileCopy:
    """The copy in its next state, its claim given back unless `changes` say otherwise.

    It is looked at again when it is `due`; None: never. How often it was looked at before counts no more
    once it is to be deleted. Raises `StateConflict` if that state may not follow.
    """
    if state is not copy.state and state not in TRANSITIONS[copy.state]:
        raise StateConflict(f"{copy.name}: {state} may not follow {copy.state}")
    released: dict[str, Any] = {"claimed_by": None, "claimed_until": None, "next_check_at": due}
    if state is CopyState.DELETING and copy.state is not state:
        released["attempts"] = 0
    return replace(copy, state=state, **(released | changes))


def held_copy(state: FileState, claimed: FileCopy) -> FileCopy:
    """The copy in the database that `claimed` is our claim on.

    Raises `StateConflict` if somebody has claimed or removed it since.
    """
    for copy in state.copies:
        if copy.key == claimed.key:
            if copy.epoch == claimed.epoch:
                return copy
            raise StateConflict(f"{copy.name}: claimed by {copy.claimed_by} since")
    raise StateConflict(f"{claimed.name} is gone")


def fold_file(state: FileState, now: datetime) -> File:
    """An input as the copies of its tiles make it.

    It is accepted once each tile is at a provider, and processed once each can be used somewhere. Copies of
    other shards do not count. What is no input stays as it is.
    """
    file = state.file
    if file.kind is not FileKind.INPUT:
        return file
    by_tile: dict[int, list[FileCopy]] = {tile.shard: [] for tile in state.tiles}
    for copy in state.copies:
        by_tile.get(copy.shard, []).append(copy)
    states = [{copy.state for copy in copies} for copies in by_tile.values()]
    is_taken = all(any(copy.provider_file_id for copy in copies) for copies in by_tile.values())
    if file.accepted_at is None and is_taken:
        file = replace(file, accepted_at=now)
    if all(CopyState.READY in each for each in states):
        return replace(file, status=FileStatus.PROCESSED)
    return replace(file, status=FileStatus.ERROR) if {CopyState.FAILED} in states else file


def due_when_ready(copy: FileCopy, file: File, *, look: datetime) -> datetime | None:
    """When a ready copy is looked at again: to be made anew, or to go with its file; None: never.

    With `look` already while others with its tag may be there, or while a job of a deleted file needs it.
    """
    is_watched = copy.watch_until is not None or file.deleted_at is not None
    moments = (renew_at(copy, file), file.expires_at, look if is_watched else None)
    return min((moment for moment in moments if moment is not None), default=None)


def doubted(copy: FileCopy, *, until: datetime, watch_until: datetime) -> dict[str, datetime]:
    """What an upload without a clear answer changes: until when it is searched for, and then watched for."""
    return {"search_until": until, "watch_until": max(watch_until, copy.watch_until or watch_until)}


def is_usable(copy: FileCopy, *, model: str | None, until: datetime) -> bool:
    """Whether a batch can be created on the copy that runs `model` until then.

    Its provider must have said that it can use the copy, which stays usable while it is made anew and while
    its file is deleted. The copy must name the model.
    """
    if copy.state not in _USABLE or copy.provider_file_id is None or copy.ready_at is None:
        return False
    return copy.model in (None, model) and lasts_until(copy, until)


def is_to_be_renewed(copy: FileCopy, *, model: str | None, until: datetime, now: datetime) -> bool:
    """Whether a batch that runs `model` until then needs the copy to be made anew, and can use it then."""
    if copy.state is not CopyState.READY or copy.ready_at is None:
        return False
    return not is_usable(copy, model=model, until=until) and would_last(copy, until, now)


def renewal(copy: FileCopy, now: datetime) -> FileCopy:
    """A ready copy that is to be sent anew."""
    return move_copy(copy, CopyState.INTENT, due=now, attempts=0)


def doubt(copy: FileCopy, now: datetime) -> FileChange:
    """A create has found that the provider cannot use the copy: it is asked about before it is used again."""
    if copy.ready_at is None:
        return FileChange()
    if copy.state is CopyState.READY:
        # who watches the copy at this moment would put it to rest otherwise
        pending = move_copy(copy, CopyState.PENDING, due=now, ready_at=None)
        return FileChange(copies=(pending,), fence_out=True)
    if copy.state is CopyState.DELETING:
        asked = move_copy(copy, CopyState.DELETING, due=now, ready_at=None)
        return FileChange(copies=(asked,), fence_out=True)
    return FileChange(copies=(replace(copy, ready_at=None),))


def is_forgotten(copy: FileCopy) -> bool:
    """Whether a copy is gone for good: neither there nor looked for."""
    return copy.state is CopyState.DELETED and copy.next_check_at is None


def deletion(current: FileState, now: datetime) -> FileChange:
    """Hide a file at once; its copies are removed at their deployments afterwards."""
    if all(map(is_forgotten, current.copies)):
        return FileChange(remove=True)
    deleting = [
        move_copy(copy, CopyState.DELETING, due=now) for copy in current.copies if copy.state not in _GONE
    ]
    hidden = replace(current.file, deleted_at=now)
    return FileChange(file=hidden, copies=tuple(deleting), fence_out=True)


def retraction(current: FileState, now: datetime) -> FileChange:
    """Take back a file that no deployment took; only where a provider may have it is something left to do."""
    gone = [copy for copy in current.copies if copy.started_at is None and copy.provider_file_id is None]
    forgotten = [move_copy(copy, CopyState.DELETED, due=None) for copy in gone]
    left = replace(current, copies=_with(current.copies, forgotten))
    change = deletion(left, now)
    return change if change.remove else replace(change, copies=(*forgotten, *change.copies))


def removal(current: FileState, gone: FileCopy, now: datetime) -> FileChange:
    """Write that a copy is `deleted`; the file's rows go with the last one that anybody has to look at."""
    if all(map(is_forgotten, _with(current.copies, [gone]))):
        return FileChange(remove=True)
    hidden = replace(current.file, deleted_at=current.file.deleted_at or now)
    return FileChange(file=hidden, copies=(gone,))


def _with(copies: Sequence[FileCopy], changed: Iterable[FileCopy]) -> tuple[FileCopy, ...]:
    """The copies, with those that have changed in their places."""
    written = {copy.key: copy for copy in changed}
    return tuple(written.get(copy.key, copy) for copy in copies)
