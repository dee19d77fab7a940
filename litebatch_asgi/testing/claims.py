"""Claims on rows in dicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from msgspec.structs import replace

from litebatch_asgi.claims import is_held
from litebatch_asgi.models import Claim, Content, FileCopy, Job, LineRange, Work
from litebatch_asgi.testing.drafts import Draft
from litebatch_asgi.testing.tables import Tables

K = TypeVar("K", bound=Hashable)
Held = TypeVar("Held", Job, FileCopy, Content, LineRange)
Claimed = TypeVar("Claimed", Job, FileCopy, LineRange)


def claim(
    rows: Iterable[Claimed],
    worker: str,
    *,
    lease_seconds: float,
    room: Mapping[Any, int],
    avoid: Mapping[Any, Collection[str]],
) -> list[Claimed]:
    """The rows that are due and get claimed, as `ClaimStore.claim_jobs` says, with their claims."""
    now = datetime.now(UTC)
    until = now + timedelta(seconds=lease_seconds)
    left = dict(room)
    claimed: list[Claimed] = []
    for row in _in_turns(row for row in rows if is_due(row, now)):
        is_avoided = row.owner in avoid.get(row.deployment_id, ())
        if not is_avoided and left.get(row.deployment_id, 0) > 0:
            left[row.deployment_id] -= 1
            claimed.append(replace(row, claimed_by=worker, claimed_until=until, epoch=row.epoch + 1))
    return sorted(claimed, key=_order)


def is_due(row: Job | FileCopy | Content | LineRange, now: datetime) -> bool:
    """Whether a claim may take it."""
    is_held = row.claimed_until is not None and row.claimed_until > now
    return not is_held and row.next_check_at is not None and row.next_check_at <= now


def _order(row: Job | FileCopy | LineRange) -> tuple[datetime, str]:
    """What goes first: ranges by their ends, others by how long they have been due."""
    if isinstance(row, LineRange):
        return row.expires_at, f"{row.job_id} {row.seq:09}"
    assert row.next_check_at is not None
    return row.next_check_at, row.id if isinstance(row, Job) else f"{row.file_id} {row.shard:09}"


def _in_turns(due: Iterable[Claimed]) -> list[Claimed]:
    """The row of each owner at each deployment that goes first, then the second of each, and so on."""
    turns: dict[tuple[str | None, str], int] = defaultdict(int)
    numbered: list[tuple[int, tuple[datetime, str], Claimed]] = []
    for row in sorted(due, key=_order):
        turns[row.deployment_id, row.owner] += 1
        numbered.append((turns[row.deployment_id, row.owner], _order(row), row))
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


def extend(draft: Draft, rows: dict[K, Held], key: K, claim: Held, until: datetime | None) -> list[Held]:
    """Let a claim run until then, if it is still held; the row as it is written."""
    current = rows.get(key)
    if current is None or not is_held(current, claim):
        return []
    extended = replace(current, claimed_until=until)
    draft.put(rows, key, extended)
    return [extended]


class MemoryClaimStore:
    """A `ClaimStore` that lives as long as its tables do."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def due(self, deployments: Collection[str | None]) -> set[tuple[Work | None, str | None]]:
        """See `ClaimStore.due`."""
        self._tables.check_open()
        now, due = datetime.now(UTC), set[tuple[Work | None, str | None]]()
        due |= {(job.work, job.deployment_id) for job in self._tables.jobs.values() if is_due(job, now)}
        due |= {(None, copy.deployment_id) for copy in self._tables.copies.values() if is_due(copy, now)}
        return {(work, deployment) for work, deployment in due if deployment in deployments}

    async def claim_jobs(
        self,
        worker: str,
        *,
        lease_seconds: float,
        room: Mapping[str | None, int],
        work: Work,
        avoid: Mapping[str | None, Collection[str]] = {},
    ) -> list[Job]:
        """See `ClaimStore.claim_jobs`."""
        jobs = (job for job in self._tables.jobs.values() if job.work is work)
        async with self._tables.write() as draft:
            claimed = claim(jobs, worker, lease_seconds=lease_seconds, room=room, avoid=avoid)
            for job in claimed:
                draft.put(self._tables.jobs, job.id, job)
        return claimed

    async def claim_copies(
        self,
        worker: str,
        *,
        lease_seconds: float,
        room: Mapping[str, int],
        avoid: Mapping[str, Collection[str]] = {},
    ) -> list[FileCopy]:
        """See `ClaimStore.claim_copies`."""
        copies = self._tables.copies.values()
        async with self._tables.write() as draft:
            claimed = claim(copies, worker, lease_seconds=lease_seconds, room=room, avoid=avoid)
            for copy in claimed:
                draft.put(self._tables.copies, copy.key, copy)
        return claimed

    async def renew(self, claims: Sequence[Claim], *, lease_seconds: float) -> list[Claim]:
        """See `ClaimStore.renew`."""
        renewed: list[Claim] = []
        async with self._tables.write() as draft:
            until = datetime.now(UTC) + timedelta(seconds=lease_seconds) if lease_seconds else None
            for held in claims:
                if isinstance(held, Job):
                    renewed += extend(draft, self._tables.jobs, held.id, held, until)
                elif isinstance(held, FileCopy):
                    renewed += extend(draft, self._tables.copies, held.key, held, until)
                elif isinstance(held, Content):
                    renewed += extend(draft, self._tables.contents, held.key, held, until)
                elif isinstance(held, LineRange):
                    renewed += extend(draft, self._tables.line_ranges, held.key, held, until)
        return renewed

    async def postpone(self, jobs: Sequence[Job]) -> None:
        """See `ClaimStore.postpone`."""
        async with self._tables.write() as draft:
            for job in jobs:
                held = extend(draft, self._tables.jobs, job.id, job, None)
                for current in held:
                    later = {name: getattr(job, name) for name in ("refresh_from", "checks")}
                    later["next_check_at"] = current.next_check_at if current.to_cancel else job.next_check_at
                    draft.put(self._tables.jobs, job.id, replace(current, claimed_by=None, **later))

    async def refresh(self, batch_ids: Collection[str]) -> None:
        """See `ClaimStore.refresh`."""
        async with self._tables.write() as draft:
            now = datetime.now(UTC)
            for job in [job for batch_id in batch_ids for job in self._tables.jobs_of(batch_id)]:
                may_come = job.refresh_from is not None and job.refresh_from <= now
                if may_come and job.next_check_at is not None and job.next_check_at > now:
                    draft.put(self._tables.jobs, job.id, replace(job, next_check_at=now))
