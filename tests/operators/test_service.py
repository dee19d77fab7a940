"""What operators do with jobs and deployments, on a database without a gateway."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest

from litebatch_asgi.app import open_storage
from litebatch_asgi.errors import Conflict, NotFound
from litebatch_asgi.jobs import JobQuery
from litebatch_asgi.models import BatchOptions, Counts, JobState, Outcome, Settings, StopReason
from litebatch_asgi.operators import STOPPABLE, DeploymentView, Operators, short_id
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing import a_batch, a_file, a_job
from litebatch_asgi.testing.conformance.base import state_of, stored_batch
from tests.database import Database

MODEL = "gpt-4o-batch"
HOUR = 3600.0


@pytest.fixture
async def storage(database: Database) -> AsyncGenerator[Storage]:
    """A database on which a process lives that serves the model at `east` and `west`."""
    storage = open_storage(database.url)
    await storage.open()
    await storage.heartbeats.beat("w", {"east": [MODEL], "west": ["gpt-*"]}, lapse_seconds=HOUR)
    yield storage
    await storage.close()


@pytest.mark.parametrize("state", list(JobState))
async def test_what_a_provider_may_have_is_stopped(storage: Storage, state: JobState) -> None:
    """Nothing else of the job changes; one that runs is due at once, and its claim stays."""
    batch = a_batch(a_file())
    far = datetime(2100, 1, 1, tzinfo=UTC)
    job = a_job(batch, state=state, epoch=3, claimed_by="w", claimed_until=far, next_check_at=far)
    await stored_batch(storage, job, batch=batch)
    operators = Operators(storage)
    if state not in STOPPABLE:
        for call in (operators.stop, operators.move):
            with pytest.raises(Conflict, match="waits" if state is JobState.WAITING else f"is {state}"):
                await call(job.id)
        assert (await state_of(storage, batch)).jobs == (job,)
        return
    before = await storage.now()
    stopped = await operators.stop(short_id(job.id))
    assert (await state_of(storage, batch)).jobs == (stopped,)
    assert stopped.stop_requested_at is not None
    assert before <= stopped.stop_requested_at <= await storage.now()
    assert stopped.stop_reason == StopReason.STOPPED
    assert (stopped.state, stopped.epoch, stopped.claimed_by) == (state, 3, "w")
    is_running = state is JobState.SUBMITTED
    assert stopped.to_cancel is is_running
    assert stopped.next_check_at == (stopped.stop_requested_at if is_running else far)
    assert await operators.move(job.id) == stopped


async def test_what_cannot_be_stopped_is_refused(storage: Storage) -> None:
    """What is not there, and what is being cancelled anyway."""
    operators = Operators(storage)
    for unknown in ("", "job_lb-unknown", "a\0b", "x" * 300):
        for call in (operators.stop, operators.move):
            with pytest.raises(NotFound, match="No job found with id"):
                await call(unknown)
    batch = a_batch(a_file(), cancel_requested_at=datetime.now(UTC))
    job = a_job(batch, state=JobState.SUBMITTED)
    await stored_batch(storage, job, batch=batch)
    with pytest.raises(Conflict, match="being cancelled"):
        await operators.stop(job.id)
    assert (await state_of(storage, batch)).jobs == (job,)


async def test_a_job_is_moved_where_another_deployment_has_its_model(storage: Storage) -> None:
    """One that is drained is none, nor is one that no live process serves."""
    batch = await stored_batch(
        storage, a_job(a_batch(a_file()), state=JobState.SUBMITTED, deployment_id="east")
    )
    job = (await state_of(storage, batch)).jobs[0]
    operators = Operators(storage)
    await operators.drain("west")
    with pytest.raises(Conflict, match="No running process has another deployment of 'gpt-4o-batch'"):
        await operators.move(job.id)
    assert (await state_of(storage, batch)).jobs == (job,)
    await operators.undrain("west")
    moved = await operators.move(job.id)
    assert moved.stop_reason == StopReason.MOVED
    assert moved.is_moved


async def test_draining_stops_what_others_can_take_over(storage: Storage) -> None:
    """Not what has ended, what waits, what may not be handed on, and what no other deployment serves."""
    at_east = {"deployment_id": "east", "state": JobState.SUBMITTED}
    running = await stored_batch(storage, a_job(a_batch(a_file()), **at_east))
    await stored_batch(storage, a_job(a_batch(a_file()), **at_east), options=BatchOptions(rescue=False))
    await stored_batch(storage, a_job(a_batch(a_file()), **at_east), model="other")
    await stored_batch(storage, a_job(a_batch(a_file()), deployment_id="west", state=JobState.SUBMITTED))
    ended = a_job(a_batch(a_file()), deployment_id="east", state=JobState.SETTLED, next_check_at=None)
    await stored_batch(storage, ended)
    operators = Operators(storage)
    drained = await operators.drain("east")
    assert (drained.stopping, drained.staying) == (1, 2)
    assert await storage.heartbeats.drained() == {"east": drained.drained_at}
    stopped = [
        job.batch_id
        for job in await storage.jobs.list(JobQuery(limit=9))
        if job.stop_reason == StopReason.DRAINED
    ]
    assert stopped == [running.id]
    again = await operators.drain("east")
    assert again == drained


@pytest.mark.parametrize("why", ["both have had its lines", "it is over", "gateways hand nothing on"])
async def test_nothing_is_stopped_whose_lines_nobody_may_have(storage: Storage, why: str) -> None:
    """They would come out as errors, though the deployment would have run them."""
    batch = a_batch(a_file(), **({"expires_at": datetime.now(UTC)} if why == "it is over" else {}))
    outcome = Outcome(counts=Counts(), handed_on=2)
    before = a_job(batch, deployment_id="west", state=JobState.SETTLED, outcome=outcome, next_check_at=None)
    job = a_job(batch, state=JobState.SUBMITTED, shard=1, root=0, parent=0)
    jobs = (before, job) if why == "both have had its lines" else (job,)
    await stored_batch(storage, *jobs, batch=batch)
    operators = Operators(storage, Settings(rescue=why != "gateways hand nothing on"))
    with pytest.raises(Conflict, match="No other deployment may have what"):
        await operators.move(job.id)
    drained = await operators.drain("east")
    assert (drained.stopping, drained.staying) == (0, 1)
    await operators.stop_drained()
    assert [each.stop_reason for each in (await state_of(storage, batch)).jobs] == [None] * len(jobs)


async def test_jobs_that_come_to_a_drained_deployment_later_are_stopped_too(storage: Storage) -> None:
    """And those that had nowhere to go, once they have."""
    operators = Operators(storage)
    await operators.stop_drained()
    await operators.drain("west")
    await operators.drain("east")
    batch = await stored_batch(storage, a_job(a_batch(a_file()), state=JobState.SUBMITTED))
    await operators.stop_drained()
    assert [job.stop_reason for job in (await state_of(storage, batch)).jobs] == [None]
    await operators.undrain("west")
    await operators.stop_drained()
    assert [job.stop_reason for job in (await state_of(storage, batch)).jobs] == [StopReason.DRAINED]


async def test_deployments_are_those_that_anything_names(storage: Storage) -> None:
    """Live processes, open jobs, or operators."""
    batch = a_batch(a_file())
    jobs = (
        a_job(batch, deployment_id="old", requests=5, tokens=50, state=JobState.SUBMITTED),
        a_job(batch, deployment_id="east", shard=1, requests=7, tokens=70),
        a_job(batch, deployment_id="east", shard=2, requests=1, state=JobState.SETTLED, next_check_at=None),
    )
    await stored_batch(storage, *jobs, batch=batch)
    operators = Operators(storage)
    await operators.drain("old")
    drained = await storage.heartbeats.drained()
    assert await operators.deployments() == [
        DeploymentView(
            id="east", models=(MODEL,), drained_at=None, open_jobs=1, open_requests=7, open_tokens=70
        ),
        DeploymentView(
            id="old", models=(), drained_at=drained["old"], open_jobs=1, open_requests=5, open_tokens=50
        ),
        DeploymentView(
            id="west", models=("gpt-*",), drained_at=None, open_jobs=0, open_requests=0, open_tokens=0
        ),
    ]
    for call in (operators.drain, operators.undrain):
        with pytest.raises(NotFound, match="No deployment 'north'"):
            await call("north")
    assert await operators.undrain("old")
    assert not await operators.undrain("old")


async def test_jobs_are_listed_by_pages(storage: Storage) -> None:
    batches = [await stored_batch(storage) for _ in range(3)]
    ids = sorted([(await state_of(storage, each)).jobs[0].id for each in batches], reverse=True)
    operators = Operators(storage)
    first = await operators.jobs(JobQuery(limit=2))
    assert ([job.id for job in first.items], first.has_more) == (ids[:2], True)
    last = await operators.jobs(JobQuery(limit=2, after=ids[1]))
    assert ([job.id for job in last.items], last.has_more) == (ids[2:], False)
