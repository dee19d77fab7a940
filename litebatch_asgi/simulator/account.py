"""One provider account: its files, its batches, its quota and its clock."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

import msgspec

from .bell import Bell
from .disk import Disk
from .execution import Written
from .faults import ArmedFault, Fault, FaultBook
from .life import BatchLife
from .objects import TERMINAL, BatchObject, FileObject, StoredFile
from .settings import SimulatorSettings, Status

DAY = 86_400
BATCH_FILE_SECONDS = 30 * DAY
"""life of batch inputs and results unless asked otherwise"""


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
        self._start = start
        self._stored: dict[str, StoredFile] = {}
        self._lives: dict[str, BatchLife] = {}

    @property
    def settings(self) -> SimulatorSettings:
        """The settings in force; `configure` changes them."""
        return self._settings

    def configure(self, /, **changes: Any) -> SimulatorSettings:
        """Change settings. Batches that are no longer held move on, those whose window is over expire.

        Raises `msgspec.ValidationError` for an unknown name or a value of the wrong type.
        """
        self._settings = self._settings.changed(changes)
        for life in self._lives.values():
            life.reconsider()
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
        self._expire_files()
        return {key: stored.shown for key, stored in self._stored.items()}

    def stored(self, file_id: str) -> StoredFile | None:
        """The file with this id, unless it is deleted or expired."""
        self._expire_files()
        return self._stored.get(file_id)

    def stored_files(self) -> list[StoredFile]:
        """Every file that is neither deleted nor expired, oldest first."""
        self._expire_files()
        return list(self._stored.values())

    def add_file(self, written: Written, filename: str, purpose: str, seconds: float | None) -> StoredFile:
        """Make a file of bytes that lie on the disk; it expires after `seconds`, None: never."""
        created_at = int(self.now())
        shown = FileObject(
            id=f"file-{uuid.uuid4().hex[:24]}",
            bytes=written.bytes,
            created_at=created_at,
            filename=filename,
            purpose=purpose,
            expires_at=None if seconds is None else created_at + int(seconds),
        )
        return self._put(
            StoredFile(shown=shown, path=written.path, sha256=written.sha256, listed_at=time.monotonic())
        )

    def set_file_status(self, file_id: str, status: str) -> FileObject:
        """Show the file with another `status` from now on. Raises KeyError if there is no such file."""
        stored = self._stored[file_id]
        shown = msgspec.convert(msgspec.structs.asdict(stored.shown) | {"status": status}, FileObject)
        return self._put(msgspec.structs.replace(stored, shown=shown)).shown

    async def delete_file(self, file_id: str) -> bool:
        """Delete a file; False if there is none. A batch that already checked it goes on."""
        stored = self._stored.pop(file_id, None)
        if stored is None:
            return False
        await self.disk.run(stored.path.unlink, missing_ok=True)
        return True

    async def content(self, file_id: str) -> bytes:
        """The bytes of a file. Raises KeyError if there is no such file."""
        return await self.disk.run(self._stored[file_id].path.read_bytes)

    def _put(self, stored: StoredFile) -> StoredFile:
        self._stored[stored.shown.id] = stored
        return stored

    def _expire_files(self) -> None:
        now = self.now()
        for key, stored in list(self._stored.items()):
            if stored.shown.expires_at is not None and stored.shown.expires_at <= now:
                del self._stored[key]

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

    def create_batch(self, asked: NewBatch) -> BatchLife:
        """Create a batch; whether its input file is any good shows later."""
        created_at = int(self.now())
        batch = BatchObject(
            id=f"batch_{uuid.uuid4().hex}",
            endpoint=asked.endpoint,
            input_file_id=asked.input_file_id,
            completion_window=asked.completion_window,
            created_at=created_at,
            expires_at=created_at + DAY,
            metadata=asked.metadata,
        )
        seed = f"{self._settings.seed}/{self.name}/{len(self._lives)}"
        life = BatchLife(self, batch, seed=seed, output_seconds=asked.output_seconds or BATCH_FILE_SECONDS)
        self._lives[batch.id] = life
        self._start(life.live())
        return life

    def add_foreign_batches(self, count: int) -> list[BatchObject]:
        """Add `count` ended batches, as somebody else who uses this account would have left them."""
        created_at = int(self.now())
        batches = [
            BatchObject(
                id=f"batch_{uuid.uuid4().hex}",
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
            self._lives[batch.id] = BatchLife(self, batch, seed="", output_seconds=BATCH_FILE_SECONDS)
        return batches

    def enqueued_tokens(self, model: str) -> int:
        """Input tokens that open batches of `model` hold."""
        return sum(life.enqueued_tokens for life in self._lives.values() if life.batch.model == model)

    def release(self, batch_id: str | None = None) -> None:
        """Let one batch, or every open one, leave its present status at once, held or not."""
        for life in self._chosen(batch_id):
            life.release()

    async def advance(self, batch_id: str | None = None) -> None:
        """`release`, and wait until each of these batches has another status."""
        waits = [partial(life.has_left, life.batch.status) for life in self._chosen(batch_id)]
        self.release(batch_id)
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

    def _chosen(self, batch_id: str | None) -> list[BatchLife]:
        lives = self._lives.values() if batch_id is None else [self._lives[batch_id]]
        return [life for life in lives if life.batch.status not in TERMINAL]
