"""The seam to what is counted over all processes, for gauges: what is open, late, and still to be told.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from litebatch_asgi.models import BatchStatus, Work

WEBHOOKS = "webhooks"
"""stands for all endpoints of webhooks together, of which there may be any number"""


class Untold(msgspec.Struct, frozen=True, kw_only=True):
    """What a sink has not taken."""

    pending: int
    dead: int
    oldest_seconds: float
    """for how long the oldest pending delivery has been there; 0: there is none"""


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

    async def untold(self, most: int) -> dict[str, Untold]:
        """What each registered sink has not taken yet, by the database's clock.

        All endpoints of webhooks (whose ids are the names of their sinks) are one, `WEBHOOKS`, which is
        always there; one that is disabled or gone has nothing pending. Nothing is counted further than to
        `most`, and no more rows than that are read of each sink and endpoint.
        """
        ...
