"""A file that a caller gives: bytes, a path, an open file, or any of them with a name."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from os import PathLike
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.sdk.disk import unnamed_file
from litebatch_asgi.threads import in_thread
from litebatch_asgi.wire.filenames import clean_filename

FileInput: TypeAlias = bytes | IO[bytes] | PathLike[str] | tuple[Any, ...]
"""As the stock client takes it; of a tuple the first is the name and the second the content."""

_READ_BYTES = 1 << 20
_BLOCK_BYTES = 256 << 10


class Source:
    """An open file of known size, which can be begun from its start as often as need be."""

    def __init__(self, file: IO[bytes], *, name: str, start: int, size: int) -> None:
        self.file = file
        self.name = name
        self.size = size
        self._start = start

    def rewound(self) -> IO[bytes]:
        """The file, at its start."""
        self.file.seek(self._start)
        return self.file

    async def blocks(self) -> AsyncIterator[bytes]:
        """The content from its start; disks are waited for in a thread."""
        for start in range(0, self.size, _READ_BYTES):
            piece = await in_thread(partial(self._read, start))
            for at in range(0, len(piece), _BLOCK_BYTES):
                yield piece[at : at + _BLOCK_BYTES]

    def _read(self, start: int) -> bytes:
        self.file.seek(self._start + start)
        return self.file.read(min(_READ_BYTES, self.size - start))


@asynccontextmanager
async def opened(given: FileInput, *, default_name: str) -> AsyncGenerator[Source]:
    """What a caller has given; files that the caller opened are not closed.

    Raises `TypeError` for what is no file, `InvalidRequest` for a path that cannot be read.
    """
    with ExitStack() as stack:
        yield await in_thread(lambda: stack.enter_context(_opened(given, default_name)))


@contextmanager
def _opened(given: FileInput, default_name: str) -> Generator[Source]:
    name, content = _named(given)
    with ExitStack() as stack:
        if isinstance(content, bytes | bytearray):
            file: IO[bytes] = io.BytesIO(content)
        elif isinstance(content, PathLike):
            path = Path(cast("PathLike[str]", content))
            name = name or path.name
            file = stack.enter_context(_path_opened(path))
        elif hasattr(content, "read"):
            name = name or _name_of(content)
            file = _seekable(content, stack)
        else:
            raise TypeError(
                "file must be bytes, a path (pathlib.Path), a file that was opened with 'rb', or a tuple "
                f"of a name and one of these, not {type(content).__name__}"
            )
        start = file.tell()
        size = file.seek(0, os.SEEK_END) - start
        yield Source(file, name=clean_filename(name or default_name), start=start, size=size)


def _named(given: FileInput) -> tuple[str | None, Any]:
    if not isinstance(given, tuple):
        return None, given
    parts: tuple[Any, ...] = given
    if len(parts) < 2:
        raise TypeError("file is a tuple of a name and a content, and has one of them only")
    return (None if parts[0] is None else str(parts[0])), parts[1]


def _name_of(file: Any) -> str | None:
    name = getattr(file, "name", None)
    return Path(name).name if isinstance(name, str) else None


def _path_opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as exc:
        raise InvalidRequest(f"The file {path} cannot be read: {exc}.", param="file") from exc


def _seekable(file: Any, stack: ExitStack) -> IO[bytes]:
    """The file itself, or a copy of what is left of one that cannot be begun anew."""
    if isinstance(file, io.TextIOBase):
        raise TypeError("file was opened as text: open it with mode 'rb'")
    if getattr(file, "seekable", lambda: False)():
        opened_file: IO[bytes] = file
        return opened_file
    copy = stack.enter_context(unnamed_file())
    shutil.copyfileobj(file, copy)
    copy.seek(0)
    return copy
