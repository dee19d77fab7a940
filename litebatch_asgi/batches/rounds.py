"""Rounds: many running jobs of one deployment are looked at by its list pages, not one by one."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import Protocol

import anyio
import msgspec
from msgspec.structs import replace

from litebatch_asgi import tracing
from litebatch_asgi.errors import ProviderError
from litebatch_asgi.lifecycle import Sight, sight_of
from litebatch_asgi.lifetimes import made_since
from litebatch_asgi.models import Job, ProviderBatch
from litebatch_asgi.rescue import may_stay_unwritten
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.tracing import ListRound

logger: logging.Logger = logging.getLogger(__name__)

LIST_FROM = 8
"""due jobs of one deployment from which on its list may be cheaper than a look at each of them"""
SINGLY = 8
"""jobs that are looked at one by one at a time"""
ROWS_AT_ONCE = 500
"""jobs that are given back by one statement"""
PAGE = 100
"""batches on a page of OpenAI's and Azure's lists"""


NEWS_AT_ONCE = 100
"""batches that are written in one transaction"""


class Looks(Protocol):
    """What becomes of claimed jobs."""

    async def dispatch(self, job: Job, *, since: float) -> None:
        """Ask the provider about one, and give it back; claimed at `since` on the loop's clock, or later."""
        ...

    async def note(self, seen: Sequence[tuple[Job, ProviderBatch]]) -> None:
        """Write what a list has shown of jobs that go on, and give them back."""
        ...


class Listed(msgspec.Struct, kw_only=True):
    """What a list has shown of the jobs of one deployment."""

    quiet: list[Job] = []
    """those that are as they were"""
    news: list[tuple[Job, ProviderBatch]] = []
    """those that go on, and how"""

    def add(self, job: Job, seen: ProviderBatch, now: datetime, gap_seconds: float) -> None:
        """Sort a job by what the list shows of it."""
        match sight_of(job, seen):
            case Sight.QUIET if may_stay_unwritten(job, now, gap_seconds=gap_seconds):
                self.quiet.append(job)
            case Sight.QUIET:
                self.news.append((job, job.snapshot or seen))  # a list may lag
            case Sight.NEWS:
                self.news.append((job, seen))
            case Sight.END:
                pass  # the batch itself tells more than the list, such as the ids of its files


class LookRounds:
    """Looks at many claimed jobs of one deployment at a time."""

    def __init__(self, runtime: Runtime, looks: Looks) -> None:
        self._runtime = runtime
        self._looks = looks

    async def run(self, deployment_id: str, jobs: Sequence[Job], *, since: float) -> None:
        """Look at all of them: by the list if they are many, and one by one at what it leaves open.

        What is as it was is given back with many rows a statement, and nothing else is written of it.
        """
        listed = Listed()
        plain = [job for job in jobs if _is_plain(job)]
        if len(plain) >= LIST_FROM and self._runtime.fleet.has(deployment_id):
            listed = await self._list(deployment_id, plain)
        now = self._runtime.now()
        await self._give_back(deployment_id, listed.quiet, now)
        done = {job.id for job in listed.quiet} | {job.id for job, _ in listed.news}
        await self._note(listed.news)
        await self._one_by_one([job for job in jobs if job.id not in done], since)

    async def _note(self, news: Sequence[tuple[Job, ProviderBatch]]) -> None:
        for start in range(0, len(news), NEWS_AT_ONCE):
            await self._looks.note(news[start : start + NEWS_AT_ONCE])

    async def _give_back(self, deployment_id: str, jobs: Sequence[Job], now: datetime) -> None:
        for start in range(0, len(jobs), ROWS_AT_ONCE):
            later = [
                replace(
                    job,
                    checks=job.checks + 1,
                    next_check_at=self._runtime.next_round(now, deployment_id, job.checks + 1),
                    refresh_from=self._runtime.refresh_from(now, deployment_id),
                )
                for job in jobs[start : start + ROWS_AT_ONCE]
            ]
            await self._runtime.storage.claims.postpone(later)

    async def _list(self, deployment_id: str, jobs: Sequence[Job]) -> Listed:
        """What the list shows; it is read until it has shown all, or until single looks would cost less."""
        wanted = {job.provider_batch_id: job for job in jobs}
        began = min(job.submit_started_at or job.created_at for job in jobs)
        listed, read = Listed(), 0
        gap = self._runtime.look_gap_seconds(deployment_id)
        adapter = self._runtime.fleet.adapter(deployment_id)
        try:
            with tracing.calling("poll", ListRound(deployment_id, len(jobs))) as span:
                async for batch in adapter.list_batches(since=made_since(began)):
                    read += 1
                    job = wanted.pop(batch.id, None)
                    if job is not None:
                        listed.add(job, batch, self._runtime.now(), gap)
                    if not wanted or read >= PAGE * len(jobs):
                        break
                span.about(ListRound(deployment_id, len(jobs), len(jobs) - len(wanted)))
        except ProviderError as error:
            told = {"deployment": deployment_id, "error": error.message}
            logger.warning("a list is not complete", extra=told)
        return listed

    async def _one_by_one(self, jobs: Sequence[Job], since: float) -> None:
        places = anyio.Semaphore(SINGLY)

        async def look(job: Job) -> None:
            async with places:
                try:
                    await self._looks.dispatch(job, since=since)
                except Exception:  # a defect, of which the jobs beside it are not to hear
                    logger.exception("a job could not be looked at", extra={"job_id": job.id})

        async with anyio.create_task_group() as group:
            for job in _in_turns(jobs):
                group.start_soon(look, job)


def _in_turns(jobs: Sequence[Job]) -> list[Job]:
    """The first job of each owner, then the second of each, and so on."""
    turns = Counter[str]()
    numbered: list[tuple[int, Job]] = []
    for job in jobs:
        turns[job.owner] += 1
        numbered.append((turns[job.owner], job))
    return [job for _, job in sorted(numbered, key=itemgetter(0))]


def _is_plain(job: Job) -> bool:
    """Whether what a list shows is all that there is to learn: no cancellation, no twin to look for."""
    return not job.to_cancel and job.cancel_sent_at is None and job.search_until is None
