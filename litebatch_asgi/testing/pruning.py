"""Pruning in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from litebatch_asgi.models import Batch, File, JobState
from litebatch_asgi.pruning import Place, Pruned
from litebatch_asgi.testing.drafts import Draft
from litebatch_asgi.testing.repeats import Repeats, Reservations
from litebatch_asgi.testing.tables import Tables

R = TypeVar("R", Batch, File)

_NEVER = datetime.max.replace(tzinfo=UTC)


class MemoryPruningStore:
    """A `PruningStore` on a storage in memory."""

    def __init__(self, tables: Tables, repeats: Repeats, reservations: Reservations) -> None:
        self._tables = tables
        self._reservations = reservations
        self._repeats = repeats

    async def ended_batches(self, before: datetime, *, after: Place | None, limit: int) -> Pruned:
        """See `PruningStore.ended_batches`."""
        async with self._tables.write() as draft:
            batches = (batch for batch in self._tables.batches.values() if batch.created_at < before)
            old = _in_order(((batch.created_at, batch) for batch in batches), after, limit)
            removed = sum(self._prune(draft, batch, before) for _, batch in old)
        return _pruned(removed, old, limit)

    def _prune(self, draft: Draft, batch: Batch, before: datetime) -> bool:
        """Remove what may go of a batch; whether that is all of it."""
        tables, jobs = self._tables, self._tables.jobs_of(batch.id)
        ends = (batch.completed_at, batch.failed_at, batch.expired_at, batch.cancelled_at)
        ended_at = next((end for end in ends if end is not None), _NEVER)
        is_waited_for = any(job.next_check_at is not None for job in jobs)
        if not batch.status.is_final or ended_at >= before or is_waited_for or tables.is_untold(batch.id):
            return False
        results = (file for file in tables.files.values() if file.batch_id == batch.id)
        if any(file.deleted_at is None for file in results):
            for job in jobs:
                if job.state is JobState.SETTLED:
                    draft.put(tables.jobs, job.id, replace(job, snapshot=None))
            return False
        draft.remove_key(tables.batches, batch.id)
        draft.remove(tables.jobs, lambda job: job.batch_id == batch.id)
        draft.remove(tables.shards, lambda shard: shard.batch_id == batch.id)
        draft.remove(tables.places, lambda job: job.batch_id == batch.id)
        tables.remove_events(draft, batch.id)
        return True

    async def deleted_files(self, before: datetime, *, after: Place | None, limit: int) -> Pruned:
        """See `PruningStore.deleted_files`."""
        async with self._tables.write() as draft:
            files = ((file.deleted_at or _NEVER, file) for file in self._tables.files.values())
            old = _in_order((each for each in files if each[0] < before), after, limit)
            gone = [file.id for _, file in old if not self._is_needed(file)]
            for file_id in gone:
                self._tables.remove_file(draft, file_id)
        return _pruned(len(gone), old, limit)

    def _is_needed(self, file: File) -> bool:
        state = self._tables.file_state(file.id)
        is_looked_at = any(copy.next_check_at is not None for copy in state.copies)
        return state.open_batches > 0 or is_looked_at or self._tables.is_untold(file.id)

    async def idempotency_keys(self, before: datetime, *, limit: int) -> int:
        """See `PruningStore.idempotency_keys`."""
        async with self._tables.write() as draft:
            return self._repeats.forget(draft, before, limit)

    async def operator_events(self, before: datetime, *, limit: int) -> int:
        """See `PruningStore.operator_events`."""
        tables = self._tables
        async with tables.write() as draft:
            events = [each for each in tables.events.values() if each.owner is None and each.batch_id is None]
            told = [each for each in events if not tables.is_untold(each.subject, each.id)]
            old = sorted((each.created_at, each.id) for each in told if each.created_at < before)[:limit]
            for _, event_id in old:
                draft.remove_key(tables.events, event_id)
                draft.remove_keys(tables.deliveries, partial(_is_of, event_id))
            over = [key for key, each in tables.told.items() if (each.until or _NEVER) < before][:limit]
            for key in over:
                draft.remove_key(tables.told, key)
            budgets = [key for key in tables.budgets if self._is_idle(key[0], before)][:limit]
            for key in budgets:
                draft.remove_key(tables.budgets, key)
        return max(len(old), len(over), len(budgets))

    def _is_idle(self, scope: str, before: datetime) -> bool:
        return self._tables.budgets_seen[scope] < before and not self._reservations.held(scope).batches


def _is_of(event_id: str, key: tuple[str, str]) -> bool:
    return key[0] == event_id


def _in_order(
    rows: Iterable[tuple[datetime, R]], after: Place | None, limit: int
) -> list[tuple[datetime, R]]:
    """The next rows behind a place, by their times and ids."""
    last = (after.at, after.id) if after is not None else None
    behind = [(at, row) for at, row in rows if last is None or (at, row.id) > last]
    return sorted(behind, key=lambda each: (each[0], each[1].id))[:limit]


def _pruned(removed: int, looked_at: Sequence[tuple[datetime, Batch | File]], limit: int) -> Pruned:
    if len(looked_at) < limit:
        return Pruned(removed=removed, after=None)
    at, row = looked_at[-1]
    return Pruned(removed=removed, after=Place(at=at, id=row.id))
