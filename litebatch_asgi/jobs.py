"""The seam to jobs as operators see them: over all batches.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from litebatch_asgi.models import Job, JobState


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs to list."""

    batch_id: str | None = None
    """all jobs of this batch; None: those of every batch that somebody has to look at again"""
    deployment_id: str | None = None
    """of these, those at this deployment"""
    states: frozenset[JobState] = frozenset()
    """of these, those in one of these states; empty: in any"""
    after: str | None = None
    """the id of the last job of the page before"""
    limit: int


class JobStore(Protocol):
    """Reads jobs; `Storage.change_batch` writes them.

    Every method may raise `StorageUnavailable`, and does when the storage is not open.
    """

    async def get(self, job_id: str) -> Job | None:
        """One job; None: it is not there."""
        ...

    async def list(self, query: JobQuery) -> list[Job]:
        """At most `limit` jobs in order of their ids, descending: those of the newest batches first."""
        ...
