"""Uploads to Cloud Storage that go on over several requests, and what they write."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
from starlette.requests import ClientDisconnect

from .disk import Disk
from .execution import Written
from .json_values import JSON
from .replies import Interrupted
from .wire import ApiError

GRANULE = 256 * 1024
"""bytes: every chunk but the last has a multiple of them"""
PIECE = 1 << 20
"""bytes that are gathered before they are written"""


class ContentRange(msgspec.Struct, frozen=True, kw_only=True):
    """Which bytes of an object a request brings."""

    first: int | None
    """None: none, it asks how far the upload is"""
    last: int | None
    total: int | None
    """of the object; None: not told yet"""

    @property
    def completes(self) -> bool:
        """Whether the object is there with these bytes."""
        return self.last is not None and self.total is not None and self.last + 1 == self.total


def content_range(header: str | None) -> ContentRange:
    """What a `Content-Range` says; without one a request brings the whole object. Raises ApiError."""
    if header is None:
        return ContentRange(first=0, last=None, total=None)
    found = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", header.strip())
    if found is None:
        raise ApiError(400, f"Invalid value for the header Content-Range: {header}", code="invalid")
    first, last, total = found.groups()
    told = ContentRange(
        first=None if first is None else int(first),
        last=None if last is None else int(last),
        total=None if total == "*" else int(total),
    )
    if told.first is not None and told.last is not None and told.last < told.first:
        raise ApiError(400, f"Invalid value for the header Content-Range: {header}", code="invalid")
    return told


class UploadSession:
    """An upload in progress: the bytes that have come lie at `path`."""

    def __init__(
        self, bucket: str, name: str, resource: JSON, path: Path, generation_match: int | None
    ) -> None:
        self.id: str = secrets.token_urlsafe(64)
        self.bucket = bucket
        self.name = name
        self.resource = resource
        """what the client told of the object"""
        self.path = path
        self.generation_match = generation_match
        self.received = 0
        self.object_id: str | None = None
        """once it is complete"""


class Appender:
    """Writes to the end of a file that is kept; for threads, one call at a time."""

    def __init__(self, path: Path, offset: int) -> None:
        path.touch()
        self._file: BinaryIO = path.open("r+b")
        self._file.truncate(offset)
        self._file.seek(offset)

    def write(self, pending: bytearray) -> None:
        """Write what is pending and empty it."""
        self._file.write(pending)
        pending.clear()

    def close(self, size: int) -> None:
        """Close the file, cut to `size` bytes."""
        self._file.truncate(size)
        self._file.close()


async def receive(
    session: UploadSession, stream: AsyncIterator[bytes], disk: Disk, *, skip: int = 0, most: int
) -> None:
    """Write a body, less its first `skip` bytes, behind what the session has received.

    A body that is cut short leaves as much as makes a multiple of `GRANULE`. Raises ApiError for one that is
    too big, `starlette.requests.ClientDisconnect` or `Interrupted` if it is cut short.
    """
    appender = await disk.run(Appender, session.path, session.received)
    pending, size, kept = bytearray(), session.received, session.received
    try:
        async for chunk in stream:
            new = chunk[skip:]
            skip -= len(chunk) - len(new)
            pending += new
            size += len(new)
            if size > most:
                raise ApiError(413, "The object is too large.", code="uploadTooLarge")
            if len(pending) >= PIECE:
                await disk.run(appender.write, pending)
        kept = size
    except (ClientDisconnect, Interrupted):
        kept = max(kept, size - size % GRANULE)
        raise
    finally:
        await disk.run(appender.write, pending)
        await disk.run(appender.close, kept)
        session.received = kept


def measured(path: Path) -> tuple[Written, JSON]:
    """What lies at `path`, and what Cloud Storage tells of it beside its size; reads all of it."""
    try:
        import google_crc32c
    except ImportError as exc:
        message = "Cloud Storage's checksums need google-crc32c: pip install 'litebatch-asgi[vertex]'"
        raise ImportError(message) from exc
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    extended = cast("Callable[[int, bytes], int]", google_crc32c.extend)  # it has no types
    crc32c = size = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            sha256.update(piece)
            md5.update(piece)
            crc32c = extended(crc32c, piece)
            size += len(piece)
    written = Written(path=path, bytes=size, sha256=sha256.hexdigest())
    details: JSON = {
        "md5Hash": base64.b64encode(md5.digest()).decode(),
        "crc32c": base64.b64encode(crc32c.to_bytes(4)).decode(),
    }
    return written, details
