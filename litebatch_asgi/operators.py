"""What operators do with jobs and deployments. It needs the database alone, no running gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Container, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from litebatch_asgi.deployment_events import rest_told, subject_of
from litebatch_asgi.errors import Conflict, NotFound, StateConflict
from litebatch_asgi.heartbeats import matches
from litebatch_asgi.jobs import DeploymentRecord, JobQuery
from litebatch_asgi.keys import KeepsKeys
from litebatch_asgi.models import (
    BatchChange,
    BatchState,
    Job,
    JobState,
    Page,
    Settings,
    StopReason,
)
from litebatch_asgi.models.ids import JOB_PREFIX
from litebatch_asgi.quotas import KEPT as QUOTAS_KEPT
from litebatch_asgi.quotas import LearnedLimit
from litebatch_asgi.rescue import may_hand_on, rescue_rules
from litebatch_asgi.storage import Storage

ALIVE_SECONDS = 90.0
"""what a process has said so long ago at the most still holds: three of its heartbeats"""
LAST_JOBS = 200
"""jobs that tell how a deployment did"""
PAGE = 500
"""jobs that are looked at together"""
STOPPABLE = frozenset({JobState.SUBMITTING, JobState.UNCLEAR, JobState.SUBMITTED})
"""states in which a provider may have a job that has not ended"""


class DeploymentView(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment as operators see it."""

    id: str
    models: tuple[str, ...]
    """virtual models that live processes serve there, as they are configured; none: no process has it"""
    drained_at: datetime | None
    """since when it gets no new jobs; None: it gets them"""
    open_jobs: int
    """jobs that are waiting for it, under way to it or running there"""
    open_requests: int
    """of these jobs"""
    open_tokens: int
    """likewise, estimated"""


class DeploymentReport(DeploymentView, frozen=True, kw_only=True):
    """A deployment, with how it did lately and what keeps jobs away from it."""

    quotas: tuple[LearnedLimit, ...]
    """how many tokens it takes at once, as its refusals have said lately"""
    resting_until: datetime | None
    """until when a process places nothing there after refusals, as far as that is known; None: it is not

    This process's own rests are known to the second. Of other processes it is known until when they meant to
    rest when they began: they may rest for longer, or have gone on since.
    """
    record: DeploymentRecord
    """of its last `LAST_JOBS` jobs"""

    @property
    def error_rate(self) -> float | None:
        """Which part of the requests that it has run failed, from 0 to 1; None: it has run none."""
        run = self.record.completed_requests + self.record.failed_requests
        return self.record.failed_requests / run if run else None


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """What came of draining a deployment."""

    deployment_id: str
    drained_at: datetime
    stopping: int
    """jobs that stop, so that others take over what they leave undone"""
    staying: int
    """jobs that run to their end there, for nothing else may take over"""


