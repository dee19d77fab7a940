"""Learned limits in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from litebatch_asgi.models import Job
from litebatch_asgi.quotas import KEPT, LearnedLimit, OpenTokens
from litebatch_asgi.testing.tables import OPEN_JOBS, Tables


class MemoryQuotaStore:
    """A `QuotaStore` that lives as long as the object does."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._limits: dict[tuple[str, str], LearnedLimit] = {}

    async def learn(self, deployment_id: str, model: str, tokens: int) -> None:
        """See `QuotaStore.learn`."""
        self._tables.check_open()
        now = datetime.now(UTC)
        limit = LearnedLimit(deployment_id=deployment_id, model=model, tokens=tokens, learned_at=now)
        kept = {key: each for key, each in self._limits.items() if each.learned_at >= now - KEPT}
        self._limits = {**kept, (deployment_id, model): limit}

    async def forget(self, deployment_id: str, model: str, *, below: int) -> bool:
        """See `QuotaStore.forget`."""
        self._tables.check_open()
        limit = self._limits.get((deployment_id, model))
        if limit is None or limit.tokens >= below:
            return False
        del self._limits[deployment_id, model]
        return True

    async def known(self, deployment_ids: Collection[str], seconds: float) -> list[LearnedLimit]:
        """See `QuotaStore.known`."""
        self._tables.check_open()
        since = datetime.now(UTC) - timedelta(seconds=seconds)
        return [
            limit
            for (where, _), limit in sorted(self._limits.items())
            if where in deployment_ids and limit.learned_at > since
        ]

    async def open_tokens(self, deployment_ids: Collection[str]) -> list[OpenTokens]:
        """See `QuotaStore.open_tokens`."""
        self._tables.check_open()
        found: dict[tuple[str, str], list[Job]] = defaultdict(list)
        for job in self._tables.jobs.values():
            if job.deployment_id in deployment_ids and job.state in OPEN_JOBS:
                assert job.deployment_id is not None
                found[job.deployment_id, self._tables.batches[job.batch_id].model].append(job)
        return [
            OpenTokens(
                deployment_id=where, model=model, tokens=sum(job.tokens for job in jobs), jobs=len(jobs)
            )
            for (where, model), jobs in sorted(found.items())
        ]
