"""Receiving an upload: on disk as it arrives, never in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from starlette.requests import Request

from litebatch_asgi.errors import RateLimited, RequestTimeout
from litebatch_asgi.routes.multipart import (
    MAX_FORM_BYTES,
    Received,
    UploadParser,
    boundary_of,
    too_large,
)
from litebatch_asgi.spool import Spool

STALL_SECONDS = 120.0
"""how long a client may be silent: a connection that died without a word must not keep its slot"""


class UploadSlots:
    """How many uploads may be received at once."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    @contextmanager
    def taken(self) -> Generator[None]:
        """Take a slot for as long as the block lasts; `RateLimited` when there is none."""
        if self._free <= 0:
            raise RateLimited("Too many uploads are under way, try again in a moment.")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


async def receive_upload(
    request: Request, spool: Spool, *, max_file_bytes: int, stall_seconds: float = STALL_SECONDS
) -> Received:
    """Read the body of an upload and finish `spool` with the file's bytes.

    Fields come in any order (openai-python sends the file last, openai-node first), with or without a
    Content-Length. Raises `FileTooLarge` as soon as that is certain, `InvalidRequest` for a body that is
    not a whole form with exactly one file, `RequestTimeout` after `stall_seconds` of silence, and Starlette's
    `ClientDisconnect` when the client leaves.
    """
    parser = UploadParser(boundary_of(request.headers.get("content-type")), max_file_bytes=max_file_bytes)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_file_bytes + MAX_FORM_BYTES:
        raise too_large(max_file_bytes)
    clock = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(stall_seconds) as patience:
            async for chunk in request.stream():
                for piece in parser.feed(chunk):
                    await spool.write(piece)
                patience.reschedule(clock() + stall_seconds)
    except TimeoutError as error:
        raise RequestTimeout(f"No more of the upload came for {stall_seconds:g} seconds.") from error
    received = parser.received()
    await spool.finish()
    return received
