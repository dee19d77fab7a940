"""Copies: what is written of a file's bytes at a deployment, and what every step of theirs needs."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from msgspec.structs import replace

from litebatch_asgi import tracing
from litebatch_asgi.copy_lifecycle import doubted, due_when_ready, fold_file, held_copy, move_copy
from litebatch_asgi.errors import (
    ContentRefused,
    DeploymentRefused,
    ProviderBusy,
    ProviderError,
    ProviderNotFound,
    StateConflict,
)
from litebatch_asgi.file_events import copy_events
from litebatch_asgi.files.forms import Form, FormMaker, SentAs, spliced_as
from litebatch_asgi.files.origin import Origin
from litebatch_asgi.lifetimes import WATCH_FOR, made_since
from litebatch_asgi.models import (
    CopyState,
    File,
    FileChange,
    FileCopy,
    FileState,
    ProviderFile,
    ProviderFileStatus,
    Shard,
)
from litebatch_asgi.models.provider import oldest_first
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.wire.filenames import ending_of

logger: logging.Logger = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 6 * 3600.0
"""between two tries to bring a copy to a deployment that does not take it"""
PATIENT_SECONDS = 600.0
"""between two looks at what has time: twins, and copies that a batch still reads"""
_COPY_STATES = {
    ProviderFileStatus.READY: CopyState.READY,
    ProviderFileStatus.PENDING: CopyState.PENDING,
    ProviderFileStatus.FAILED: CopyState.FAILED,
}


class CopyWork:
    """What is done to a claimed copy; each method writes what became of it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.origin: Origin = Origin(runtime)
        self.forms: FormMaker = FormMaker(runtime)

    def tag(self, file: File, shard: int) -> str:
        """The file name that a copy has at its provider, which takes it by its ending for what it is."""
        ending = ".jsonl" if file.purpose == "batch" else ending_of(file.filename)
        number = f"-{shard}" if shard else ""
        return f"{file.id}{number}-{self.runtime.installation_id}{ending}"

    async def shard_of(self, copy: FileCopy, state: FileState) -> Shard:
        """What a copy of an input is of. Raises `StateConflict` if it is gone."""
        shard = state.tile(copy.shard) or await self.runtime.storage.shards.get(copy.file_id, copy.shard)
        if shard is None:
            raise StateConflict(f"the shard of {copy.name} is gone")
        return shard

    async def is_read(self, copy: FileCopy, state: FileState) -> bool:
        """Whether a batch that is open may be reading a copy."""
        if not state.open_batches or not state.is_derived(copy):
            return bool(state.open_batches)
        shard = await self.runtime.storage.shards.get(copy.file_id, copy.shard)
        batch_id = shard.batch_id if shard is not None else None
        batch = await self.runtime.storage.get_batch(batch_id) if batch_id is not None else None
        return batch is not None and not batch.status.is_final

    def form(self, copy: FileCopy, shard: Shard, state: FileState) -> AbstractAsyncContextManager[Form]:
        """What a copy of an accepted file is to be sent as today, read from where it still is.

        Each deployment has its own name for the model, or its own language. Raises as `Origin` does.
        """
        where, origin = copy.deployment_id, self.origin
        model = spliced_as(self.runtime.fleet, where, state.file, shard).model
        plain, read = origin.copied(state, shard, model), partial(origin.shard_blocks, state, shard)
        return self.forms.of(where, state.file, shard, read=read, plain=plain)

    async def record_upload(
        self, copy: FileCopy, made: ProviderFile, sent: SentAs | None, *, watch_until: datetime | None
    ) -> None:
        """The provider has the file: this is what makes it accepted.

        `sent`: as what; None: as it says already. What the provider had before is deleted as a twin.
        `watch_until`: until when others with its tag may show up.
        """
        now = self.runtime.now()
        is_new = copy.provider_file_id != made.id
        ready_at = None if is_new else copy.ready_at
        if is_new and copy.provider_file_id is not None:
            watch_until = max(now, watch_until or now)
        waits = made.status is ProviderFileStatus.PENDING
        await self.write(
            copy,
            _COPY_STATES[made.status],
            due=self.next_look(copy, now) if waits else None,
            provider_file_id=made.id,
            model=sent.model if sent else copy.model,
            bytes=sent.bytes if sent else copy.bytes,
            expires_at=made.expires_at,
            ready_at=ready_at or (now if made.status is ProviderFileStatus.READY else None),
            started_at=None,
            search_until=None,
            watch_until=watch_until,
            attempts=copy.attempts if waits else 0,
            error=made.status_details,
        )

    async def record_upload_failure(self, copy: FileCopy, error: ProviderError) -> None:
        """Write that an upload was refused, or that nobody knows whether it was done."""
        logger.warning(
            "a deployment has no copy of a file",
            extra={"file_id": copy.file_id, "deployment": copy.deployment_id, "error": error.message},
        )
        now = self.runtime.now()
        changes: dict[str, Any] = {"started_at": None, "search_until": None, "error": error.message}
        if isinstance(error, ContentRefused):
            await self.write(copy, CopyState.FAILED, due=None, **changes)
            return
        due = self.next_try(copy, now)
        refused = isinstance(error, (DeploymentRefused, ProviderNotFound))
        if refused and error.status is None:
            await self.write(copy, copy.state, due=due, attempts=copy.attempts + 1, **changes)
            return
        until = now  # something on the way may have refused a repeat: one look is enough
        if not (refused or isinstance(error, ProviderBusy)):
            until = max(now + self._grace, due)
            due = min(until, self.next_search(copy, now))
        search = doubted(copy, until=until, watch_until=now if refused else until + WATCH_FOR)
        changes = {"error": error.message, **search}
        await self.write(copy, copy.state, due=due, attempts=copy.attempts + 1, **changes)

    @property
    def _grace(self) -> timedelta:
        return timedelta(seconds=self.runtime.settings.adopt_grace_seconds)

    def next_look(self, copy: FileCopy, now: datetime) -> datetime:
        """When to ask about a copy again: later each time. The provider's own floor is for its batches."""
        return self.runtime.next_look(now, None, copy.attempts)

    def next_search(self, copy: FileCopy, now: datetime) -> datetime:
        """When to look for an upload in doubt: the later the longer it is so."""
        return self.next_look_since(copy.started_at or now, now)

    def next_look_since(self, began: datetime, now: datetime) -> datetime:
        """When to look again at what has gone on since then: the later the longer it does."""
        floor = self.runtime.fleet.min_poll_seconds(None)
        age = (now - began).total_seconds()
        return now + timedelta(seconds=min(max(floor, age / 2), PATIENT_SECONDS))

    def next_try(self, copy: FileCopy, now: datetime) -> datetime:
        """When to try again what did not succeed: each time after twice as long, up to hours."""
        return self.runtime.next_look(now, None, copy.attempts, ceiling=LONGEST_PAUSE_SECONDS, growth=2.0)

    def next_patient_look(self, copy: FileCopy, now: datetime) -> datetime:
        """When to look again at what has time."""
        return self.runtime.next_look(now, None, copy.attempts, ceiling=PATIENT_SECONDS)

    async def write(
        self, claimed: FileCopy, state: CopyState, *, due: datetime | None, **changes: Any
    ) -> FileState:
        """Move a claimed copy, and fold its file; the claim is given back unless `changes` keep it.

        It is looked at again when it is `due`; what is ready tells that by itself. Raises `StateConflict` if
        the claim is no longer ours.
        """
        now = self.runtime.now()

        def decide(current: FileState) -> FileChange:
            before = held_copy(current, claimed)
            copy = move_copy(before, state, due=due, **changes)
            if copy.state is CopyState.READY and current.is_derived(copy):
                copy = replace(copy, next_check_at=self.next_look_since(copy.ready_at or now, now))
            elif copy.state is CopyState.READY:
                look = self.next_patient_look(copy, now)
                copy = replace(copy, next_check_at=due_when_ready(copy, current.file, look=look))
            copies = tuple(copy if each.key == copy.key else each for each in current.copies)
            file = fold_file(replace(current, copies=copies), now)
            events = copy_events(file, before, copy, now)
            lease = self.runtime.settings.lease_seconds
            return FileChange(file=file, copies=(copy,), events=events, lease_seconds=lease)

        written = await self.runtime.storage.change_file(claimed.file_id, decide)
        self.runtime.events_written()
        return written

    def span_of(self, name: str, copy: FileCopy, file: File) -> AbstractContextManager[tracing.Span]:
        """A span of what the deployment of a copy is asked."""
        model = file.models[0] if file.endpoint is not None else None
        upstream = self.runtime.fleet.upstream(copy.deployment_id, model)
        return tracing.calling(name, file, copy, upstream, link=file.traceparent)

    async def look_again(self, copy: FileCopy, due: datetime) -> None:
        """Give a copy back as it is, to be looked at when it is due."""
        await self.write(copy, copy.state, due=due, attempts=copy.attempts + 1)

    async def write_and_keep_claim(self, copy: FileCopy, *, now: datetime, **changes: Any) -> FileCopy:
        """Write a copy and keep our claim on it."""
        after = await self.write(copy, copy.state, due=now, claimed_by=self.runtime.worker, **changes)
        return held_copy(after, copy)

    async def delete_there(self, copy: FileCopy, provider_file_id: str) -> None:
        """Delete a file at the copy's deployment."""
        await self.runtime.fleet.adapter(copy.deployment_id).delete_file(provider_file_id)

    async def tagged(self, copy: FileCopy, file: File) -> list[ProviderFile]:
        """The provider's files that carry our tag, oldest first; the whole list was read."""
        listing = self.runtime.fleet.files_by_name(copy.deployment_id)
        name = self.tag(file, copy.shard)
        return oldest_first(await listing.find(name, since=made_since(file.created_at)))

    async def is_surely_absent(self, copy: FileCopy, now: datetime) -> bool:
        """Whether a list that was read after `now`, without our tag, settles it: the upload did not happen.

        If not yet, the copy is given back, to be looked at again.
        """
        until = copy.search_until or now + self._grace
        if now >= until:
            return True
        due = min(self.next_search(copy, now), until)
        await self.write(
            copy, copy.state, due=due, **doubted(copy, until=until, watch_until=until + WATCH_FOR)
        )
        return False
