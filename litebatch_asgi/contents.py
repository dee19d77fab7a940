"""The seams to content stores: bytes that no provider keeps for us, and the rows that say what is where.

A row comes first. Whoever writes a content inserts a row in the state `writing`, under a claim that is
renewed while the bytes are written; the transaction that names the key in a part of a file turns the row into
`kept`, or fails. What nothing names, because its writer was lost or because its file went, is found by its
row alone, and deleted before the row is: no store is ever asked what it has.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance`: those of
`ContentRows` by `StorageConformance`, those of `ContentStore` by `ContentStoreConformance`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Protocol

from litebatch_asgi.models import Content

CHUNK_BYTES = 1 << 20
"""What one row of a content in the database holds; the last one less."""
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")


def check_key(key: str) -> str:
    """The key, if no store can take it for anything but a plain name. Raises `ValueError`."""
    if _KEY.fullmatch(key) is None:
        raise ValueError(f"{key!r} cannot be the key of a content")
    return key


class ContentStore(Protocol):
    """Keeps bytes under keys, for any number of processes that are configured alike.

    Keys are ours, see `check_key`, and never written a second time. Every method may raise
    `StoreUnavailable`, which says nothing about what was done. What `put` has returned for lasts, whatever
    breaks down afterwards; of one that has raised, or was cancelled, anything may be there until the key is
    deleted.
    """

    async def open(self) -> None:
        """Make ready for use. Raises `ConfigError` for what cannot be used."""
        ...

    async def aclose(self) -> None:
        """Close what `open` opened."""
        ...

    async def put(self, key: str, blocks: AsyncIterator[bytes]) -> int:
        """Write blocks of any size one after the other, and return how many bytes they were.

        Holds a few MiB of them in memory at most. What the blocks raise passes through.
        """
        ...

    def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes]:
        """The bytes from `start` up to `end`, or to the last one, in blocks.

        A range that reaches beyond the end stops there. Raises `ContentMissing`, before the first block, if
        the key is not there.
        """
        ...

    async def delete(self, key: str) -> None:
        """Delete what there is under a key, in whole or in part; nothing may be there."""
        ...


class ContentRows(Protocol):
    """The rows of contents, and the bytes of those that are in the database itself.

    Every method may raise `StorageUnavailable`, and does when the storage is not open; all times are by the
    database's clock. A row that is `writing` is claimed by its writer; `ClaimStore.renew` lets the claim run
    on. `Storage.change_batch`, `create_batch` and `change_file` turn the contents that their parts name from
    `writing` into `kept`, each with the bytes of its part, and raise `StateConflict`, with nothing written,
    if one of them is in another state: none is named twice. `UploadStore.add_part` does the same. Contents
    become `deleting`, due at once, in the transaction that removes the parts that name them: with the row of
    their file, or as soon as that is written with a `deleted_at` and no open batch reads it.
    """

    async def begin(self, content: Content, *, lease_seconds: float) -> Content:
        """Insert a row, claimed by its `claimed_by` for so many seconds; returned as written.

        Raises `StateConflict` if the key is there already.
        """
        ...

    async def get(self, key: str) -> Content | None:
        """The row of a content."""
        ...

    async def abandon(self, contents: Sequence[Content]) -> None:
        """Give up those that are still `writing` and held, with the same epoch: they are `deleting`, and due.

        Nobody writes them any more, so that none is watched.
        """
        ...

    async def claim_due(
        self,
        worker: str,
        *,
        stores: Collection[str],
        limit: int,
        lease_seconds: float,
        watch_seconds: float,
    ) -> list[Content]:
        """Claim at most `limit` due contents in these stores, to be deleted; those longest due first.

        Due is one whose `next_check_at` has come and that nobody has a running claim on. Claiming makes it
        `deleting` and raises `epoch` by one. One that was `writing` is to be watched, for its writer may wake
        up: `watch_until` is so many seconds from now. Two claims never give out the same while a lease runs.
        """
        ...

    async def postpone(self, content: Content, due: datetime) -> None:
        """Give a claim back, to be due again then. Raises `StateConflict` if it is not held any more."""
        ...

    async def remove(self, content: Content) -> None:
        """Remove a row that is `deleting`, its bytes being gone.

        Raises `StateConflict` if it is not held any more, with the same epoch, or has chunks left.
        """
        ...

    async def outgrown(self, store: str) -> int | None:
        """The bytes of all contents in a store, where they are more than this database is good for."""
        ...

    async def put_chunk(self, key: str, seq: int, chunk: bytes) -> None:
        """Write a piece of a content, counted from 0.

        Raises `StateConflict` if the content is not `writing`, or the piece is there already.
        """
        ...

    async def get_chunk(self, key: str, seq: int) -> bytes | None:
        """A piece of a content."""
        ...

    async def delete_chunks(self, key: str, *, limit: int) -> int:
        """Delete at most `limit` pieces of a content; how many there were."""
        ...
