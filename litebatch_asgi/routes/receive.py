"""Receiving an upload: on disk as it arrives, never in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import Request

from litebatch_asgi.models import Settings
from litebatch_asgi.models.limits import SizeCap
from litebatch_asgi.routes.multipart import (
    MAX_FORM_BYTES,
    Received,
    UploadParser,
    boundary_of,
)
from litebatch_asgi.routes.pace import UploadPace
from litebatch_asgi.spool import Spool
from litebatch_asgi.wire.names import Pairs


async def receive_upload(
    request: Request,
    spool: Spool,
    *,
    cap: SizeCap,
    settings: Settings,
    field: str = "file",
    before_file: Callable[[Pairs], None] | None = None,
) -> Received:
    """Read the body of an upload and finish `spool` with the bytes of its file, which is called `field`.

    Fields come in any order (openai-python sends the file last, openai-node first), with or without a
    Content-Length. `before_file` sees those that come before the file, and may raise, before anything of the
    file is kept. Raises `FileTooLarge` as soon as that is certain, `InvalidRequest` for a body that is
    not a whole form with exactly one file, `RequestTimeout` for one that comes too slowly for `settings`, and
    Starlette's `ClientDisconnect` when the client leaves.
    """
    boundary = boundary_of(request.headers.get("content-type"))
    parser = UploadParser(boundary, cap=cap, field=field, before_file=before_file)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > cap.bytes + MAX_FORM_BYTES:
        raise cap.exceeded()
    clock = asyncio.get_running_loop().time
    pace = UploadPace(settings, clock())
    chunks = request.stream()
    while True:
        began = clock()
        try:
            async with asyncio.timeout(pace.left(began)):
                chunk = await anext(chunks, None)
        except TimeoutError as error:
            raise pace.refusal(clock()) from error
        if chunk is None:
            break
        pace.received(len(chunk), waited=clock() - began)
        for piece in parser.feed(chunk):
            await spool.write(piece)
    received = parser.received()
    await spool.finish()
    return received
