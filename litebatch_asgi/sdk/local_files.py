"""Inputs of batches at providers that keep no files: they wait in this machine's temporary folder.

Only the user who made them can read them, here, and until the folder is cleaned up.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from litebatch_asgi.errors import NotFound
from litebatch_asgi.models import ProviderFile, ProviderFileStatus

_PREFIX = "litebatch-local-"
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_NAME = re.compile(r"file-local-([0-9a-z_]{8,})")


def is_local(file_id: str) -> bool:
    """Whether an id names a file of this machine."""
    return _NAME.fullmatch(file_id) is not None


def keep(file: IO[bytes]) -> str:
    """Copy a file; the id of the copy."""
    descriptor, path = tempfile.mkstemp(prefix=_PREFIX, suffix=".jsonl")
    with os.fdopen(descriptor, "wb") as target:
        shutil.copyfileobj(file, target, 1 << 20)
    return _id(Path(path))


def look_at(file_id: str) -> ProviderFile:
    """The file. Raises `NotFound`."""
    with opened(file_id) as file:
        found = os.fstat(file.fileno())
    return ProviderFile(
        id=file_id,
        filename=_path(file_id).name,
        bytes=found.st_size,
        status=ProviderFileStatus.READY,
        created_at=datetime.fromtimestamp(found.st_mtime, UTC),
        purpose="batch",
    )


@contextmanager
def opened(file_id: str) -> Generator[IO[bytes]]:
    """The file, to be read. Raises `NotFound`."""
    try:
        # No link and no pipe: in a folder that all users share, somebody else may have put one there.
        descriptor = os.open(_path(file_id), os.O_RDONLY | _SAFELY)
    except OSError as exc:
        raise _gone(file_id) from exc
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
            raise _gone(file_id)
        yield file


def remove(file_id: str) -> None:
    """Delete the file; one that is gone already is no error. Raises `NotFound` for one of another user."""
    try:
        with opened(file_id):
            pass
    except NotFound:
        if not _path(file_id).is_file():
            return
        raise
    _path(file_id).unlink(missing_ok=True)


def listed() -> list[ProviderFile]:
    """All of them, the newest first."""
    found: list[ProviderFile] = []
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*.jsonl"):
        try:
            found.append(look_at(_id(path)))
        except NotFound:
            continue
    return sorted(found, key=lambda file: (file.created_at, file.id), reverse=True)


def _id(path: Path) -> str:
    return f"file-local-{path.name.removeprefix(_PREFIX).removesuffix('.jsonl')}"


def _path(file_id: str) -> Path:
    return Path(tempfile.gettempdir()) / f"{_PREFIX}{file_id.removeprefix('file-local-')}.jsonl"


def _gone(file_id: str) -> NotFound:
    return NotFound(
        f"There is no file {file_id} in this machine's temporary folder, where inputs for this provider are "
        "kept: it keeps no files itself. Create the file again, on the machine that creates the batch."
    )
