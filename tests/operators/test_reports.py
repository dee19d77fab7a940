"""How deployments did lately, and what keeps jobs away from them, as operators are told."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from litebatch_asgi.app import open_storage
from litebatch_asgi.deployment_events import Rest, resting
from litebatch_asgi.models import Counts, Job, JobState, Outcome
from litebatch_asgi.operators import DeploymentReport, Operators
from litebatch_asgi.refusals import Refusal
from litebatch_asgi.server.operators.objects import deployment_object
from litebatch_asgi.simulator import Simulator
from litebatch_asgi.simulator.faults import Fault
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing import a_batch, a_file, a_job
from litebatch_asgi.testing.conformance.base import stored_batch
from tests.database import Database
from tests.harness import MODEL, SWIFT, running_gateway

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
async def storage(database: Database) -> AsyncGenerator[Storage]:
    storage = open_storage(database.url)
    await storage.open()
    await storage.heartbeats.beat("w", {"east": [MODEL], "west": [MODEL]}, lapse_seconds=3600)
    yield storage
    await storage.close()


async def reports(operators: Operators) -> dict[str, DeploymentReport]:
    return {report.id: report for report in await operators.reports()}


def ended(state: JobState, completed: int, executed: int) -> Job:
    """A job that took a minute."""
    return a_job(
        a_batch(a_file()),
        state=state,
        submit_started_at=NOW,
        ended_at=NOW + timedelta(minutes=1),
        next_check_at=None,
        outcome=Outcome(counts=Counts(total=10, completed=completed), executed=executed),
    )


async def test_how_deployments_did_is_told(storage: Storage) -> None:
    """With what they take at once; one that has done nothing has no rates."""
    await stored_batch(storage, ended(JobState.SETTLED, 6, 8))
    await stored_batch(storage, ended(JobState.REFUSED, 0, 0))
    await storage.quotas.learn("east", "gpt-4o-mini", 90_000)
    found = await reports(Operators(storage))
    east, west = found["east"], found["west"]
    [quota] = east.quotas
    assert (quota.model, quota.tokens) == ("gpt-4o-mini", 90_000)
    assert (east.record.settled, east.record.refused, east.error_rate) == (1, 1, 0.25)
    assert (east.record.p50_seconds, east.record.since) == (60, NOW + timedelta(minutes=1))
    assert (west.quotas, west.resting_until, west.error_rate) == ((), None, None)
    assert deployment_object(east).record.error_rate == 0.25
    assert deployment_object(west).record.since is None


async def test_rests_are_told_by_whoever_knows_of_them(storage: Storage) -> None:
    """This process of its own to the second, others of when they began; what is over is not told."""
    now = await storage.now()

    async def tell(deployment_id: str, seconds: float) -> None:
        rest = Rest(deployment_id=deployment_id, reason=Refusal.BUSY, status=429, seconds=seconds)
        assert await storage.outbox.tell(resting(rest, now))

    await tell("east", 600)
    await tell("west", 0)
    told = {id_: each.resting_until for id_, each in (await reports(Operators(storage))).items()}
    assert told == {"east": now + timedelta(seconds=600), "west": None}
    own = {"east": 30.0, "west": 90.0}
    found = await reports(Operators(storage, rest_left=own.__getitem__))
    assert found["east"].resting_until == now + timedelta(seconds=600)
    left = found["west"].resting_until
    assert left is not None
    assert timedelta(seconds=90) <= left - now < timedelta(seconds=100)
    assert deployment_object(found["west"]).resting_until == int(left.timestamp())


async def test_a_gateway_tells_how_its_deployments_do(tmp_path: Path, database: Database) -> None:
    """What one refuses counts there, with how long it rests; what another runs, with its time."""
    simulator = Simulator(settings=SWIFT)
    simulator.add_fault(
        Fault(call="create_batch", account="east", status=429, times=None, headers={"retry-after": "90"})
    )
    async with running_gateway(tmp_path, database=database, simulator=simulator) as gateway:
        file = await gateway.upload()
        while True:  # until one came to the deployment that refuses first
            batch = await gateway.ended((await gateway.create(file.id)).id)
            assert batch.status == "completed"
            found = await reports(gateway.litebatch.operators)
            if found["east"].record.refused:
                break
        await gateway.ended((await gateway.create(file.id)).id)
        found = await reports(gateway.litebatch.operators)
    east, west = found["east"], found["west"]
    rest = east.resting_until
    assert rest is not None
    assert 60 < (rest - datetime.now(UTC)).total_seconds() < 100
    assert west.resting_until is None
    assert (east.record.settled, east.record.completed_requests, east.error_rate) == (0, 0, None)
    assert west.record.completed_requests == 3 * west.record.settled > 0
    assert (west.record.refused, west.error_rate) == (0, 0)
    assert west.record.p50_seconds is not None
    assert 0 < west.record.p50_seconds < 30
