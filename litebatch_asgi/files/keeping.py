"""Keeping: bytes go into a content store, and a part of a file names them, or they are deleted again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import anyio

from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.failpoints import hit, passing
from litebatch_asgi.models import Content, FilePart, PartKind
from litebatch_asgi.models.ids import CONTENT_PREFIX, new_id
from litebatch_asgi.runtime import Runtime

T = TypeVar("T")

_GIVE_UP_SECONDS = 2.0
"""how long saying that contents are not needed may take"""


class Kept:
    """Bytes that are in a store, and not named yet."""

    def __init__(self, content: Content, size: int) -> None:
        self.key: str = content.key
        self.store: str = content.store
        self.size = size

    def part(self, file_id: str, seq: int) -> FilePart:
        """The part of a file that names them."""
        return FilePart(
            file_id=file_id,
            seq=seq,
            kind=PartKind.STORED,
            bytes=self.size,
            content_key=self.key,
            store=self.store,
        )


class ContentWriter:
    """Writes contents for one transaction, which names all of them; their claims are kept until then."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._contents: list[Content] = []

    @classmethod
    async def run(cls, runtime: Runtime, work: Callable[[ContentWriter], Awaitable[T]]) -> T:
        """Do work that puts contents and ends with the transaction that names them.

        Where it raises they are given up. Raises what the work does, `StorageUnavailable` and
        `StoreUnavailable`.
        """
        writer = cls(runtime)
        try:
            return await runtime.leases.run_many(writer._contents, partial(work, writer))
        except BaseException:
            await writer._give_up()
            raise

    @classmethod
    async def probe(cls, runtime: Runtime) -> None:
        """Write a byte, to be deleted again. Raises `StoreUnavailable` where nothing can be written now."""
        writer = cls(runtime)
        try:
            await runtime.leases.run_many(writer._contents, lambda: writer.put(_a_byte()))
        finally:
            await writer._give_up()

    async def put(self, blocks: AsyncIterator[bytes]) -> Kept:
        """Write blocks into the store that new contents go to, a row first."""
        runtime = self._runtime
        now = runtime.now()
        content = Content(
            key=new_id(CONTENT_PREFIX),
            store=runtime.stores.current,
            created_at=now,
            next_check_at=now,
            claimed_by=runtime.worker,
        )
        rows = runtime.storage.contents
        self._contents.append(await rows.begin(content, lease_seconds=runtime.settings.lease_seconds))
        await passing("content.begun")
        size = await runtime.stores.store(content.store).put(content.key, blocks)
        hit("content.put")
        return Kept(content, size)

    async def _give_up(self) -> None:
        """Have deleted what was written; where that cannot be said, the claims lapse."""
        if self._contents:
            with anyio.move_on_after(_GIVE_UP_SECONDS, shield=True), suppress(StorageUnavailable):
                await self._runtime.storage.contents.abandon(self._contents)


async def _a_byte() -> AsyncGenerator[bytes]:
    yield b"\n"
