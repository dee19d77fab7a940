"""The rows of a storage in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import anyio
from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict, StorageUnavailable
from litebatch_asgi.models import (
    Batch,
    BatchState,
    Charge,
    Content,
    ContentState,
    Delivery,
    DeliveryState,
    Event,
    File,
    FileCopy,
    FilePart,
    FileState,
    Job,
    JobState,
    LineRange,
    LineResult,
    PartKind,
    Shard,
    Upload,
    UploadPart,
    WebhookEndpoint,
)
from litebatch_asgi.models.budgets import ScopeBudget
from litebatch_asgi.models.money import total
from litebatch_asgi.models.sums import put_on_budgets
from litebatch_asgi.models.tellings import Told
from litebatch_asgi.testing.drafts import Draft

OPEN_JOBS = frozenset({JobState.WAITING, JobState.SUBMITTING, JobState.UNCLEAR, JobState.SUBMITTED})
"""states in which a job counts at its deployment"""


class Tables:
    """Dicts of rows by their keys, and turns at writing them."""

    def __init__(self) -> None:
        self.is_open: bool = False
        self.files: dict[str, File] = {}
        self.shards: dict[tuple[str, int], Shard] = {}
        self.copies: dict[tuple[str, int, str], FileCopy] = {}
        self.parts: dict[tuple[str, int], FilePart] = {}
        self.batches: dict[str, Batch] = {}
        self.jobs: dict[str, Job] = {}
        self.places: dict[tuple[str, int, int], Job] = {}
        self.charges: dict[str, Charge] = {}
        self.charged: dict[str | tuple[str, str], Charge] = {}
        self.events: dict[str, Event] = {}
        self.deliveries: dict[tuple[str, str], Delivery] = {}
        self.told: dict[tuple[str, str], Told] = {}
        self.budgets: dict[tuple[str, str], ScopeBudget] = {}
        self.budgets_seen: dict[str, datetime] = {}
        self.endpoints: dict[str, WebhookEndpoint] = {}
        self.contents: dict[str, Content] = {}
        self.chunks: dict[tuple[str, int], bytes] = {}
        self.line_ranges: dict[tuple[str, int], LineRange] = {}
        self.line_results: dict[tuple[str, int], LineResult] = {}
        self.line_alone: dict[str, tuple[str, datetime]] = {}
        self.uploads: dict[str, Upload] = {}
        self.upload_parts: dict[str, UploadPart] = {}
        self._turn = anyio.Lock()

    def check_open(self) -> None:
        """Raises `StorageUnavailable` while the storage is closed."""
        if not self.is_open:
            raise StorageUnavailable("The storage is not open.")

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[Draft]:
        """All writing takes turns; what a draft holds is written at the end of the block, or not at all."""
        async with self._turn:
            self.check_open()
            draft = Draft()
            yield draft
            draft.write()

    def file_state(self, file_id: str) -> FileState:
        """Raises `StateConflict` if the file is not there."""
        if file_id not in self.files:
            raise StateConflict(f"file {file_id} is not there")
        copies = (copy for copy in self.copies.values() if copy.file_id == file_id)
        readers = [batch for batch in self.batches.values() if batch.input_file_id == file_id]
        return FileState(
            file=self.files[file_id],
            copies=tuple(sorted(copies, key=lambda copy: copy.key)),
            open_batches=sum(not batch.status.is_final for batch in readers),
            shards=tuple(self.tiles_of(file_id)),
        )

    def tiles_of(self, file_id: str) -> list[Shard]:
        """The tiles of a file, in order."""
        tiles = (shard for shard in self.shards.values() if shard.file_id == file_id and shard.is_tile)
        return sorted(tiles, key=lambda tile: tile.shard)

    def batch_state(self, batch_id: str) -> BatchState:
        """Raises `StateConflict` if the batch is not there."""
        if batch_id not in self.batches:
            raise StateConflict(f"batch {batch_id} is not there")
        jobs = sorted(self.jobs_of(batch_id), key=lambda job: (job.shard, job.attempt))
        results = tuple(self.results_of(batch_id))
        return BatchState(batch=self.batches[batch_id], jobs=tuple(jobs), results=results)

    def results_of(self, batch_id: str) -> list[File]:
        """The result files of an open batch."""
        batch = self.batches.get(batch_id)
        if batch is None or batch.status.is_final:
            return []
        ids = (batch.output_file_id, batch.error_file_id)
        results = (self.files[id_] for id_ in ids if id_ in self.files)
        return sorted(
            (file for file in results if file.accepted_at is None), key=lambda file: file.kind.value
        )

    def jobs_of(self, batch_id: str) -> list[Job]:
        """The jobs of a batch."""
        return [job for job in self.jobs.values() if job.batch_id == batch_id]

    def charges_of(self, batch_id: str) -> list[Charge]:
        """What a batch was charged."""
        return [charge for charge in self.charges.values() if charge.batch_id == batch_id]

    def spent(self, scope: str, since: date | None, also: Iterable[Charge] = ()) -> Decimal:
        """The US dollars charged to a scope since a UTC day, None: ever; with charges yet to be written."""
        put = put_on_budgets([*self.charges.values(), *also])
        return total(cost for (of, day), cost in put.items() if of == scope and day >= (since or date.min))

    def insert_charge(self, draft: Draft, charge: Charge) -> None:
        """Write a charge. Raises `StateConflict` if it is there, or its job and model, or its correction."""
        draft.insert(self.charges, charge.id, charge)
        draft.insert(self.charged, charge.corrects or (charge.job_id, charge.model), charge)

    def remove_file(self, draft: Draft, file_id: str) -> None:
        """Drop a file with its copies, parts and events."""
        self.remove_events(draft, file_id)
        self.release_contents(draft, file_id)
        draft.remove(self.files, lambda file: file.id == file_id)
        draft.remove(self.shards, lambda shard: shard.file_id == file_id)
        draft.remove(self.copies, lambda copy: copy.file_id == file_id)
        draft.remove(self.parts, lambda part: part.file_id == file_id)

    def insert_part(self, draft: Draft, part: FilePart) -> None:
        """Write a part. Raises `StateConflict` if it is there, or names a content that nobody writes."""
        draft.insert(self.parts, (part.file_id, part.seq), part)
        if part.kind is PartKind.STORED:
            assert part.content_key is not None
            assert part.store is not None
            self.keep_content(draft, part.content_key, part.store, part.bytes)

    def write_results(
        self, draft: Draft, batch_id: str, files: Sequence[File], copies: Iterable[FileCopy]
    ) -> frozenset[str]:
        """Write result files, new or as they shall be, and copies; those of files that end become due.

        Returns the ids of those that are not new.
        """
        known = frozenset(file.id for file in self.results_of(batch_id))
        for file in files:
            if file.id in known:
                draft.put(self.files, file.id, file)
            else:
                draft.insert(self.files, file.id, file)
        ending = {file.id: file.expires_at for file in files if file.expires_at is not None}

        def due(copy: FileCopy) -> FileCopy:
            is_due = copy.file_id in ending and copy.next_check_at is None
            return replace(copy, next_check_at=ending[copy.file_id]) if is_due else copy

        for copy in self.copies.values():
            if copy.file_id in ending:
                draft.put(self.copies, copy.key, due(copy))
        for copy in copies:
            draft.insert(self.copies, copy.key, due(copy))
        return known

    def insert_behind(self, draft: Draft, part: FilePart) -> None:
        """Write a part, numbered on from those that its file has already; raises as `insert_part`."""
        taken = [seq for file_id, seq in self.parts if file_id == part.file_id]
        self.insert_part(draft, replace(part, seq=part.seq + max(taken, default=-1) + 1))

    def keep_content(self, draft: Draft, key: str, store: str, size: int) -> None:
        """Keep a content, which something names. Raises `StateConflict` if nobody writes it."""
        content = self.contents.get(key)
        if content is None or (content.state, content.store) != (ContentState.WRITING, store):
            raise StateConflict(f"content {key} is not being written")
        free: dict[str, Any] = {"next_check_at": None, "claimed_by": None, "claimed_until": None}
        kept = replace(content, state=ContentState.KEPT, bytes=size, **free)
        draft.name(self.contents, content.key, kept)

    def release_contents(self, draft: Draft, file_id: str) -> None:
        """Have the contents deleted that parts of a file name."""
        for part in self.parts.values():
            if part.file_id == file_id and part.content_key is not None:
                self.release_content(draft, part.content_key)

    def release_content(self, draft: Draft, key: str) -> None:
        """Have a content deleted that nothing names any more."""
        content = self.contents.get(key)
        if content is not None and content.state is ContentState.KEPT:
            due: dict[str, Any] = {"next_check_at": datetime.now(UTC), "epoch": content.epoch + 1}
            draft.put(self.contents, content.key, replace(content, state=ContentState.DELETING, **due))

    def remove_stored_parts(self, draft: Draft, file_id: str) -> None:
        """Drop the parts of a file that name contents."""
        draft.remove(self.parts, lambda part: part.file_id == file_id and part.content_key is not None)

    def remove_events(self, draft: Draft, subject: str) -> None:
        """Drop the events of a subject with their deliveries."""
        draft.remove(self.events, lambda event: event.subject == subject)
        draft.remove(self.deliveries, lambda delivery: delivery.subject == subject)

    def is_untold(self, subject: str, event_id: str | None = None) -> bool:
        """Whether a delivery is pending, of any event of a subject or of one of them."""
        return any(
            each.subject == subject and each.state is DeliveryState.PENDING
            for each in self.deliveries.values()
            if event_id in (None, each.event_id)
        )

    def is_accepted(self, object_id: str, at: datetime) -> bool | None:
        """Whether what a request made is accepted; None if it is gone, or will never be."""
        file = self.files.get(object_id)
        if file is None:
            return True if object_id in self.batches else None
        if file.deleted_at is not None or file.is_expired(at):
            return None
        now = datetime.now(UTC)
        claims = [copy.claimed_until for copy in self.copies.values() if copy.file_id == object_id]
        is_under_way = any(until is not None and until > now for until in claims)
        return True if file.accepted_at is not None else (False if is_under_way else None)
