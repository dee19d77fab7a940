"""The seam by which rows that nobody needs any more are removed, in small steps.

A step looks at some rows in order of their age, removes those that may go, and says where the next one
begins: what has to stay for a while holds up nothing that is behind it. Any number of processes may take
steps at once.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was looked at: its time, and its id."""

    at: datetime
    id: str


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What a step has done."""

    removed: int
    """how many batches, files or keys are gone"""
    after: Place | None
    """where the next step begins; None: there is nothing behind"""


class PruningStore(Protocol):
    """Removes what is old.

    Every method may raise `StorageUnavailable`, and does when the storage is not open.
    """

    async def ended_batches(self, before: datetime, *, after: Place | None, limit: int) -> Pruned:
        """Remove batches that have ended before that, with their jobs and events; charges and sums stay.

        Looks at the next `limit` batches that were created before, in order of (created_at, id). One stays
        that has not ended, of which somebody has to look at a job again or to deliver an event, or of which a
        result file is there that is not deleted; of the last one the provider's words on settled jobs are
        dropped all the same.
        """
        ...

    async def deleted_files(self, before: datetime, *, after: Place | None, limit: int) -> Pruned:
        """Remove the rows of files that were deleted before that, with their copies, parts and events.

        Looks at the next `limit` of them, in order of (deleted_at, id). One stays that an open batch reads,
        or of which somebody has to look at a copy again or to deliver an event.
        """
        ...

    async def idempotency_keys(self, before: datetime, *, limit: int) -> int:
        """Remove at most `limit` idempotency keys that were taken before that; how many are gone."""
        ...

    async def operator_events(self, before: datetime, *, limit: int) -> int:
        """Remove old events that are about no batch and no file, and what is kept so that each is told once.

        Of each at most `limit`: events that were made before that and are not to be delivered any more; what
        was told until before that; budgets of scopes in which no batch was created since, and none is open.
        How many of that went of which most went.
        """
        ...
