"""Files on their way to a server: read block by block, as the parts of a form."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from litebatch_asgi.cli.failing import CommandFailed
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.jsonl import CheckedFile, Splicer, json_string, spliced_size

_BLOCK = 1 << 18
_ESCAPES = {'"': "%22", "\r": "%0D", "\n": "%0A"}
"""in the name of a file. Source: HTML, "multipart/form-data" """


class Rewriting(Protocol):
    """What is written into a file as it is read."""

    def feed(self, block: bytes) -> bytes:
        """What becomes of the next bytes."""
        ...


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A file of this machine."""

    path: Path
    size: int
    """bytes that it has, and that are sent"""
    sha256: str | None = None
    """hex; None: whatever it is when it is read"""
    lines: CheckedFile | None = None
    """of a checked file that gets another model"""
    model: str | None = None
    """what is written into its lines; None: it is sent as it is"""

    @property
    def sent_size(self) -> int:
        """Bytes that are sent."""
        if self.lines is None or self.model is None:
            return self.size
        return spliced_size(self.size, self.lines.lines, self.lines.model, self.model)

    def blocks(self) -> Iterator[bytes]:
        """What is sent. Raises `CommandFailed` if the file is not what it was any more."""
        digest, left, splicer = hashlib.sha256(), self.size, self._splicer()
        with self.path.open("rb") as file:
            while left and (block := file.read(min(_BLOCK, left))):
                left -= len(block)
                digest.update(block)
                yield block if splicer is None else splicer.feed(block)
        if left or (self.sha256 is not None and digest.hexdigest() != self.sha256):
            raise CommandFailed(
                f"{self.path} was changed while it was sent: nothing was made of it; try again"
            )

    def _splicer(self) -> Rewriting | None:
        if self.lines is None or self.model is None:
            return None
        return Splicer(self.lines.spans, len(json_string(self.lines.model)), json_string(self.model))


def source_of(path: Path) -> Source:
    """A file as it is. Raises `ConfigError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            if not file.seekable():
                raise ConfigError(f"{path} is no file, and its size is not known: write it into one")
            return Source(path=path, size=file.seek(0, 2))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None


class Form:
    """A `Content` of form fields and one file; `seen` is given the number of the file's bytes sent so far."""

    def __init__(
        self, source: Source, fields: Sequence[tuple[str, str]], seen: Callable[[int], object] = id
    ) -> None:
        self._source = source
        self._seen = seen
        boundary = secrets.token_hex(16)
        name = "".join(_ESCAPES.get(letter, letter) for letter in source.path.name)
        parts = [
            f'--{boundary}\r\ncontent-disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
            for field, value in fields
        ]
        parts.append(
            f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n'
            "content-type: application/octet-stream\r\n\r\n"
        )
        self._head = "".join(parts).encode(errors="surrogateescape")
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.headers: Mapping[str, str] = {
            "content-type": f"multipart/form-data; boundary={boundary}",
            "content-length": str(len(self._head) + source.sent_size + len(self._tail)),
        }

    def blocks(self) -> Iterator[bytes]:
        """All of it, from the start each time."""
        sent = 0
        self._seen(sent)
        yield self._head
        for block in self._source.blocks():
            yield block
            sent += len(block)
            self._seen(sent)
        yield self._tail
