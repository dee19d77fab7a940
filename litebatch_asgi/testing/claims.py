"""Claims on rows in dicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from msgspec.structs import replace

from litebatch_asgi.models import FileCopy, Job
from litebatch_asgi.testing.drafts import Draft

K = TypeVar("K", bound=Hashable)
Claimed = TypeVar("Claimed", Job, FileCopy)


def claim(
    rows: Iterable[Claimed],
    worker: str,
    *,
    lease_seconds: float,
    room: Mapping[Any, int],
    avoid: Mapping[Any, Collection[str]],
) -> list[Claimed]:
    """The rows that are due and get claimed, as `Storage.claim_jobs` says, with their claims."""
    now = datetime.now(UTC)
    until = now + timedelta(seconds=lease_seconds)
    left = dict(room)
    claimed: list[Claimed] = []
    for row in _in_turns(row for row in rows if is_due(row, now)):
        is_avoided = row.owner in avoid.get(row.deployment_id, ())
        if not is_avoided and left.get(row.deployment_id, 0) > 0:
            left[row.deployment_id] -= 1
            claimed.append(replace(row, claimed_by=worker, claimed_until=until, epoch=row.epoch + 1))
    return sorted(claimed, key=_due_at)


def is_due(row: Job | FileCopy, now: datetime) -> bool:
    """Whether a claim may take it."""
    is_held = row.claimed_until is not None and row.claimed_until > now
    return not is_held and row.next_check_at is not None and row.next_check_at <= now


def _due_at(row: Job | FileCopy) -> tuple[datetime, str]:
    assert row.next_check_at is not None
    return row.next_check_at, row.id if isinstance(row, Job) else f"{row.file_id} {row.shard:09}"


def _in_turns(due: Iterable[Claimed]) -> list[Claimed]:
    """The longest due row of each owner at each deployment, then the second of each, and so on."""
    turns: dict[tuple[str | None, str], int] = defaultdict(int)
    numbered: list[tuple[int, tuple[datetime, str], Claimed]] = []
    for row in sorted(due, key=_due_at):
        turns[row.deployment_id, row.owner] += 1
        numbered.append((turns[row.deployment_id, row.owner], _due_at(row), row))
    return [row for *_, row in sorted(numbered, key=lambda each: each[:2])]


def leased(rows: Sequence[Claimed], seconds: float | None) -> list[Claimed]:
    """The rows, with an end for the claims that have none."""
    if seconds is None:
        return list(rows)
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    return [
        replace(row, claimed_until=until) if row.claimed_by and row.claimed_until is None else row
        for row in rows
    ]


def extend(
    draft: Draft, rows: dict[K, Claimed], key: K, claim: Claimed, until: datetime | None
) -> list[Claimed]:
    """Let a claim run until then, if it is still held; the row as it is written."""
    current = rows.get(key)
    if current is None or claim.claimed_by is None:
        return []
    if (current.epoch, current.claimed_by) != (claim.epoch, claim.claimed_by):
        return []
    extended = replace(current, claimed_until=until)
    draft.put(rows, key, extended)
    return [extended]
