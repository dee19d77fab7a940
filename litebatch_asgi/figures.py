"""The seam to what is counted over all processes, for gauges: how much is open, and how late what is due is.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from typing import Protocol

from litebatch_asgi.models import BatchStatus, Work


class FigureStore(Protocol):
    """Counts what is not over; each method is one statement, which walks past none of what has ended.

    Every method may raise `StorageUnavailable`, and does when the storage is not open.
    """

    async def open_batches(self) -> dict[BatchStatus, int]:
        """By status, the batches that have not ended; a status that none has may be left out."""
        ...

    async def late(self) -> dict[Work | None, float]:
        """By kind of work, for how many seconds the longest due row has been due, by the database's clock.

        Of jobs, and of copies under None. Due is what a claim would give out, wherever it is; a kind of which
        nothing is due is left out.
        """
        ...
