"""Contents that callers in process hand in, on their way into a spool."""

from __future__ import annotations

from contextlib import aclosing

import anyio

from litebatch_asgi.files.sources import UploadContent, blocks_of
from litebatch_asgi.models.limits import SizeCap
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.spool import Spool


async def spooled(runtime: Runtime, content: UploadContent, cap: SizeCap) -> Spool:
    """A finished spool with the content, for the caller to close.

    Raises `FileTooLarge`, `SpoolFull`, and whatever reading the content raises; then nothing stays behind.
    """
    spool = runtime.spooler.new()
    try:
        async with aclosing(blocks_of(content, runtime.in_executor)) as blocks:
            async for block in blocks:
                if spool.size + len(block) > cap.bytes:
                    raise cap.exceeded()
                await spool.write(block)
        await spool.finish()
    except BaseException:
        with anyio.CancelScope(shield=True):
            await spool.aclose()
        raise
    return spool
