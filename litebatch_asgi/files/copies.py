"""Copies: a file's bytes brought to a deployment, found again, repaired and removed."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.copy_lifecycle import doubted, fold_file, held_copy, move_copy
from litebatch_asgi.errors import (
    ContentRefused,
    DeploymentRefused,
    ProviderBusy,
    ProviderError,
    ProviderNotFound,
    StateConflict,
)
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.origin import Content
from litebatch_asgi.jsonl import spliced_size
from litebatch_asgi.leases import Lease
from litebatch_asgi.lifetimes import WATCH_FOR, life_to_ask_for, made_since
from litebatch_asgi.models import (
    CopyState,
    File,
    FileChange,
    FileCopy,
    FileState,
    ProviderFile,
    ProviderFileStatus,
)
from litebatch_asgi.models.provider import oldest_first
from litebatch_asgi.provider import FileUpload
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

_COPY_STATES = {
    ProviderFileStatus.READY: CopyState.READY,
    ProviderFileStatus.PENDING: CopyState.PENDING,
    ProviderFileStatus.FAILED: CopyState.FAILED,
}


class CopyWork:
    """What is done to a copy that we hold; each method writes what became of it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def tag(self, file_id: str) -> str:
        """The file name that a copy has at its provider."""
        return f"{file_id}-{self.runtime.installation_id}.jsonl"

    def model_at(self, deployment_id: str, file: File) -> str | None:
        """What the lines of the file name at a deployment; None for a file without lines of that kind."""
        if file.endpoint is None:
            return None
        return self.runtime.fleet.upstream_model(deployment_id, file.models[0])

    def copy_size(self, file: File, deployment_id: str) -> int:
        """How many bytes the file has at a deployment, where the model's name is another."""
        model = self.model_at(deployment_id, file)
        return file.bytes if model is None else spliced_size(file.bytes, file.lines, file.models[0], model)

    async def send(self, copy: FileCopy, file: File, content: Content, lease: Lease) -> ProviderError | None:
        """Upload a copy that is ours; what stood against it, or None."""
        size = self.copy_size(file, copy.deployment_id)
        upload = FileUpload(
            filename=self.tag(file.id),
            purpose=file.purpose,
            size=size,
            content=content,
            expires_after_seconds=life_to_ask_for(file, self.runtime.now()),
        )
        hit("upload.intended")
        await lease.ensure(self.runtime.settings.call_timeout_seconds)
        try:
            made = await self.runtime.fleet.adapter(copy.deployment_id).upload_file(upload)
        except ProviderError as error:
            await self.record_upload_failure(copy, error)
            return error
        hit("upload.answered")
        return await self._took(copy, made, size)

    async def _took(self, copy: FileCopy, made: ProviderFile, size: int) -> ProviderError | None:
        error: ProviderError | None = None
        if made.bytes not in (None, size):
            error = DeploymentRefused(f"the provider has {made.bytes} of {size} bytes")
        elif made.status is ProviderFileStatus.FAILED:
            error = ContentRefused(made.status_details or "The provider cannot use the file.")
        if error is not None:
            await self.delete_there(copy, made.id)
            await self.record_upload_failure(copy, error)
            return error
        try:
            await self.record_upload(copy, made)
        except StateConflict:
            error = await self._undo(copy, made)
        hit("upload.stored")
        return error

    async def _undo(self, copy: FileCopy, made: ProviderFile) -> ProviderError | None:
        """Somebody else holds the copy now: leave it what it has adopted or may, delete it otherwise."""
        state = await self.runtime.storage.get_file(copy.file_id)
        row = next((each for each in state.copies if each.key == copy.key), None) if state else None
        if row is not None and row.provider_file_id == made.id:
            return None
        if row is not None and row.state is CopyState.INTENT and row.started_at == copy.started_at:
            return None
        await self.delete_there(copy, made.id)
        return DeploymentRefused("the upload ended when somebody else had given it up")

    async def record_upload(self, copy: FileCopy, made: ProviderFile, **changes: Any) -> None:
        """The provider has the file: this is what makes it accepted."""
        now = self.runtime.now()
        waits, is_ready = (
            made.status is each for each in (ProviderFileStatus.PENDING, ProviderFileStatus.READY)
        )
        await self.write(
            copy,
            _COPY_STATES[made.status],
            due=self.next_look(copy, now) if waits else None,
            provider_file_id=made.id,
            expires_at=made.expires_at,
            ready_at=copy.ready_at or (now if is_ready else None),
            started_at=None,
            search_until=None,
            attempts=copy.attempts if waits else 0,
            error=made.status_details,
            **changes,
        )

    async def record_upload_failure(self, copy: FileCopy, error: ProviderError) -> None:
        """Write that an upload was refused, or that nobody knows whether it was done."""
        logger.warning(
            "a deployment has no copy of a file",
            extra={"file_id": copy.file_id, "deployment": copy.deployment_id, "error": error.message},
        )
        now = self.runtime.now()
        if isinstance(error, ContentRefused):
            told: dict[str, Any] = {"error": error.message, "started_at": None, "search_until": None}
            await self.write(copy, CopyState.FAILED, due=None, **told)
            return
        refused = isinstance(error, (DeploymentRefused, ProviderNotFound))
        doubtful = not refused or error.status is not None  # something on the way may have refused a repeat
        changes: dict[str, Any] = {"started_at": None, "search_until": None}
        if doubtful:
            is_clear = refused or isinstance(error, ProviderBusy)
            until = now if is_clear else now + self._grace
            # where it was refused, one look at each of the two is enough
            changes = doubted(copy, until=until, watch_until=now if refused else until + WATCH_FOR)
        await self.write(
            copy,
            copy.state,
            due=self.next_look(copy, now),
            error=error.message,
            attempts=copy.attempts + 1,
            **changes,
        )

    @property
    def _grace(self) -> timedelta:
        return timedelta(seconds=self.runtime.settings.adopt_grace_seconds)

    def next_look(self, copy: FileCopy, now: datetime) -> datetime:
        """When to look at a copy again; later with each attempt. The provider's floor is for its batches."""
        return self.runtime.next_look(now, None, copy.attempts)

    async def write(
        self, claimed: FileCopy, state: CopyState, *, due: datetime | None, **changes: Any
    ) -> FileState:
        """Move a copy that we hold, and fold its file; the claim is given back unless `changes` keep it.

        It is looked at again when it is `due`; what is ready tells that by itself. Raises `StateConflict` if
        the claim is no longer ours.
        """
        now = self.runtime.now()

        def decide(current: FileState) -> FileChange:
            copy = move_copy(held_copy(current, claimed), state, due=due, **changes)
            if copy.state is CopyState.READY:
                copy = replace(copy, next_check_at=self._due_when_ready(copy, current.file, now))
            copies = [copy if each.key == copy.key else each for each in current.copies]
            file = fold_file(copies, current.file, now)
            return FileChange(file=file, copies=(copy,), lease_seconds=self.runtime.settings.lease_seconds)

        return await self.runtime.storage.change_file(claimed.file_id, decide)

    def _due_when_ready(self, copy: FileCopy, file: File, now: datetime) -> datetime | None:
        """When it expires; earlier while a twin of an upload in doubt may show up."""
        if copy.watch_until is None:
            return file.expires_at
        due = self.next_look(copy, now)
        return min(due, file.expires_at) if file.expires_at is not None else due

    async def delete_there(self, copy: FileCopy, provider_file_id: str) -> None:
        """Delete a file at the copy's deployment."""
        await self.runtime.fleet.adapter(copy.deployment_id).delete_file(provider_file_id)

    async def tagged(self, copy: FileCopy, file: File) -> list[ProviderFile]:
        """The provider's files that carry our tag, oldest first; the whole list was read."""
        listing = self.runtime.fleet.files_by_name(copy.deployment_id)
        return oldest_first(await listing.find(self.tag(copy.file_id), since=made_since(file.created_at)))

    async def is_surely_absent(self, copy: FileCopy, now: datetime) -> bool:
        """Whether a list that was read after `now`, without our tag, settles it: the upload did not happen.

        If not yet, the copy is given back, to be looked at again.
        """
        until = copy.search_until or now + self._grace
        if now >= until:
            return True
        due = max(now, min(self.next_look(copy, now), until))
        changes = doubted(copy, until=until, watch_until=until + WATCH_FOR)
        await self.write(copy, copy.state, due=due, attempts=copy.attempts + 1, **changes)
        return False

    async def look_again(self, copy: FileCopy, now: datetime) -> None:
        """Give a copy back as it is, to be looked at after a while; longer each time."""
        await self.write(copy, copy.state, due=self.next_look(copy, now), attempts=copy.attempts + 1)

    async def write_and_keep_claim(self, copy: FileCopy, *, now: datetime, **changes: Any) -> FileCopy:
        """Write a copy and keep our claim on it."""
        after = await self.write(copy, copy.state, due=now, claimed_by=self.runtime.worker, **changes)
        return held_copy(after, copy)
