"""The content store that every database is: chunks of 1 MiB, each written and deleted by itself.

No transaction holds more than a few of them, so that other writers have their turn in between.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import anyio.lowlevel

from litebatch_asgi.contents import CHUNK_BYTES, ContentRows, check_key
from litebatch_asgi.errors import ContentMissing

DELETED_AT_ONCE = 2
"""chunks that one transaction deletes"""


class DatabaseContentStore:
    """A `ContentStore` in a storage's own database; what is put must have a row that says so."""

    def __init__(self, rows: ContentRows) -> None:
        self._rows = rows

    async def open(self) -> None:
        """See `ContentStore.open`: the storage is."""

    async def aclose(self) -> None:
        """See `ContentStore.aclose`: whoever opened the storage closes it."""

    async def put(self, key: str, blocks: AsyncIterator[bytes]) -> int:
        """See `ContentStore.put`."""
        check_key(key)
        filling, seq = bytearray(), 0
        async for block in blocks:
            filling += block
            while len(filling) >= CHUNK_BYTES:
                await self._rows.put_chunk(key, seq, bytes(filling[:CHUNK_BYTES]))
                del filling[:CHUNK_BYTES]
                seq += 1
        if filling or not seq:  # of nothing there is a chunk as well: it is there, and empty
            await self._rows.put_chunk(key, seq, bytes(filling))
        return seq * CHUNK_BYTES + len(filling)

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes]:
        """See `ContentStore.get`."""
        check_key(key)
        head = await self._rows.get_chunk(key, 0)
        if head is None:
            raise ContentMissing(f"The database has no content {key}.")
        seq = start // CHUNK_BYTES
        while end is None or seq * CHUNK_BYTES < end:
            chunk = head if seq == 0 else await self._rows.get_chunk(key, seq)
            if chunk is None:
                return
            head, first = b"", seq * CHUNK_BYTES  # it is not held while the rest is read
            block = chunk[max(0, start - first) : None if end is None else end - first]
            if block:
                yield block
            if len(chunk) < CHUNK_BYTES:
                return
            seq += 1

    async def delete(self, key: str) -> None:
        """See `ContentStore.delete`: a few chunks at a time."""
        check_key(key)
        while await self._rows.delete_chunks(key, limit=DELETED_AT_ONCE) == DELETED_AT_ONCE:
            await anyio.lowlevel.checkpoint()
