"""A storage in memory."""

from __future__ import annotations

import secrets
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Collection,
    Hashable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

import anyio
import anyio.to_thread
from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict, StorageUnavailable
from litebatch_asgi.heartbeats import HeartbeatStore
from litebatch_asgi.models import (
    Batch,
    BatchChange,
    BatchState,
    Charge,
    Claim,
    CreateRequest,
    Event,
    File,
    FileChange,
    FileCopy,
    FileHold,
    FilePart,
    FileState,
    Job,
    JobState,
    Work,
)
from litebatch_asgi.storage import (
    Admission,
    BatchDecision,
    BatchQuery,
    FileDecision,
    FileQuery,
    Installation,
)
from litebatch_asgi.testing.claims import claim, extend, is_due, leased
from litebatch_asgi.testing.drafts import Draft
from litebatch_asgi.testing.heartbeats import MemoryHeartbeatStore
from litebatch_asgi.testing.keys import MemoryKeyStore
from litebatch_asgi.testing.repeats import FileHolds, Repeats, Reservations

Listed = TypeVar("Listed", File, Batch)
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_OPEN_JOBS = frozenset({JobState.WAITING, JobState.SUBMITTING, JobState.UNCLEAR, JobState.SUBMITTED})


class MemoryStorage:
    """A `Storage` that lives as long as the object does: for tests, and for what may be lost.

    Lists and claims look at everything there is, so that it is quick for some thousands of objects. `url` is
    there to be made from `memory://`.
    """

    def __init__(self, url: str = "memory://") -> None:
        self._installation = Installation(id=secrets.token_hex(8), schema_version=1)
        self._is_open = False
        self._turn = anyio.Lock()
        self._files: dict[str, File] = {}
        self._copies: dict[tuple[str, int, str], FileCopy] = {}
        self._parts: dict[tuple[str, int], FilePart] = {}
        self._batches: dict[str, Batch] = {}
        self._jobs: dict[str, Job] = {}
        self._places: dict[tuple[str, int, int], Job] = {}
        self._charges: dict[str, Charge] = {}
        self._charged: dict[str | tuple[str, str], Charge] = {}
        self._events: dict[str, Event] = {}
        self._repeats = Repeats(self._is_accepted)
        self._reservations = Reservations()
        self._file_holds = FileHolds()
        self.keys: MemoryKeyStore = MemoryKeyStore(self._check_open)
        self.heartbeats: HeartbeatStore = MemoryHeartbeatStore(
            lambda: self._opened(self._jobs), lambda: self._opened(self._copies)
        )

    async def open(self) -> Installation:
        """See `Storage.open`."""
        self._is_open = True
        return self._installation

    async def close(self) -> None:
        """See `Storage.close`; what was written is there when the same object is opened again."""
        self._is_open = False

    async def now(self) -> datetime:
        """See `Storage.now`: the process's."""
        self._check_open()
        return datetime.now(UTC)

    async def create_file(
        self,
        file: File,
        copies: Sequence[FileCopy],
        *,
        request: CreateRequest | None = None,
        lease_seconds: float | None = None,
        holds: Sequence[FileHold] = (),
    ) -> FileState:
        """See `Storage.create_file`."""
        async with self._write() as draft:
            earlier = self._repeats.earlier(draft, self._files, request)
            if earlier is None:
                draft.insert(self._files, file.id, file)
                self._file_holds.take(draft, file, holds)
                for copy in leased(copies, lease_seconds):
                    draft.insert(self._copies, copy.key, copy)
        return self._file_state(earlier or file.id)

    def _is_accepted(self, object_id: str, at: datetime) -> bool | None:
        file = self._files.get(object_id)
        if file is None:
            return True if object_id in self._batches else None
        if file.deleted_at is not None or file.is_expired(at):
            return None
        now = datetime.now(UTC)
        claims = [copy.claimed_until for copy in self._copies.values() if copy.file_id == object_id]
        is_under_way = any(until is not None and until > now for until in claims)
        return True if file.accepted_at is not None else (False if is_under_way else None)

    async def get_file(self, file_id: str) -> FileState | None:
        """See `Storage.get_file`."""
        self._check_open()
        return self._file_state(file_id) if file_id in self._files else None

    async def file_parts(self, file_id: str) -> AsyncIterator[FilePart]:
        """See `Storage.file_parts`."""
        self._check_open()
        parts = [part for part in self._parts.values() if part.file_id == file_id]
        for part in sorted(parts, key=lambda part: part.seq):
            yield part

    async def list_files(self, query: FileQuery) -> list[File]:
        """See `Storage.list_files`."""
        self._check_open()
        found = [
            file
            for file in self._files.values()
            if file.accepted_at is not None
            and file.deleted_at is None
            and file.is_expired(query.now) == query.expired
            and query.owner in (None, file.owner)
            and query.purpose in (None, file.purpose)
            and (not query.models or set(query.models) & set(file.models))
        ]
        if query.expired:
            return _page(found, after=query.after, limit=query.limit, descending=False, order=_end)
        return _page(found, after=query.after, limit=query.limit, descending=query.descending)

    async def change_file(self, file_id: str, decide: FileDecision) -> FileState:
        """See `Storage.change_file`."""
        async with self._write() as draft:
            state = self._file_state(file_id)
            change = decide(state)
            if change is None:
                return state
            if change.remove:
                draft.remove(self._files, lambda file: file.id == file_id)
                draft.remove(self._copies, lambda copy: copy.file_id == file_id)
                draft.remove(self._parts, lambda part: part.file_id == file_id)
                self._file_holds.give_back(draft, file_id)
                return replace(state, copies=())
            self._write_file(draft, change)
        return self._file_state(file_id)

    def _write_file(self, draft: Draft, change: FileChange) -> None:
        if change.file is not None:
            draft.put(self._files, change.file.id, change.file)
            if change.file.deleted_at is not None:
                self._file_holds.give_back(draft, change.file.id)
        for copy in leased(change.copies, change.lease_seconds):
            written = replace(copy, epoch=copy.epoch + 1) if change.fence_out else copy
            if copy.key not in self._copies and copy.epoch == 0:
                draft.insert(self._copies, copy.key, written)
            else:
                draft.put_fenced(self._copies, copy.key, written, held_epoch=copy.epoch)

    async def create_batch(
        self, file_id: str, admit: Admission, *, request: CreateRequest | None = None
    ) -> BatchState:
        """See `Storage.create_batch`."""
        async with self._write() as draft:
            batch_id = self._repeats.earlier(draft, self._batches, request)
            if batch_id is None:
                change = admit(self._file_state(file_id))
                batch_id = change.batch.id
                draft.insert(self._batches, batch_id, change.batch)
                self._reservations.reserve(draft, change.batch, change.reservations)
                await self._insert_around(draft, change)
        return self._batch_state(batch_id)

    async def get_batch(self, batch_id: str) -> Batch | None:
        """See `Storage.get_batch`."""
        self._check_open()
        return self._batches.get(batch_id)

    async def get_batch_state(self, batch_id: str) -> BatchState | None:
        """See `Storage.get_batch_state`."""
        self._check_open()
        return self._batch_state(batch_id) if batch_id in self._batches else None

    async def list_batches(self, query: BatchQuery) -> list[Batch]:
        """See `Storage.list_batches`."""
        self._check_open()
        found = [
            batch
            for batch in self._batches.values()
            if query.owner in (None, batch.owner) and (not query.models or batch.model in query.models)
        ]
        return _page(found, after=query.after, limit=query.limit, descending=True)

    async def change_batch(self, batch_id: str, decide: BatchDecision) -> BatchState:
        """See `Storage.change_batch`."""
        async with self._write() as draft:
            state = self._batch_state(batch_id)
            change = decide(state)
            if change is None:
                return state
            draft.put(self._batches, change.batch.id, change.batch)
            self._reservations.release(draft, change.batch)
            for job in leased(change.jobs, change.lease_seconds):
                draft.put_fenced(self._jobs, job.id, job, held_epoch=job.epoch)
            for job in change.removed_jobs:
                place = (batch_id, job.shard, job.attempt)
                if self._places.get(place, job).id != job.id or job.batch_id != batch_id:
                    raise StateConflict(f"{job.id} is not there")
                draft.remove_fenced(self._jobs, job.id, held_epoch=job.epoch)
                draft.remove_key(self._places, place)
            await self._insert_around(draft, change)
        return self._batch_state(batch_id)

    async def _insert_around(self, draft: Draft, change: BatchChange) -> None:
        for job in leased(change.new_jobs, change.lease_seconds):
            draft.insert(self._jobs, job.id, job)
            draft.insert(self._places, (job.batch_id, job.shard, job.attempt), job)
        for file in change.files:
            draft.insert(self._files, file.id, file)
        for copy in leased(change.copies, change.lease_seconds):
            draft.insert(self._copies, copy.key, copy)
        for part in await _in_thread(change.parts):
            draft.insert(self._parts, (part.file_id, part.seq), part)
        for charge in change.charges:
            draft.insert(self._charges, charge.id, charge)
            draft.insert(self._charged, charge.corrects or (charge.job_id, charge.model), charge)
        for event in change.events:
            draft.insert(self._events, event.id, event)

    async def refresh_batches(self, batch_ids: Collection[str]) -> None:
        """See `Storage.refresh_batches`."""
        async with self._write() as draft:
            now = datetime.now(UTC)
            for job in [job for batch_id in batch_ids for job in self._jobs_of(batch_id)]:
                may_come = job.refresh_from is not None and job.refresh_from <= now
                if may_come and job.next_check_at is not None and job.next_check_at > now:
                    draft.put(self._jobs, job.id, replace(job, next_check_at=now))

    async def due_work(self, deployments: Collection[str | None]) -> set[tuple[Work | None, str | None]]:
        """See `Storage.due_work`."""
        self._check_open()
        now, due = datetime.now(UTC), set[tuple[Work | None, str | None]]()
        due |= {(job.work, job.deployment_id) for job in self._jobs.values() if is_due(job, now)}
        due |= {(None, copy.deployment_id) for copy in self._copies.values() if is_due(copy, now)}
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
        """See `Storage.claim_jobs`."""
        jobs = (job for job in self._jobs.values() if job.work is work)
        async with self._write() as draft:
            claimed = claim(jobs, worker, lease_seconds=lease_seconds, room=room, avoid=avoid)
            for job in claimed:
                draft.put(self._jobs, job.id, job)
        return claimed

    async def claim_copies(
        self,
        worker: str,
        *,
        lease_seconds: float,
        room: Mapping[str, int],
        avoid: Mapping[str, Collection[str]] = {},
    ) -> list[FileCopy]:
        """See `Storage.claim_copies`."""
        copies = self._copies.values()
        async with self._write() as draft:
            claimed = claim(copies, worker, lease_seconds=lease_seconds, room=room, avoid=avoid)
            for copy in claimed:
                draft.put(self._copies, copy.key, copy)
        return claimed

    async def renew(self, claims: Sequence[Claim], *, lease_seconds: float) -> list[Claim]:
        """See `Storage.renew`."""
        renewed: list[Claim] = []
        async with self._write() as draft:
            until = datetime.now(UTC) + timedelta(seconds=lease_seconds) if lease_seconds else None
            for held in claims:
                if isinstance(held, Job):
                    renewed += extend(draft, self._jobs, held.id, held, until)
                elif isinstance(held, FileCopy):
                    renewed += extend(draft, self._copies, held.key, held, until)
        return renewed

    async def postpone_jobs(self, jobs: Sequence[Job]) -> None:
        """See `Storage.postpone_jobs`."""
        async with self._write() as draft:
            for job in jobs:
                held = extend(draft, self._jobs, job.id, job, None)
                for current in held:
                    later = {name: getattr(job, name) for name in ("next_check_at", "refresh_from", "checks")}
                    draft.put(self._jobs, job.id, replace(current, claimed_by=None, **later))

    async def open_requests(self) -> dict[str, int]:
        """See `Storage.open_requests`."""
        self._check_open()
        requests: dict[str, int] = {}
        for job in self._jobs.values():
            if job.state in _OPEN_JOBS and job.deployment_id is not None:
                requests[job.deployment_id] = requests.get(job.deployment_id, 0) + job.requests
        return requests

    async def list_events(self, *, after: str | None = None, limit: int = 100) -> list[Event]:
        """See `Storage.list_events`."""
        self._check_open()
        ids = sorted(event_id for event_id in self._events if after is None or event_id > after)
        return [self._events[event_id] for event_id in ids[:limit]]

    @asynccontextmanager
    async def _write(self) -> AsyncGenerator[Draft]:
        """All writing takes turns; what a draft holds is written at the end of the block, or not at all."""
        async with self._turn:
            self._check_open()
            draft = Draft()
            yield draft
            draft.write()

    def _opened(self, rows: dict[K, V]) -> Iterable[V]:
        self._check_open()
        return rows.values()

    def _check_open(self) -> None:
        if not self._is_open:
            raise StorageUnavailable("The storage is not open.")

    def _file_state(self, file_id: str) -> FileState:
        if file_id not in self._files:
            raise StateConflict(f"file {file_id} is not there")
        copies = sorted(
            (copy for copy in self._copies.values() if copy.file_id == file_id), key=lambda copy: copy.key
        )
        readers = [batch for batch in self._batches.values() if batch.input_file_id == file_id]
        return FileState(
            file=self._files[file_id],
            copies=tuple(copies),
            open_batches=sum(not batch.status.is_final for batch in readers),
        )

    def _batch_state(self, batch_id: str) -> BatchState:
        if batch_id not in self._batches:
            raise StateConflict(f"batch {batch_id} is not there")
        jobs = sorted(self._jobs_of(batch_id), key=lambda job: (job.shard, job.attempt))
        return BatchState(batch=self._batches[batch_id], jobs=tuple(jobs))

    def _jobs_of(self, batch_id: str) -> list[Job]:
        return [job for job in self._jobs.values() if job.batch_id == batch_id]


def _age(item: File | Batch) -> tuple[datetime, str]:
    return item.created_at, item.id


def _end(file: File | Batch) -> tuple[datetime, str]:
    return file.expires_at or datetime.max.replace(tzinfo=UTC), file.id


def _page(
    found: list[Listed],
    *,
    after: Listed | None,
    limit: int,
    descending: bool,
    order: Callable[[File | Batch], tuple[datetime, str]] = _age,
) -> list[Listed]:
    found.sort(key=order, reverse=descending)
    if after is not None:
        last = order(after)
        found = [item for item in found if (order(item) < last if descending else order(item) > last)]
    return found[:limit]


async def _in_thread(parts: Iterable[FilePart]) -> Iterable[FilePart]:
    """The parts, read where they may block."""
    if isinstance(parts, (tuple, list)):
        return cast("Sequence[FilePart]", parts)
    return await anyio.to_thread.run_sync(list, parts)
