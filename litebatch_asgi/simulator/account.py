"""One provider account: its files, its batches, its quota and its clock."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from .bell import Bell
from .disk import Disk
from .faults import ArmedFault, CallName, Fault, FaultBook
from .flavours import DAY, FLAVOURS, RESULT_SECONDS, Flavour
from .life import BatchLife
from .objects import TERMINAL, BatchObject, BatchProblem, FileObject
from .settings import FileStatus, SimulatorSettings, Status
from .shelf import Shelf
from .validation import Examined


class NewBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What a client says when it creates a batch."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str] | None = None
    output_seconds: int | None = None
    """life of the result files"""


class Account:
    """The state of one account. Everything here belongs to the event loop that the simulator runs on."""

    def __init__(
        self,
        name: str,
        settings: SimulatorSettings,
        disk: Disk,
        bell: Bell,
        faults: FaultBook,
        start: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self.name = name
        self.disk = disk
        self.bell = bell
        self.faults = faults
        self._settings = settings
        self.start = start
        """lets a task run until the simulator stops"""
        self.shelf: Shelf = Shelf(self)
        self.lists_made: Counter[CallName] = Counter()
        """how often files and batches were listed"""
        self._lives: dict[str, BatchLife] = {}

    @property
    def flavour(self) -> Flavour:
        """The ways of the provider whose account this is."""
        return FLAVOURS[self._settings.flavour]

    @property
    def settings(self) -> SimulatorSettings:
        """The settings in force; `configure` changes them."""
        return self._settings

    def configure(self, /, **changes: Any) -> SimulatorSettings:
        """Change settings. What is no longer held moves on, batches whose window is over expire.

        Raises `msgspec.ValidationError` for an unknown name or a value of the wrong type.
        """
        self._settings = self._settings.changed(changes)
        for life in self._lives.values():
            life.reconsider()
        self.bell.ring()
        return self._settings

    def add_fault(self, fault: Fault) -> ArmedFault:
        """Put `fault` in force for this account alone."""
        return self.faults.add(msgspec.structs.replace(fault, account=self.name))

    def now(self) -> float:
        """Unix seconds by this account's clock."""
        return time.time() + self._settings.clock_offset

    # files

    @property
    def files(self) -> Mapping[str, FileObject]:
        """Every file that is neither deleted nor expired, oldest first, as clients see it."""
        return self.shelf.shown()

    def set_file_status(self, file_id: str, status: FileStatus) -> FileObject:
        """Show the file with another `status` from now on. Raises KeyError if there is no such file."""
        return self.shelf.set_status(file_id, status)

    async def file_reached(self, file_id: str, *statuses: FileStatus) -> FileObject:
        """The file, once it has one of `statuses`; without any, once it can be used or never will be.

        Raises KeyError if there is no such file, or no longer.
        """
        awaited = frozenset(statuses) or frozenset({"processed", "error"})
        await self.bell.until(lambda: self.files[file_id].status in awaited)
        return self.files[file_id]

    async def delete_file(self, file_id: str) -> bool:
        """Delete a file; False if there is none. A batch that already checked it goes on."""
        stored = self.shelf.remove(file_id)
        if stored is None:
            return False
        await self.disk.run(stored.path.unlink, missing_ok=True)
        return True

    async def content(self, file_id: str) -> bytes:
        """The bytes of a file. Raises KeyError if there is no such file."""
        stored = self.shelf.find(file_id)
        if stored is None:
            raise KeyError(file_id)
        return await self.disk.run(stored.path.read_bytes)

    # batches

    @property
    def batches(self) -> Mapping[str, BatchObject]:
        """Every batch as a client would be shown it now, oldest first."""
        return {key: life.shown() for key, life in self._lives.items()}

    def life(self, batch_id: str) -> BatchLife | None:
        """The batch with this id."""
        return self._lives.get(batch_id)

    def lives(self) -> list[BatchLife]:
        """Every batch, oldest first."""
        return list(self._lives.values())

    async def examine(self, path: Path, endpoint: str) -> Examined:
        """Check the lines of an input file, in a thread."""
        examination = self.flavour.examination(endpoint, self._settings)
        return await self.disk.work(examination.read, path, self.disk.stop)

    def create_batch(self, asked: NewBatch, examined: Examined | None = None) -> BatchLife:
        """Create a batch; whether its input file is any good shows later.

        The tokens of an input that was `examined` already are in the queue from now on.
        """
        created_at = int(self.now())
        batch = BatchObject(
            id=self.flavour.new_batch_id(),
            endpoint=asked.endpoint,
            input_file_id=asked.input_file_id,
            completion_window=asked.completion_window,
            created_at=created_at,
            expires_at=created_at + DAY,
            metadata=asked.metadata,
        )
        seed = f"{self._settings.seed}/{self.name}/{len(self._lives)}"
        life = BatchLife(self, batch, seed=seed, output_seconds=asked.output_seconds or RESULT_SECONDS)
        if examined is not None:
            life.enqueue(examined)
        self._lives[batch.id] = life
        self.start(life.live())
        return life

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
            self._lives[batch.id] = BatchLife(self, batch, seed="", output_seconds=RESULT_SECONDS)
        return batches

    def enqueued_tokens(self, model: str) -> int:
        """Input tokens that open batches of `model` hold."""
        return sum(life.enqueued_tokens for life in self._lives.values() if life.queue == model)

    def over_quota(self, examined: Examined, held: int = 0) -> BatchProblem | None:
        """Why there is no room for this input, of which `held` tokens are in the queue; None: there is."""
        model, most = examined.model or "", self._settings.max_enqueued_tokens
        if most is None or self.enqueued_tokens(model) - held + examined.input_tokens <= most:
            return None
        return self.flavour.token_limit_exceeded(model, self._settings)

    def release(self, object_id: str | None = None) -> None:
        """Let one batch or file, or every open and pending one, leave its present status, held or not.

        Raises KeyError if the id is of none that could.
        """
        for life in self._lives_of(object_id):
            life.release()
        for file_id in self._pending_of(object_id):
            self.shelf.release(file_id)

    async def advance(self, object_id: str | None = None) -> None:
        """`release`, and wait until each of these batches and files has another status."""
        waits = [partial(life.has_left, life.batch.status) for life in self._lives_of(object_id)]
        waits += [partial(self._is_checked, file_id) for file_id in self._pending_of(object_id)]
        self.release(object_id)
        for has_left in waits:
            await self.bell.until(has_left)

    async def reached(self, batch_id: str, *statuses: Status) -> BatchObject:
        """The batch, once it has one of `statuses`; without any, once it has ended."""
        life, awaited = self._lives[batch_id], frozenset(statuses) or TERMINAL
        await self.bell.until(lambda: life.batch.status in awaited)
        return life.shown()

    def expire(self, batch_id: str) -> None:
        """Let a batch end `expired`, with the rows that were done by then. Raises KeyError if unknown."""
        self._lives[batch_id].expire()

    def _lives_of(self, object_id: str | None) -> list[BatchLife]:
        if object_id is not None and object_id in self.files:
            return []
        lives = self._lives.values() if object_id is None else [self._lives[object_id]]
        return [life for life in lives if life.batch.status not in TERMINAL]

    def _pending_of(self, object_id: str | None) -> list[str]:
        return [file_id for file_id in self.shelf.pending() if object_id in (None, file_id)]

    def _is_checked(self, file_id: str) -> bool:
        file = self.files.get(file_id)
        return file is None or file.status != "pending"
