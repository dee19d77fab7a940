"""Paces: how quickly each deployment was, as this process has read it lately."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from datetime import datetime

import anyio

from litebatch_asgi.jobs import DeploymentRecord, JobStore
from litebatch_asgi.throughput import LAST_JOBS, requests_per_second


class Paces:
    """What the jobs of all processes tell of the deployments' paces.

    Args:
        jobs: where ended jobs are read.
        now: the time, aware.
        seconds: for how long what was read counts.

    """

    def __init__(self, jobs: JobStore, now: Callable[[], datetime], *, seconds: float) -> None:
        self._jobs = jobs
        self._now = now
        self._seconds = seconds
        self._records: dict[str, DeploymentRecord] = {}
        self._due: dict[str, float] = {}

    async def of(self, deployment_ids: Collection[str]) -> Mapping[str, float]:
        """Requests a second of each of these deployments whose pace is known.

        One caller reads what is due, others go by what was known before. Raises `StorageUnavailable`.
        """
        moment = anyio.current_time()
        due = [id_ for id_ in deployment_ids if moment >= self._due.get(id_, -math.inf)]
        if due:
            self._due.update(dict.fromkeys(due, moment + self._seconds))
            self._records.update(await self._jobs.records(due, most=LAST_JOBS))
        known = {id_: self._records[id_] for id_ in deployment_ids if id_ in self._records}
        return requests_per_second(known, self._now())
