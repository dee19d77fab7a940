"""The seam to the shards of batch inputs that are no tiles: those come with their file, see `FileState`.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from typing import Protocol

from litebatch_asgi.models import Shard


class ShardStore(Protocol):
    """Reads shards; they never change. `Storage.change_batch` and `Storage.create_batch` write derived ones.

    Every method may raise `StorageUnavailable`, and does when the storage is not open.
    """

    async def get(self, file_id: str, shard: int) -> Shard | None:
        """A shard of a file, be it a tile or a derived one; None: it is not there."""
        ...

    async def of_batch(self, batch_id: str) -> list[Shard]:
        """The derived shards of a batch, in order of their numbers."""
        ...
