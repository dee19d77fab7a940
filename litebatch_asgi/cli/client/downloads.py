"""Results on their way here: whole, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from litebatch_asgi.cli.client.connection import Connection
from litebatch_asgi.cli.client.errors import NoAnswer, Refused
from litebatch_asgi.cli.client.screen import Screen
from litebatch_asgi.cli.failing import CommandFailed
from litebatch_asgi.errors import ConfigError


class RowCount:
    """Counts the lines of content that comes in blocks; blank ones are none."""

    def __init__(self) -> None:
        self._ended = 0
        self._is_open = False

    @property
    def rows(self) -> int:
        """So far, the one that has not ended among them."""
        return self._ended + self._is_open

    def feed(self, block: bytes) -> None:
        """Take the next bytes."""
        *lines, rest = block.split(b"\n")
        for line in lines:
            self._ended += self._is_open or bool(line.strip())
            self._is_open = False
        self._is_open = self._is_open or bool(rest.strip())


def is_same(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same place, wherever links lead."""
    return os.path.realpath(one) == os.path.realpath(other)


def check_writable(path: Path) -> None:
    """Raise `ConfigError` where `replacing` could not write, as far as that can be seen before."""
    folder = Path(os.path.realpath(path)).parent
    why: str | None = None
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        kind = stat.S_IFREG
    except OSError as error:
        kind, why = 0, error.strerror
    if kind == stat.S_IFDIR:
        why = "it is a folder"
    elif kind == stat.S_IFREG and not folder.is_dir():
        why = f"there is no folder {path.parent}"
    elif kind == stat.S_IFREG and not os.access(folder, os.W_OK | os.X_OK):
        why = "nothing may be made in its folder"
    if why is not None:
        raise ConfigError(f"{path} cannot be written: {why}")


@contextmanager
def replacing(path: Path) -> Generator[BinaryIO]:
    """A file to write to, which takes the place of `path` once the block ends well.

    What is no file, such as a pipe, is written to at the end. Raises `CommandFailed` if it cannot be written.
    """
    try:
        if path.exists() and not path.is_file():
            with tempfile.TemporaryFile() as stream, path.open("wb") as pipe:
                yield stream
                stream.seek(0)
                shutil.copyfileobj(stream, pipe)
            return
        target = Path(os.path.realpath(path))
        part = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
        try:
            with part.open("xb") as stream:
                if target.exists():
                    os.fchmod(stream.fileno(), stat.S_IMODE(target.stat().st_mode))
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror or error}") from error


def download(connection: Connection, file_id: str, target: BinaryIO, screen: Screen) -> int:
    """Write the content of a file of the server into an empty `target`, again from the start if it is cut.

    Returns how many lines it has.
    """
    failed = 0
    while True:
        try:
            return _once(connection, file_id, target, screen)
        except (NoAnswer, Refused) as error:
            failed += 1
            connection.rest(failed, error, f"reading {file_id}")
        target.seek(0)
        target.truncate()


def _once(connection: Connection, file_id: str, target: BinaryIO, screen: Screen) -> int:
    count, size = RowCount(), 0
    with (
        connection.stream(f"/files/{quote(file_id, safe='')}/content") as stream,
        screen.moving("downloading", stream.size) as seen,
    ):
        for block in stream.blocks:
            target.write(block)
            count.feed(block)
            size += len(block)
            seen(size)
    return count.rows
