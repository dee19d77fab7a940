"""The seam to what was learned of how many tokens deployments take at once.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

KEPT = timedelta(days=1)
"""How long a limit is remembered at the most."""


class LearnedLimit(msgspec.Struct, frozen=True, kw_only=True):
    """How many tokens a provider has said that it takes at once."""

    deployment_id: str
    model: str
    """by the provider's name: limits are of one model"""
    tokens: int
    """of all jobs that are open there together"""
    learned_at: datetime


class OpenTokens(msgspec.Struct, frozen=True, kw_only=True):
    """What is open at a deployment for a model."""

    deployment_id: str
    model: str
    """the virtual one"""
    tokens: int
    """of all its jobs that are waiting for the deployment, under way to it or running there; estimated"""
    jobs: int


class QuotaStore(Protocol):
    """Keeps the limits that refusals have named; times are by the database's clock.

    Every method may raise `StorageUnavailable`, and does when the storage is not open.
    """

    async def learn(self, deployment_id: str, model: str, tokens: int) -> None:
        """Keep a limit, learned now, in place of what was known. Forgets what is older than `KEPT`."""
        ...

    async def forget(self, deployment_id: str, model: str, *, below: int) -> bool:
        """Forget the limit if it is below so many tokens; whether there was such a one."""
        ...

    async def known(self, deployment_ids: Collection[str], seconds: float) -> list[LearnedLimit]:
        """Limits of these deployments that were learned within so many seconds, ordered by their keys."""
        ...

    async def open_tokens(self, deployment_ids: Collection[str]) -> list[OpenTokens]:
        """What is open at these deployments, in order of deployment and model; nothing where none is."""
        ...
