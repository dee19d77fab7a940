"""The bytes of a file, from wherever they are."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from litebatch_asgi.errors import (
    NotFound,
    ProviderError,
    ProviderNotFound,
    Unavailable,
)
from litebatch_asgi.files.live_rows import row_blocks
from litebatch_asgi.files.origin import Origin
from litebatch_asgi.files.stored import stored_blocks
from litebatch_asgi.jsonl import FileDigest, LineSet, Selected
from litebatch_asgi.models import File, FileKind, FilePart, FileState, PartKind, Shard
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)


class ContentReader:
    """Streams what a client may read, and what settling reads."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._origin = Origin(runtime)

    async def blocks(self, state: FileState) -> AsyncGenerator[bytes]:
        """The whole content, exactly `file.bytes` long; anything else ends in an error, never short."""
        is_input = state.file.kind is FileKind.INPUT
        blocks = self._input(state, self._origin.blocks(state)) if is_input else self._parts(state.file)
        sent = 0
        async for block in blocks:
            sent += len(block)
            yield block
        if sent != state.file.bytes:
            raise Unavailable(f"{state.file.id}: {sent} of {state.file.bytes} bytes came")

    async def shard_blocks(self, state: FileState, shard: Shard) -> AsyncGenerator[bytes]:
        """The same of one shard of an input: exactly `shard.bytes`, or it ends in an error."""
        async with aclosing(self._input(state, self._origin.shard_blocks(state, shard))) as blocks:
            async for block in blocks:
                yield block

    async def selected(self, state: FileState, tile: Shard, lines: LineSet) -> Selected:
        """What some of the lines of a tile of an input come to, found out by reading them."""
        try:
            return await self._origin.selected(state, tile, lines)
        except ProviderError as error:
            raise _unreadable(state.file, error) from error

    async def _input(self, state: FileState, read: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        try:
            async with aclosing(read) as blocks:
                async for block in blocks:
                    yield block
        except ProviderError as error:
            raise _unreadable(state.file, error) from error

    async def _parts(self, file: File) -> AsyncGenerator[bytes]:
        async for part in self._runtime.storage.file_parts(file.id):
            if part.kind is PartKind.INLINE:
                assert part.rows is not None
                yield part.rows
                continue
            if part.kind is PartKind.STORED:
                async with aclosing(stored_blocks(self._runtime, part)) as blocks:
                    async for block in blocks:
                        yield block
                continue
            if part.kind is PartKind.ROWS:
                async for block in self._rows(file, part):
                    yield block
                continue
            try:
                async for block in self._part(part):
                    yield block
            except ProviderError as error:
                raise _unreadable(file, error) from error

    async def _rows(self, file: File, part: FilePart) -> AsyncGenerator[bytes]:
        assert part.job_id is not None
        async with aclosing(row_blocks(self._runtime, part.job_id, file.kind)) as blocks:
            async for block in _as_settled(blocks, part):
                yield block

    async def _part(self, part: FilePart) -> AsyncGenerator[bytes]:
        assert part.provider_file_id is not None
        adapter = self._runtime.fleet.adapter(part.deployment_id)
        async with adapter.stream_file(part.provider_file_id) as stream:
            async for block in _as_settled(stream.blocks, part):
                yield block
            if part.end_line:
                yield b"\n"


async def _as_settled(blocks: AsyncIterator[bytes], part: FilePart) -> AsyncGenerator[bytes]:
    """The bytes that settling has counted, the last of them only once all are known to be the same."""
    digest = FileDigest()
    held = b""
    async for block in _first(blocks, part.provider_bytes):
        if held:
            yield held
        digest.feed(block)  # at once: a thread would take longer to begin
        held = block
    if part.digest is not None and digest.hexdigest() != part.digest:
        where = {"file_id": part.file_id, "deployment": part.deployment_id}
        logger.warning("a provider's result file has changed", extra=where)
        raise Unavailable(
            f"The content of {part.file_id} is not what it was when its batch ended. Try again later."
        )
    if held:
        yield held


async def _first(blocks: AsyncIterator[bytes], size: int | None) -> AsyncGenerator[bytes]:
    """What settling has counted; where a provider gave less than it has, the rest holds nothing of ours."""
    left = size
    async for block in blocks:
        if left is None:
            yield block
        elif left:
            yield block[:left]
            left = max(0, left - len(block))


def _unreadable(file: File, error: ProviderError) -> NotFound | Unavailable:
    if isinstance(error, ProviderNotFound):
        return NotFound(f"The content of {file.id} is no longer available at its provider.", param="id")
    return Unavailable(f"The content of {file.id} cannot be read at the moment. Try again later.")
