"""One provider account: its files, its batches, its quota and its clock."""

from __future__ import annotations

import math
import os
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from .access_tokens import AccessTokens
from .account_context import AccountContext
from .batch_progress import BatchProgress
from .batch_store import BatchStore
from .disk import Disk
from .fault_book import FaultBook
from .faults import ArmedFault, Fault
from .file_store import FileStore
from .json_values import JSON
from .lines_run import LinesRun
from .objects import TERMINAL, BatchObject, FileObject
from .settings import FileStatus, SimulatorSettings, Status
from .storage_uploads import UploadSession
from .token_queues import TokenQueues
from .validation import Examined
from .wakeup import Wakeup
from .wire import DAY


class NewBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What a client says when it creates a batch."""

    input_file_id: str
    endpoint: str
    completion_window: str
    window_seconds: int = DAY
    metadata: dict[str, str] | None = None
    output_seconds: int | None = None
    """life of the result files"""
    model: str | None = None
    batch_id: str | None = None
    details: JSON | None = None
    """what the flavour knows of it beside that"""


class Account(AccountContext):
    """The state of one account. Everything here belongs to the event loop that the simulator runs on."""

    def __init__(
        self,
        name: str,
        settings: SimulatorSettings,
        disk: Disk,
        wakeup: Wakeup,
        faults: FaultBook,
        lines_run: LinesRun,
        start: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        super().__init__(name, settings, disk, wakeup, faults, lines_run, start)
        self.file_store: FileStore = FileStore(self)
        self.queues: TokenQueues = TokenQueues(self)
        self.batch_store: BatchStore = BatchStore()
        self.tokens: AccessTokens = AccessTokens()
        """Vertex: those that were given out"""
        self.upload_sessions: dict[str, UploadSession] = {}
        """Vertex: resumable uploads by their ids"""

    def configure(self, /, **changes: Any) -> SimulatorSettings:
        """Change settings. What is no longer held moves on, batches whose window is over expire.

        Raises `msgspec.ValidationError` for an unknown name or a value of the wrong type.
        """
        self._settings = self._settings.changed(changes)
        for progress in self.batch_store.all():
            progress.reconsider()
        for each in self.on_change:
            each()
        self.wakeup.notify()
        return self._settings

    def add_fault(self, fault: Fault) -> ArmedFault:
        """Put `fault` in force for this account alone."""
        return self.faults.add(msgspec.structs.replace(fault, account=self.name))

    # files

    @property
    def files(self) -> Mapping[str, FileObject]:
        """Every file that is neither deleted nor expired, oldest first, as clients see it."""
        return self.file_store.shown()

    def set_file_status(self, file_id: str, status: FileStatus) -> FileObject:
        """Show the file with another `status` from now on. Raises KeyError if there is no such file."""
        return self.file_store.set_status(file_id, status)

    async def file_reached(self, file_id: str, *statuses: FileStatus) -> FileObject:
        """The file, once it has one of `statuses`; without any, once it can be used or never will be.

        Raises KeyError if there is no such file, or no longer.
        """
        awaited = frozenset(statuses) or frozenset({"processed", "error"})
        await self.wakeup.until(lambda: self.files[file_id].status in awaited)
        return self.files[file_id]

    async def delete_file(self, file_id: str) -> bool:
        """Delete a file; False if there is none. A batch that already checked it goes on."""
        stored = self.file_store.remove(file_id)
        if stored is None:
            return False
        await self.disk.run(stored.path.unlink, missing_ok=True)
        return True

    async def content(self, file_id: str) -> bytes:
        """The bytes of a file. Raises KeyError if there is no such file."""
        stored = self.file_store.find(file_id)
        if stored is None:
            raise KeyError(file_id)
        return await self.disk.run(stored.path.read_bytes)

    # batches

    @property
    def batches(self) -> Mapping[str, BatchObject]:
        """Every batch as a client would be shown it now, oldest first."""
        return {progress.batch.id: progress.shown() for progress in self.batch_store.all()}

    def create_batch(self, asked: NewBatch, examined: Examined | None = None) -> BatchProgress:
        """Create a batch; whether its input file is any good shows later.

        The tokens of an input that was `examined` already are in the queue from now on.
        """
        progress = self._add(self._new(asked), asked.output_seconds, asked.details)
        if examined is not None:
            self.queues.hold(progress.batch.id, examined)
        self.start(progress.run())
        return progress

    async def create_running_batch(self, asked: NewBatch, examined: Examined, lines: Path) -> BatchProgress:
        """Create a batch that runs at once; its input is the file at `lines`, which is moved away."""
        progress = self._add(self._new(asked), asked.output_seconds, asked.details)
        progress.begin_running(examined)
        await self.disk.run(lines.rename, progress.snapshot)
        self.start(progress.run())
        return progress

    async def delete_batch(self, batch_id: str) -> None:
        """Let clients find a batch that has ended, and its results, no longer. Raises KeyError if unknown."""
        batch = self.batch_store[batch_id].batch
        self.batch_store.remove(batch_id)
        for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
            await self.delete_file(file_id)

    async def add_running_batches(
        self,
        input_file_id: str,
        metadata: Sequence[dict[str, str] | None],
        endpoint: str = "/v1/chat/completions",
    ) -> list[BatchObject]:
        """Add a batch for each of `metadata`, all of one input, that is `in_progress` already.

        The input is read once and nothing goes over HTTP, so that thousands take a moment. They go on as all
        others do: `SimulatorSettings.hold` or `running_seconds` keep them running. Raises KeyError if there
        is no such file, ValueError if a batch of it would fail.
        """
        stored = self.file_store.find(input_file_id)
        if stored is None:
            raise KeyError(input_file_id)
        snapshot = self.disk.path(f"{uuid.uuid4().hex}.input")
        await self.disk.run(os.link, stored.path, snapshot)
        examined = await self.examine(snapshot, endpoint)
        if examined.problems:
            await self.disk.run(snapshot.unlink)
            raise ValueError(f"{input_file_id} cannot be run: {examined.problems[0].message}")
        asked = NewBatch(input_file_id=input_file_id, endpoint=endpoint, completion_window="24h")
        added: list[BatchObject] = []
        for each in metadata:
            progress = self._add(self._new(msgspec.structs.replace(asked, metadata=each)))
            progress.begin_running(examined)
            self.start(progress.run_on(snapshot))
            added.append(progress.batch)
        return added

    def add_foreign_batches(self, count: int) -> list[BatchObject]:
        """Add `count` ended batches, as somebody else who uses this account would have left them."""
        created_at = int(self.now())
        batches = [
            BatchObject(
                id=self.flavour.new_batch_id(),
                endpoint="/v1/chat/completions",
                input_file_id="file-foreign",
                completion_window="24h",
                status="completed",
                created_at=created_at,
                expires_at=created_at + DAY,
                completed_at=created_at,
                metadata={"project": "foreign"},
            )
            for _ in range(count)
        ]
        for batch in batches:
            self._add(batch)
        return batches

    def _new(self, asked: NewBatch) -> BatchObject:
        created_at = int(self.now())
        return BatchObject(
            id=asked.batch_id or self.flavour.new_batch_id(),
            endpoint=asked.endpoint,
            model=asked.model,
            input_file_id=asked.input_file_id,
            completion_window=asked.completion_window,
            created_at=created_at,
            status="validating" if self._settings.scheduling_seconds is None else "scheduling",
            expires_at=created_at + math.ceil(self._settings.window_seconds or asked.window_seconds),
            metadata=asked.metadata,
        )

    def _add(
        self, batch: BatchObject, output_seconds: int | None = None, details: JSON | None = None
    ) -> BatchProgress:
        progress = BatchProgress(
            self,
            self.file_store,
            self.queues,
            batch,
            number=self.batch_store.next_number,
            output_seconds=output_seconds or self.flavour.result_seconds,
            details=self.flavour.details(batch) if details is None else details,
        )
        self.batch_store.add(progress)
        return progress

    def release(self, object_id: str | None = None) -> None:
        """Let one batch or file, or every open and pending one, leave its present status, held or not.

        Raises KeyError if the id is of none that could.
        """
        for progress in self._open_batches(object_id):
            progress.release()
        for file_id in self._pending_of(object_id):
            self.file_store.release(file_id)

    async def advance(self, object_id: str | None = None) -> None:
        """`release`, and wait until each of these batches and files has another status."""
        waits = [partial(each.has_left, each.batch.status) for each in self._open_batches(object_id)]
        waits += [partial(self._is_checked, file_id) for file_id in self._pending_of(object_id)]
        self.release(object_id)
        for has_left in waits:
            await self.wakeup.until(has_left)

    async def reached(self, batch_id: str, *statuses: Status) -> BatchObject:
        """The batch, once it has one of `statuses`; without any, once it has ended."""
        progress, awaited = self.batch_store[batch_id], frozenset(statuses) or TERMINAL
        await self.wakeup.until(lambda: progress.batch.status in awaited)
        return progress.shown()

    def expire(self, batch_id: str) -> None:
        """Let a batch end `expired`, with the rows that were done by then. Raises KeyError if unknown."""
        self.batch_store[batch_id].expire()

    def _open_batches(self, object_id: str | None) -> list[BatchProgress]:
        if object_id is not None and object_id in self.files:
            return []
        asked = self.batch_store.all() if object_id is None else [self.batch_store[object_id]]
        return [progress for progress in asked if progress.batch.status not in TERMINAL]

    def _pending_of(self, object_id: str | None) -> list[str]:
        return [file_id for file_id in self.file_store.pending() if object_id in (None, file_id)]

    def _is_checked(self, file_id: str) -> bool:
        file = self.files.get(file_id)
        return file is None or file.status != "pending"
