"""A storage in memory."""

from __future__ import annotations

import secrets
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Hashable,
    Iterable,
    Sequence,
)
from datetime import UTC, datetime
from typing import TypeVar, cast

import anyio
import anyio.to_thread
from msgspec.structs import replace

from litebatch_asgi.claims import ClaimStore
from litebatch_asgi.contents import ContentRows
from litebatch_asgi.errors import StateConflict
from litebatch_asgi.figures import FigureStore
from litebatch_asgi.heartbeats import HeartbeatStore
from litebatch_asgi.jobs import JobStore
from litebatch_asgi.ledger import Ledger
from litebatch_asgi.lines import LineStore
from litebatch_asgi.models import (
    Batch,
    BatchChange,
    BatchState,
    Charge,
    CreateRequest,
    Event,
    File,
    FileChange,
    FileCopy,
    FileHold,
    FilePart,
    FileState,
    JobState,
    Shard,
)
from litebatch_asgi.models.patterns import is_wanted
from litebatch_asgi.models.sums import with_charges
from litebatch_asgi.outbox import Outbox
from litebatch_asgi.pruning import PruningStore
from litebatch_asgi.quotas import QuotaStore
from litebatch_asgi.search import SearchStore
from litebatch_asgi.sessions import SessionStore
from litebatch_asgi.shards import ShardStore
from litebatch_asgi.storage import (
    Admission,
    BatchDecision,
    BatchQuery,
    FileDecision,
    FileQuery,
    Installation,
)
from litebatch_asgi.testing.budgets import MemoryBudgets
from litebatch_asgi.testing.claims import MemoryClaimStore, leased
from litebatch_asgi.testing.contents import MemoryContentRows
from litebatch_asgi.testing.drafts import Draft
from litebatch_asgi.testing.figures import MemoryFigureStore
from litebatch_asgi.testing.heartbeats import MemoryHeartbeatStore
from litebatch_asgi.testing.jobs import MemoryJobStore
from litebatch_asgi.testing.keys import MemoryKeyStore
from litebatch_asgi.testing.ledger import MemoryLedger
from litebatch_asgi.testing.lines import MemoryLineStore
from litebatch_asgi.testing.outbox import MemoryOutbox
from litebatch_asgi.testing.pruning import MemoryPruningStore
from litebatch_asgi.testing.quotas import MemoryQuotaStore
from litebatch_asgi.testing.repeats import FileHolds, Repeats, Reservations
from litebatch_asgi.testing.search import MemorySearchStore
from litebatch_asgi.testing.sessions import MemorySessionStore
from litebatch_asgi.testing.shards import MemoryShardStore
from litebatch_asgi.testing.tables import OPEN_JOBS, Tables
from litebatch_asgi.testing.uploads import MemoryUploadStore, made_of_upload
from litebatch_asgi.testing.webhook_queue import MemoryWebhookQueue
from litebatch_asgi.testing.webhooks import MemoryWebhookEndpointStore
from litebatch_asgi.uploads import UploadStore
from litebatch_asgi.webhooks.endpoints import WebhookEndpointStore
from litebatch_asgi.webhooks.queue import WebhookQueue

Listed = TypeVar("Listed", File, Batch)
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_UNANSWERED = frozenset({JobState.SUBMITTING, JobState.UNCLEAR})


