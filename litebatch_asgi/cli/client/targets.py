"""Where results go: a file that is there whole or not at all, or stdout."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
import tempfile
from codecs import getincrementaldecoder
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from litebatch_asgi.cli.failing import CommandFailed
from litebatch_asgi.cli.telling import visible
from litebatch_asgi.errors import ConfigError

_BLOCK = 1 << 16


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
    except BrokenPipeError:  # who reads has gone away, which is no error
        raise
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror or error}") from error


@contextmanager
def writing(path: Path | None) -> Generator[BinaryIO]:
    """The same, and without a path a file that is printed on stdout once the block ends well."""
    if path is not None:
        with replacing(path) as target:
            yield target
        return
    with tempfile.TemporaryFile() as spool:
        yield spool
        spool.seek(0)
        _print(spool)


def _print(content: BinaryIO) -> None:
    """On a terminal control characters are spelled out."""
    if not sys.stdout.isatty():
        shutil.copyfileobj(content, sys.stdout.buffer, _BLOCK)
        sys.stdout.flush()
        return
    decoder, is_last = getincrementaldecoder("utf-8")("replace"), False
    while not is_last:
        is_last = not (block := content.read(_BLOCK))
        click.echo(visible(decoder.decode(block, final=is_last)), nl=False)
