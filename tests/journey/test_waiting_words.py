"""A batch that waits says for what: in words, to its owner and to admins, in the batch and in its story."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.simulator import Fault, Simulator, SimulatorSettings
from tests.database import Database
from tests.harness import QUICK, SWIFT, InProcess, running_gateway

ADMIN, OWNER = "admin", "alice"
IMPATIENT = replace(QUICK, place_budget_seconds=0.05)
TIME = r"\d\d:\d\d:\d\d UTC"
AGAIN = rf"(, asked again at {TIME})?"
NEEDS = r"this batch needs room for 3 requests and about \d+ tokens"


@pytest.fixture
async def gateway(tmp_path: Path, database: Database) -> AsyncGenerator[InProcess]:
    simulator = Simulator(settings=SWIFT)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=IMPATIENT
    ) as running:
        yield running


async def answer(gateway: InProcess, path: str, key: str) -> dict[str, Any]:
    """What is told to this caller."""
    async with gateway.http(key) as http:
        told = await http.get(path)
    assert told.status_code == 200, told.text
    body: dict[str, Any] = told.json()
    return body


async def in_the_batch(gateway: InProcess, batch_id: str, key: str) -> str:
    """What the batch says that it waits for."""
    waiting = (await answer(gateway, f"/batches/{batch_id}", key))["litebatch"]["waiting_for"]
    return waiting["message"] if waiting else ""


async def in_the_story(gateway: InProcess, batch_id: str, key: str) -> list[dict[str, Any]]:
    """The events that tell of waiting, in order."""
    page = await answer(gateway, f"/batches/{batch_id}/events?order=asc&limit=100", key)
    return [event for event in page["data"] if event["type"] == "job.waiting"]


async def assert_told(gateway: InProcess, batch_id: str, *, owner: str, admin: str) -> None:
    """That both are told so, in the batch and in its story; only one of them where."""

    async def is_told() -> bool:
        return re.fullmatch(admin, await in_the_batch(gateway, batch_id, ADMIN)) is not None

    try:
        await gateway.eventually(is_told)
    except TimeoutError:
        pytest.fail(f"told: {await in_the_batch(gateway, batch_id, ADMIN)}")
    to_owner = await in_the_batch(gateway, batch_id, OWNER)
    assert re.fullmatch(owner, to_owner), to_owner
    for key, sentence in ((ADMIN, rf"{owner}( \(.*\))?"), (OWNER, owner)):
        messages = [event["message"] for event in await in_the_story(gateway, batch_id, key)]
        assert any(re.fullmatch(sentence, message) for message in messages), messages
    told = await in_the_story(gateway, batch_id, ADMIN)
    assert any("east" in event["message"] and "east" in event["data"]["deployments"] for event in told)
    assert not re.search("east|west", str(await in_the_story(gateway, batch_id, OWNER)))
    assert not re.search("east|west", str(await answer(gateway, f"/batches/{batch_id}", OWNER)))


async def ends(gateway: InProcess, batch_id: str) -> None:
    """The batch is cancelled, and waits for nothing any more."""
    await gateway.client().batches.cancel(batch_id)
    assert (await gateway.ended(batch_id)).status == "cancelled"
    assert await in_the_batch(gateway, batch_id, ADMIN) == ""


def refusal(account: str, status: int, **fields: Any) -> Fault:
    """A deployment that refuses, and asks to be left alone for longer than a test takes."""
    asks = {"retry-after": "40"}
    return Fault(call="create_batch", account=account, status=status, headers=asks, times=None, **fields)


async def test_for_quota(gateway: InProcess) -> None:
    """One asks to wait, one has no room for its tokens and tells its limit."""
    full = "Enqueued token limit reached. Limit: 2,000,000 enqueued tokens."
    gateway.simulator.add_fault(refusal("east", 429))
    gateway.simulator.add_fault(refusal("west", 400, code="token_limit_exceeded", message=full))
    batch = await gateway.create((await gateway.upload()).id)
    owner = (
        "Every deployment of the model asks to wait or has no room: the batch goes to the first one that "
        rf"takes it, next at {TIME}\."
    )
    await assert_told(
        gateway,
        batch.id,
        owner=owner,
        admin=rf"{owner} \(east: 429, asks to wait 40 s{AGAIN}; west: 400 token_limit_exceeded, has no room, "
        rf'for "{re.escape(full)}", asks to wait 40 s{AGAIN}; {NEEDS}\)',
    )
    await ends(gateway, batch.id)


async def test_for_a_resting_deployment(gateway: InProcess) -> None:
    """One refuses for another reason than the other one, so that neither is used."""
    gateway.simulator.add_fault(refusal("east", 404))
    gateway.simulator.add_fault(refusal("west", 401))
    batch = await gateway.create((await gateway.upload()).id)
    owner = rf"No deployment of the model takes batches now: they rest, and are asked again, next at {TIME}\."
    await assert_told(
        gateway,
        batch.id,
        owner=owner,
        admin=rf"{owner} \(east: 404, refuses{AGAIN}; west: 401, does not accept the gateway's key{AGAIN}\)",
    )
    await ends(gateway, batch.id)


async def test_for_doubt_to_clear(gateway: InProcess) -> None:
    gateway.simulator.add_fault(Fault(call="create_batch", drop=True))
    gateway.simulator.add_fault(Fault(call="list_batches", status=500, times=None))
    batch = await gateway.create((await gateway.upload()).id)
    owner = (
        "It is not clear whether a deployment has the batch: it is searched for there before another one "
        rf"gets it, so that nothing runs twice, at the longest until {TIME}\."
    )

    async def is_told() -> bool:
        return bool(await in_the_batch(gateway, batch.id, ADMIN))

    await gateway.eventually(is_told)
    told = await in_the_batch(gateway, batch.id, ADMIN)
    assert re.fullmatch(rf"{owner} \((east|west): may or may not have it\)", told), told
    to_owner = await in_the_batch(gateway, batch.id, OWNER)
    assert re.fullmatch(owner, to_owner), to_owner
    [event] = await in_the_story(gateway, batch.id, OWNER)
    assert re.fullmatch(owner, event["message"]), event
    assert not re.search("east|west", str(event))
    [event] = await in_the_story(gateway, batch.id, ADMIN)
    assert event["message"] == told
    gateway.simulator.faults.remove()
    assert (await gateway.ended(batch.id)).status == "completed"


async def test_for_a_copy(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=SimulatorSettings(flavour="azure", hold=frozenset({"pending"})))
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, flavour="azure v1", settings=IMPATIENT
    ) as gateway:
        batch = await gateway.create((await gateway.upload()).id)
        owner = r"No deployment can use the file yet: its copies are being made or checked\."
        await assert_told(
            gateway,
            batch.id,
            owner=owner,
            admin=rf"{owner} \(east: checks its copy of the file; west: checks its copy of the file\)",
        )
        await ends(gateway, batch.id)
