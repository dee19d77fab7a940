"""Temporary files, written off the event loop."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from functools import partial
from typing import IO

from litebatch_asgi.sdk.content import BLOCK_BYTES, FileContent
from litebatch_asgi.threads import in_thread


def unnamed_file() -> IO[bytes]:
    """A temporary file, to be closed."""
    return tempfile.TemporaryFile(prefix="litebatch-")


async def kept(blocks: AsyncIterator[bytes]) -> FileContent:
    """Blocks as a content."""
    file = await in_thread(unnamed_file)
    try:
        size = await write_blocks(blocks, file)
    except BaseException:
        file.close()
        raise
    return FileContent(file, size)


async def write_blocks(blocks: AsyncIterator[bytes], file: IO[bytes]) -> int:
    """Write blocks to a file, off the event loop; how many bytes they had."""
    size, held = 0, bytearray()
    async for block in blocks:
        held += block
        if len(held) >= BLOCK_BYTES:
            size += await in_thread(partial(file.write, bytes(held)))
            held.clear()
    return size + await in_thread(partial(_end, file, bytes(held)))


def _end(file: IO[bytes], content: bytes) -> int:
    file.write(content)
    file.flush()
    return len(content)
