"""The files of one account."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping

import msgspec

from .account_context import AccountContext
from .execution import Written
from .json_values import JSON
from .objects import FileObject, StoredFile
from .settings import FileStatus


class FileStore:
    """Every file that is neither deleted nor expired, oldest first; some are `pending` for a while."""

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self._stored: dict[str, StoredFile] = {}
        self._numbers = itertools.count()
        self._next_expiry = math.inf
        """Unix seconds before which no file expires"""
        self._pending: set[str] = set()
        """files that nobody has released yet"""

    def find(self, file_id: str, project: str | None = None) -> StoredFile | None:
        """The file with this id, if it is of `project`, None being any."""
        self._expire()
        stored = self._stored.get(file_id)
        return stored if stored is not None and project in (None, stored.project) else None

    def all(self, project: str | None = None) -> list[StoredFile]:
        """All files of `project`, None being any."""
        self._expire()
        return [stored for stored in self._stored.values() if project in (None, stored.project)]

    def shown(self) -> Mapping[str, FileObject]:
        """All files by id, as clients see them."""
        return {stored.shown.id: stored.shown for stored in self.all()}

    def add_upload(self, written: Written, filename: str, purpose: str, seconds: int | None) -> StoredFile:
        """Make a file that a client sent; `seconds` None: it expires when such files do by default."""
        flavour, settings = self._context.flavour, self._context.settings
        seconds = seconds or (flavour.input_seconds if purpose == "batch" else None)
        stored = self.add(
            written, filename, purpose, seconds, project=settings.project, surplus=settings.bytes_surplus
        )
        if purpose != "batch":
            return stored
        if flavour.input_status == "pending":
            self._pending.add(stored.shown.id)
            self._context.start(self._check(stored.shown))
        return self._with_status(stored, flavour.input_status)

    def add(
        self,
        written: Written,
        filename: str,
        purpose: str,
        seconds: int | None,
        *,
        project: str,
        surplus: int = 0,
        file_id: str | None = None,
        details: JSON | None = None,
    ) -> StoredFile:
        """Make a file of bytes that lie on the disk; it expires after `seconds`, None: never.

        It is said to have `surplus` more bytes than it has. `file_id` is of no other file; None makes one.
        """
        made_at = self._context.now()
        created_at = int(made_at)
        shown = FileObject(
            id=file_id or self._context.flavour.new_file_id(),
            bytes=written.bytes + surplus,
            created_at=created_at,
            filename=filename,
            purpose=purpose,
            expires_at=None if seconds is None else created_at + seconds,
        )
        stored = StoredFile(
            shown=shown,
            number=next(self._numbers),
            path=written.path,
            project=project,
            bytes=written.bytes,
            sha256=written.sha256,
            made_at=made_at,
            listed_at=time.monotonic(),
            lists_before=self._context.lists_made["list_files"],
            details=details or {},
        )
        return self._put(stored)

    def set_status(self, file_id: str, status: FileStatus) -> FileObject:
        """Show the file with another `status` from now on. Raises KeyError if there is no such file."""
        return self._with_status(self._stored[file_id], status).shown

    def remove(self, file_id: str) -> StoredFile | None:
        """Take a file off; its bytes stay where they are."""
        removed = self._stored.pop(file_id, None)
        self._context.wakeup.notify()
        return removed

    def pending(self) -> list[str]:
        """The ids of the files that `release` would change."""
        return [file_id for file_id in self._stored if file_id in self._pending]

    def release(self, file_id: str) -> None:
        """Let a file be `pending` no longer, held or not."""
        self._pending.discard(file_id)
        self._context.wakeup.notify()

    async def _check(self, file: FileObject) -> None:
        """Keep a new file `pending` for a while."""
        context = self._context
        armed = context.faults.strike("check_file", context.name, [file.id, file.filename])
        if armed is not None:
            await context.faults.wait(armed, lambda: file.id not in self._stored)
        await context.wakeup.until_or(lambda: file.id not in self._pending, context.settings.pending_seconds)
        await context.wakeup.until(
            lambda: file.id not in self._pending or "pending" not in context.settings.hold
        )
        self._pending.discard(file.id)
        stored = self._stored.get(file.id)
        if stored is not None and stored.shown.status == "pending":
            self._with_status(stored, (armed and armed.fault.file_status) or "processed")

    def _with_status(self, stored: StoredFile, status: FileStatus) -> StoredFile:
        shown = msgspec.structs.replace(stored.shown, status=status)
        return self._put(msgspec.structs.replace(stored, shown=shown))

    def _put(self, stored: StoredFile) -> StoredFile:
        self._stored[stored.shown.id] = stored
        self._next_expiry = min(self._next_expiry, _expiry(stored))
        self._context.wakeup.notify()
        return stored

    def _expire(self) -> None:
        now = self._context.now()
        if now < self._next_expiry:
            return
        self._stored = {key: stored for key, stored in self._stored.items() if _expiry(stored) > now}
        self._next_expiry = min(map(_expiry, self._stored.values()), default=math.inf)


def _expiry(stored: StoredFile) -> float:
    return math.inf if stored.shown.expires_at is None else stored.shown.expires_at
