"""Operators on a running gateway: drained deployments get nothing, and admins do it all over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from litebatch_asgi.models import JobState
from litebatch_asgi.server.operators.objects import State
from litebatch_asgi.simulator import Simulator
from tests.access.standalone import Standalone, standalone
from tests.database import Database
from tests.faults.stage import HELD
from tests.harness import MODEL, QUICK

SETTINGS = replace(QUICK, rescue=True, place_budget_seconds=0.5, gone_grace_seconds=3)
"""with heartbeats twice a second"""


@pytest.fixture
async def gateway(tmp_path: Path, database: Database) -> AsyncGenerator[Standalone]:
    simulator = Simulator(settings=HELD)
    async with standalone(tmp_path, database, simulator=simulator, settings=SETTINGS) as running:
        yield running


def where(gateway: Standalone) -> dict[str, int]:
    """By account, how many batches were made there."""
    return {name: len(account.batches) for name, account in gateway.simulator.accounts.items()}


async def is_drained(gateway: Standalone, *names: str) -> bool:
    """Whether the gateway's process knows that these are."""
    runtime: Any = gateway.litebatch._services
    return bool(set(names) == runtime.presence.drained)


async def waits_for(gateway: Standalone, batch_id: str, reason: str) -> bool:
    """Whether the batch says that it waits for this."""
    waiting = (await gateway.look(f"/batches/{batch_id}"))["litebatch"]["waiting_for"]
    return waiting is not None and waiting["reason"] == reason


def test_every_state_can_be_asked_for() -> None:
    assert list(get_args(State)) == [state.value for state in JobState]


async def test_a_drained_deployment_gets_nothing_new(gateway: Standalone) -> None:
    """The others do; once all are drained a batch waits and says why, and goes on when one is put back."""
    key = await gateway.new_key()
    gateway.caller = key
    file = await gateway.upload()
    drained = await gateway.manage("/deployments/east/drain")
    assert (drained["id"], drained["stopping"], drained["staying"]) == ("east", 0, 0)
    await gateway.eventually(partial(is_drained, gateway, "east"))
    for _ in range(3):
        await gateway.reached((await gateway.create(file.id)).id, "in_progress")
    assert where(gateway)["west"] == 3
    await gateway.manage("/deployments/west/drain")
    await gateway.eventually(partial(is_drained, gateway, "east", "west"))
    batch = await gateway.create(file.id)
    await gateway.eventually(partial(waits_for, gateway, batch.id, "deployments_drained"))
    told = (await gateway.look(f"/batches/{batch.id}"))["litebatch"]["waiting_for"]
    assert {name: each["reason"] for name, each in told["deployments"].items()} == {
        "east": "drained",
        "west": "drained",
    }
    async with gateway.http(key) as http:
        seen = (await http.get(f"/batches/{batch.id}")).json()["litebatch"]["waiting_for"]
    assert "deployments" not in seen
    assert (await gateway.manage("/deployments/east/undrain"))["was_drained"]
    await gateway.reached(batch.id, "in_progress")
    assert len(gateway.simulator.account("east").batches) == 1


async def test_jobs_and_deployments_are_shown_to_admins(gateway: Standalone) -> None:
    gateway.caller = await gateway.new_key(team_id=(await gateway.manage("/team/new"))["team_id"])
    batch = await gateway.reached((await gateway.create((await gateway.upload()).id)).id, "in_progress")
    [job] = (await gateway.look("/jobs"))["data"]
    assert job["object"] == "batch.job"
    assert (job["batch_id"], job["shard"], job["attempt"], job["state"]) == (batch.id, 0, 1, "submitted")
    assert job["counts"]["total"] == 3
    assert job["owner"].startswith("team:")
    place = job["deployment"]
    for query, ids in (
        ({"deployment": place}, [job["id"]]),
        ({"deployment": "north"}, []),
        ({"batch_id": batch.id, "state": "submitted"}, [job["id"]]),
        ({"state": "waiting"}, []),
        ({"after": job["id"]}, []),
    ):
        listed = await gateway.look("/jobs", **query)
        assert [each["id"] for each in listed["data"]] == ids
        assert (listed["object"], listed["has_more"]) == ("list", False)
    deployments = {each["id"]: each for each in (await gateway.look("/deployments"))["data"]}
    assert set(deployments) == {"east", "west", "north"}
    assert deployments[place]["models"] == [MODEL]
    assert (deployments[place]["open_jobs"], deployments[place]["open_requests"]) == (1, 3)
    assert deployments[place]["open_tokens"] > 0
    moved = await gateway.manage(f"/jobs/{job['id']}/move")
    assert (moved["stop_reason"], moved["state"]) == ("moved", "submitted")
    assert moved["stop_requested_at"] is not None


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/jobs?state=odd", 400),
        ("GET", "/jobs?state=null", 400),
        ("GET", "/jobs?limit=0", 400),
        ("POST", "/jobs", 405),
        ("GET", "/jobs/x", 404),
        ("POST", "/jobs/x/stop", 404),
        ("POST", "/jobs/x%00/move", 404),
        ("POST", "/deployments/none/drain", 404),
        ("POST", "/deployments/a%2Fb/undrain", 404),
        ("GET", "/deployments/east/drain", 405),
    ],
)
async def test_what_cannot_be_is_refused(gateway: Standalone, method: str, path: str, status: int) -> None:
    found, error = await gateway.refusal(path, method=method)
    assert found == status
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs"),
        ("POST", "/jobs/x/stop"),
        ("POST", "/jobs/x/move"),
        ("GET", "/deployments"),
        ("POST", "/deployments/east/drain"),
        ("POST", "/deployments/east/undrain"),
    ],
)
async def test_only_admins_may(gateway: Standalone, method: str, path: str) -> None:
    key = await gateway.new_key()
    status, error = await gateway.refusal(path, method=method, caller=key)
    assert (status, error["code"]) == (403, "permission_denied")
    status, _ = await gateway.refusal(path, method=method, caller="sk-nobody")
    assert status == 401
    assert all(each["drained_at"] is None for each in (await gateway.look("/deployments"))["data"])