class Operators:
    """Lists, stops and moves jobs; drains deployments, and puts them back. Raises `RequestError`s."""

    def __init__(
        self,
        storage: Storage,
        settings: Settings | None = None,
        *,
        rest_left: Callable[[str], float] | None = None,
    ) -> None:
        """Without the settings of the gateways they are taken to be the defaults.

        `rest_left`: for how many more seconds this process places nothing on a deployment, if it places any.
        """
        self._storage = storage
        self._settings = settings or Settings()
        self._rest_left = rest_left

    async def key_aliases(self, key_ids: Collection[str]) -> Mapping[str, str]:
        """The aliases of virtual keys by their ids; those without one, gone or elsewhere are left out."""
        return await self._storage.keys.aliases(key_ids) if isinstance(self._storage, KeepsKeys) else {}

    async def jobs(self, query: JobQuery) -> Page[Job]:
        """A page of jobs, those of the newest batches first, see `JobQuery`."""
        found = await self._storage.jobs.list(replace(query, limit=query.limit + 1))
        return Page(items=found[: query.limit], has_more=len(found) > query.limit)

    async def stop(self, job_id: str) -> Job:
        """Have a job ended at its provider; what it has finished by then counts.

        Durable when it returns; stopping again changes nothing. Raises `NotFound`, and `Conflict` for a job
        that no provider has or that has ended.
        """
        return await self._ask(await self._job(job_id), StopReason.STOPPED)

    async def move(self, job_id: str) -> Job:
        """The same, so that its lines run at another deployment, and never at this one again.

        Raises `Conflict` too where no live process has another deployment for its model, or none may have
        what the job leaves undone.
        """
        job = await self._job(job_id)
        state = await self._storage.get_batch_state(job.batch_id)
        if state is not None and job.state in STOPPABLE and job.stop_requested_at is None:
            away = {job.deployment_id or "", *await self._storage.heartbeats.drained()}
            others = _others(await self._served(), state.batch.model, away)
            if not others:
                raise Conflict(
                    f"No running process has another deployment of {state.batch.model!r} that is not "
                    "drained: add one to the configuration, or put one back with `litebatch deployments "
                    "undrain`."
                )
            if state.batch.cancel_requested_at is None and not await self._may_go(job, state, others):
                raise Conflict(
                    f"No other deployment may have what {job.id} leaves undone: its batch has expired or is "
                    "not to be rescued, was rescued as often as it may be, or each of them has had its "
                    "lines before. Leave it where it is, or stop it."
                )
        return await self._ask(job, StopReason.MOVED)

    async def deployments(self) -> list[DeploymentView]:
        """All that live processes serve, that are in use, or that are drained, in order of their ids."""
        served, drained = await self._served(), await self._storage.heartbeats.drained()
        requests = await self._storage.open_requests()
        used = {use.deployment_id for use in await self._storage.heartbeats.in_use()}
        ids = sorted({*served, *drained, *requests, *used})
        is_open = await self._storage.quotas.open_tokens(ids)
        return [
            DeploymentView(
                id=id_,
                models=tuple(sorted(served.get(id_, ()))),
                drained_at=drained.get(id_),
                open_jobs=sum(each.jobs for each in is_open if each.deployment_id == id_),
                open_requests=requests.get(id_, 0),
                open_tokens=sum(each.tokens for each in is_open if each.deployment_id == id_),
            )
            for id_ in ids
        ]

    async def reports(self) -> list[DeploymentReport]:
        """The same deployments, with how they did lately: a few reads for each of them."""
        views, now = await self.deployments(), await self._storage.now()
        ids = [view.id for view in views]
        records = await self._storage.jobs.records(ids, most=LAST_JOBS)
        learned = await self._storage.quotas.known(ids, QUOTAS_KEPT.total_seconds())
        return [
            DeploymentReport(
                **msgspec.structs.asdict(view),
                quotas=tuple(limit for limit in learned if limit.deployment_id == view.id),
                resting_until=await self._resting_until(view.id, now),
                record=records[view.id],
            )
            for view in views
        ]

    async def _resting_until(self, deployment_id: str, now: datetime) -> datetime | None:
        left = self._rest_left(deployment_id) if self._rest_left is not None else 0.0
        told = await self._storage.outbox.events(subject_of(deployment_id), limit=1, descending=True)
        ends = [rest_told(event) for event in told]
        known = [now + timedelta(seconds=left), *(end for end in ends if end is not None)]
        return max((end for end in known if end > now), default=None)

    async def drain(self, deployment_id: str) -> Drained:
        """Keep new jobs away from a deployment, and stop those there that others can take over.

        Running gateways follow within seconds. Raises `NotFound` for one that nobody knows.
        """
        await self._known(deployment_id)
        await self._storage.heartbeats.drain(deployment_id)
        drained = await self._storage.heartbeats.drained()
        if deployment_id not in drained:
            raise Conflict(f"{deployment_id!r} was put back at this moment by somebody else.")
        asked, left = await self._stop_all(deployment_id, await self._served(), drained)
        return Drained(
            deployment_id=deployment_id, drained_at=drained[deployment_id], stopping=asked, staying=left
        )

    async def undrain(self, deployment_id: str) -> bool:
        """Let jobs go to a deployment again; whether it was drained. Raises `NotFound` likewise."""
        await self._known(deployment_id)
        return await self._storage.heartbeats.undrain(deployment_id)

    async def stop_drained(self) -> None:
        """Stop jobs that have come to drained deployments since, or can go elsewhere now, as `drain` does."""
        drained = await self._storage.heartbeats.drained()
        if not drained:
            return
        served = await self._served()
        if served.keys() - drained.keys():
            for deployment_id in drained:
                await self._stop_all(deployment_id, served, drained)

    async def _known(self, deployment_id: str) -> None:
        if all(each.id != deployment_id for each in await self.deployments()):
            raise NotFound(
                f"No deployment {deployment_id[:100]!r}: no running process has it, and no job is there. "
                "`litebatch deployments list` shows those that there are."
            )

    async def _served(self) -> Mapping[str, frozenset[str]]:
        return await self._storage.heartbeats.served(ALIVE_SECONDS)

    async def _stop_all(
        self, deployment_id: str, served: Mapping[str, frozenset[str]], drained: Mapping[str, datetime]
    ) -> tuple[int, int]:
        """How many jobs at the deployment are stopping, and how many run on."""
        stopping = staying = 0
        async for job in self._jobs_at(deployment_id):
            if job.stop_requested_at is not None:
                stopping += 1
            elif not await self._may_leave(job, served, drained):
                staying += 1
            else:
                with suppress(Conflict, NotFound):  # it has ended meanwhile, or is being cancelled
                    await self._ask(job, StopReason.DRAINED)
                    stopping += 1
        return stopping, staying

    async def _may_leave(self, job: Job, served: Mapping[str, frozenset[str]], away: Container[str]) -> bool:
        """Whether what the job leaves undone may be handed on, and there is somebody to take it."""
        state = await self._storage.get_batch_state(job.batch_id)
        return state is not None and await self._may_go(job, state, _others(served, state.batch.model, away))

    async def _may_go(self, job: Job, state: BatchState, others: Collection[str]) -> bool:
        """Whether one of these deployments may have what the job leaves undone."""
        rules, now = rescue_rules(self._settings, state.batch.options, job), await self._storage.now()
        return may_hand_on(job, state.batch, state.jobs, now, rules, others=others)

    async def _jobs_at(self, deployment_id: str) -> AsyncIterator[Job]:
        query = JobQuery(deployment_id=deployment_id, states=STOPPABLE, limit=PAGE)
        while True:
            page = await self._storage.jobs.list(query)
            for job in page:
                yield job
            if len(page) < PAGE:
                return
            query = replace(query, after=page[-1].id)

    async def _job(self, job_id: str) -> Job:
        full = job_id if job_id.startswith(JOB_PREFIX) else f"{JOB_PREFIX}{job_id}"
        job = await self._storage.jobs.get(full)
        if job is None:
            raise NotFound(f"No job found with id '{job_id[:100]}'.")
        return job

    async def _ask(self, job: Job, reason: StopReason) -> Job:
        now = await self._storage.now()

        def decide(current: BatchState) -> BatchChange | None:
            held = next((each for each in current.jobs if each.id == job.id), None)
            if held is None:
                raise NotFound(f"No job found with id '{job.id}'.")
            if held.stop_requested_at is not None:
                return None
            _check(current, held)
            return BatchChange(batch=current.batch, jobs=(_stopping(held, now, reason),))

        try:
            state = await self._storage.change_batch(job.batch_id, decide)
        except StateConflict as error:
            raise NotFound(f"No job found with id '{job.id}'.") from error
        return next(each for each in state.jobs if each.id == job.id)


def short_id(job_id: str) -> str:
    """A job's id as lists show it: without what all of them begin with."""
    return job_id.removeprefix(JOB_PREFIX)


def _check(current: BatchState, job: Job) -> None:
    """Raises `Conflict` for a job that cannot be stopped."""
    if current.batch.cancel_requested_at is not None:
        raise Conflict(f"The batch of {job.id} is being cancelled, and this job with it.")
    if job.state is JobState.WAITING:
        raise Conflict(f"{job.id} waits: no provider has it. Cancel its batch if it shall not run at all.")
    if job.state not in STOPPABLE:
        raise Conflict(f"{job.id} has ended at its provider: it is {job.state}.")


def _stopping(job: Job, now: datetime, reason: StopReason) -> Job:
    asked = replace(job, stop_requested_at=now, stop_reason=reason.value)
    if job.state is JobState.SUBMITTED:
        return replace(asked, next_check_at=now, to_cancel=True)
    return asked


def _others(served: Mapping[str, frozenset[str]], model: str, away: Container[str]) -> list[str]:
    """The deployments but these at which a live process serves the virtual model."""
    return [
        id_
        for id_, names in served.items()
        if id_ not in away and any(matches(name, model) for name in names)
    ]