class MemoryStorage:
    """A `Storage` that lives as long as the object does: for tests, and for what may be lost.

    Lists and claims look at everything there is, so that it is quick for some thousands of objects. `url` is
    there to be made from `memory://`.
    """

    def __init__(self, url: str = "memory://") -> None:
        self._installation = Installation(id=secrets.token_hex(8), schema_version=1)
        self._tables = Tables()
        self._repeats = Repeats(self._tables.is_accepted)
        self._reservations = Reservations(self._tables.spent)
        self._file_holds = FileHolds()
        self.keys: MemoryKeyStore = MemoryKeyStore(self._tables.check_open, self._tables.endpoints)
        self.claims: ClaimStore = MemoryClaimStore(self._tables)
        self._outbox = MemoryOutbox(self._tables)
        self.outbox: Outbox = self._outbox
        self._budgets = MemoryBudgets(self._tables, self._outbox)
        self.ledger: Ledger = MemoryLedger(self._tables, self._reservations, self._budgets)
        self.heartbeats: HeartbeatStore = MemoryHeartbeatStore(
            lambda: self._opened(self._tables.jobs), lambda: self._opened(self._tables.copies)
        )
        self.figures: FigureStore = MemoryFigureStore(self._tables, self._outbox.sinks)
        self.pruning: PruningStore = MemoryPruningStore(self._tables, self._repeats, self._reservations)
        self.lines: LineStore = MemoryLineStore(self._tables)
        self.shards: ShardStore = MemoryShardStore(self._tables)
        self.jobs: JobStore = MemoryJobStore(self._tables)
        self.quotas: QuotaStore = MemoryQuotaStore(self._tables)
        self.sessions: SessionStore = MemorySessionStore(self._tables)
        self.search: SearchStore = MemorySearchStore(self._tables)
        self.contents: ContentRows = MemoryContentRows(self._tables)
        self.uploads: UploadStore = MemoryUploadStore(self._tables)
        self.webhook_endpoints: WebhookEndpointStore = MemoryWebhookEndpointStore(self._tables)
        self.webhook_queue: WebhookQueue = MemoryWebhookQueue(self._tables)

    async def open(self) -> Installation:
        """See `Storage.open`."""
        self._tables.is_open = True
        return self._installation

    async def close(self) -> None:
        """See `Storage.close`; what was written is there when the same object is opened again."""
        self._tables.is_open = False

    async def now(self) -> datetime:
        """See `Storage.now`: the process's."""
        self._tables.check_open()
        return datetime.now(UTC)

    async def create_file(
        self,
        file: File,
        copies: Sequence[FileCopy],
        *,
        shards: Sequence[Shard] = (),
        request: CreateRequest | None = None,
        lease_seconds: float | None = None,
        holds: Sequence[FileHold] = (),
    ) -> FileState:
        """See `Storage.create_file`."""
        async with self._tables.write() as draft:
            if request is not None and request.upload_id is not None:
                earlier = made_of_upload(self._tables, draft, request)
            else:
                earlier = self._repeats.earlier(draft, self._tables.files, request)
            if earlier is None:
                draft.insert(self._tables.files, file.id, file)
                self._file_holds.take(draft, file, holds)
                for shard in shards:
                    draft.insert(self._tables.shards, (shard.file_id, shard.shard), shard)
                for copy in leased(copies, lease_seconds):
                    draft.insert(self._tables.copies, copy.key, copy)
        return self._tables.file_state(earlier or file.id)

    async def get_file(self, file_id: str) -> FileState | None:
        """See `Storage.get_file`."""
        self._tables.check_open()
        return self._tables.file_state(file_id) if file_id in self._tables.files else None

    async def file_parts(self, file_id: str) -> AsyncIterator[FilePart]:
        """See `Storage.file_parts`."""
        self._tables.check_open()
        parts = [part for part in self._tables.parts.values() if part.file_id == file_id]
        for part in sorted(parts, key=lambda part: (part.place, part.seq)):
            yield part

    async def list_files(self, query: FileQuery) -> list[File]:
        """See `Storage.list_files`."""
        self._tables.check_open()
        found = [
            file
            for file in self._tables.files.values()
            if file.accepted_at is not None
            and file.deleted_at is None
            and file.is_expired(query.now) == query.expired
            and query.owner in (None, file.owner)
            and query.purpose in (None, file.purpose)
            and (not query.models or set(query.models) & set(file.models))
            and (not query.patterns or any(is_wanted(query.patterns, model) for model in file.models))
        ]
        if query.expired:
            return _page(found, after=query.after, limit=query.limit, descending=False, order=_end)
        return _page(found, after=query.after, limit=query.limit, descending=query.descending)

    async def change_file(self, file_id: str, decide: FileDecision) -> FileState:
        """See `Storage.change_file`."""
        async with self._tables.write() as draft:
            state = self._tables.file_state(file_id)
            change = decide(state)
            if change is None:
                return state
            if change.remove:
                self._tables.remove_file(draft, file_id)
                self._file_holds.give_back(draft, file_id)
                return replace(state, copies=())
            self._write_file(draft, change)
            if (change.file or state.file).deleted_at is not None and not state.open_batches:
                self._tables.release_contents(draft, file_id)
                self._tables.remove_stored_parts(draft, file_id)
        return self._tables.file_state(file_id)

    def _write_file(self, draft: Draft, change: FileChange) -> None:
        if change.file is not None:
            draft.put(self._tables.files, change.file.id, change.file)
            if change.file.deleted_at is not None:
                self._file_holds.give_back(draft, change.file.id)
        for copy in leased(change.copies, change.lease_seconds):
            written = replace(copy, epoch=copy.epoch + 1) if change.fence_out else copy
            if copy.key not in self._tables.copies and copy.epoch == 0:
                draft.insert(self._tables.copies, copy.key, written)
            else:
                draft.put_fenced(self._tables.copies, copy.key, written, held_epoch=copy.epoch)
        for part in change.parts:
            self._tables.insert_part(draft, part)
        self._outbox.write(draft, change.events)

    async def create_batch(
        self, file_id: str, admit: Admission, *, request: CreateRequest | None = None
    ) -> BatchState:
        """See `Storage.create_batch`."""
        async with self._tables.write() as draft:
            batch_id = self._repeats.earlier(draft, self._tables.batches, request)
            if batch_id is None:
                change = admit(self._tables.file_state(file_id))
                batch_id = change.batch.id
                draft.insert(self._tables.batches, batch_id, self._with_cost(change.batch, change))
                self._reservations.reserve(draft, change.batch, change.reservations)
                await self._insert_around(draft, change)
                self._budgets.write(draft, change.charges, change.reservations)
        return self._tables.batch_state(batch_id)

    async def get_batch(self, batch_id: str) -> Batch | None:
        """See `Storage.get_batch`."""
        self._tables.check_open()
        return self._tables.batches.get(batch_id)

    async def get_batch_state(self, batch_id: str) -> BatchState | None:
        """See `Storage.get_batch_state`."""
        self._tables.check_open()
        return self._tables.batch_state(batch_id) if batch_id in self._tables.batches else None

    async def list_batches(self, query: BatchQuery) -> list[Batch]:
        """See `Storage.list_batches`."""
        self._tables.check_open()
        found = [
            batch
            for batch in self._tables.batches.values()
            if query.owner in (None, batch.owner) and (not query.models or batch.model in query.models)
            if not query.patterns or is_wanted(query.patterns, batch.model)
        ]
        return _page(found, after=query.after, limit=query.limit, descending=True)

    async def change_batch(self, batch_id: str, decide: BatchDecision) -> BatchState:
        """See `Storage.change_batch`."""
        async with self._tables.write() as draft:
            charges = await self._change_batch(draft, self._tables.batch_state(batch_id), decide)
            self._budgets.write(draft, charges)
        return self._tables.batch_state(batch_id)

    async def change_batches(self, batch_ids: Collection[str], decide: BatchDecision) -> None:
        """See `Storage.change_batches`."""
        async with self._tables.write() as draft:
            charges: list[Charge] = []
            for batch_id in set(batch_ids) & self._tables.batches.keys():
                charges += await self._change_batch(draft, self._tables.batch_state(batch_id), decide)
            self._budgets.write(draft, charges)

    async def _change_batch(self, draft: Draft, state: BatchState, decide: BatchDecision) -> Sequence[Charge]:
        change = decide(state)
        if change is None:
            return ()
        draft.put(self._tables.batches, change.batch.id, self._with_cost(state.batch, change))
        self._reservations.release(draft, change.batch, change.settled_requests)
        for job in leased(change.jobs, change.lease_seconds):
            draft.put_fenced(self._tables.jobs, job.id, job, held_epoch=job.epoch)
        for job in change.removed_jobs:
            place = (state.batch.id, job.shard, job.attempt)
            if self._tables.places.get(place, job).id != job.id or job.batch_id != state.batch.id:
                raise StateConflict(f"{job.id} is not there")
            draft.remove_fenced(self._tables.jobs, job.id, held_epoch=job.epoch)
            draft.remove_key(self._tables.places, place)
        await self._insert_around(draft, change)
        return change.charges

    def _with_cost(self, before: Batch, change: BatchChange) -> Batch:
        if change.charges:
            return with_charges(change.batch, [*self._tables.charges_of(before.id), *change.charges])
        return replace(change.batch, cost=before.cost, unpriced_requests=before.unpriced_requests)

    async def _insert_around(self, draft: Draft, change: BatchChange) -> None:
        for job in leased(change.new_jobs, change.lease_seconds):
            draft.insert(self._tables.jobs, job.id, job)
            draft.insert(self._tables.places, (job.batch_id, job.shard, job.attempt), job)
        for shard in change.new_shards:
            draft.insert(self._tables.shards, (shard.file_id, shard.shard), shard)
        copies = leased(change.copies, change.lease_seconds)
        known = self._tables.write_results(draft, change.batch.id, change.files, copies)
        for line_range in change.line_ranges:
            draft.insert(self._tables.line_ranges, line_range.key, line_range)
        for part in await _in_thread(change.parts):
            if part.file_id in known:
                self._tables.insert_behind(draft, part)
            else:
                self._tables.insert_part(draft, part)
        for charge in change.charges:
            self._tables.insert_charge(draft, charge)
        self._outbox.write(draft, change.events)

    async def open_requests(self) -> dict[str, int]:
        """See `Storage.open_requests`."""
        self._tables.check_open()
        requests: dict[str, int] = {}
        for job in self._tables.jobs.values():
            if job.state in OPEN_JOBS and job.deployment_id is not None:
                requests[job.deployment_id] = requests.get(job.deployment_id, 0) + job.requests
        return requests

    async def known_provider_batches(
        self, deployment_id: str, provider_batch_ids: Collection[str]
    ) -> frozenset[str]:
        """See `Storage.known_provider_batches`."""
        self._tables.check_open()
        jobs = [job for job in self._tables.jobs.values() if job.deployment_id == deployment_id]
        return frozenset(provider_batch_ids) & {job.provider_batch_id for job in jobs}

    async def unanswered_jobs(
        self, deployment_id: str, requests: int, *, with_waiting: bool = False
    ) -> frozenset[str]:
        """See `Storage.unanswered_jobs`."""
        self._tables.check_open()
        jobs = [job for job in self._tables.jobs.values() if job.requests == requests]
        there = [job for job in jobs if job.deployment_id == deployment_id and job.provider_batch_id is None]
        found = {
            job.id
            for job in there
            if job.state in _UNANSWERED or (job.state is JobState.WATCHED and job.next_check_at is not None)
        }
        if with_waiting:
            found |= {job.id for job in jobs if job.state is JobState.WAITING and job.deployment_id is None}
        return frozenset(found)

    async def list_events(self, *, after: str | None = None, limit: int = 100) -> list[Event]:
        """See `Storage.list_events`."""
        self._tables.check_open()
        ids = sorted(event_id for event_id in self._tables.events if after is None or event_id > after)
        return [self._tables.events[event_id] for event_id in ids[:limit]]

    def _opened(self, rows: dict[K, V]) -> Iterable[V]:
        self._tables.check_open()
        return rows.values()


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
