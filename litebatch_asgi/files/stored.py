"""Parts that are in a content store."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from litebatch_asgi.errors import ContentMissing
from litebatch_asgi.models import FilePart, FileState, PartKind, UploadPart
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)


async def stored_blocks(
    runtime: Runtime, part: FilePart | UploadPart, start: int = 0, end: int | None = None
) -> AsyncGenerator[bytes]:
    """The bytes of a stored part from `start` to `end`, None: to its end.

    Raises `StoreGone` or `StoreUnavailable`.
    """
    assert part.content_key is not None
    store = runtime.stores.store(part.store)
    try:
        async with aclosing(store.get(part.content_key, start, part.bytes if end is None else end)) as blocks:
            async for block in blocks:
                yield block
    except ContentMissing:
        of = part.file_id if isinstance(part, FilePart) else part.upload_id
        told = {"of": of, "content": part.content_key, "store": part.store}
        logger.exception("a content store has lost a content", extra=told)
        raise


async def original_of(runtime: Runtime, state: FileState) -> FilePart | None:
    """The part that an input's original is, where that is kept."""
    parts = [part async for part in runtime.storage.file_parts(state.file.id)]
    return next((part for part in parts if part.kind is PartKind.STORED), None)
