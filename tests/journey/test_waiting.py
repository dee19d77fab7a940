"""Why a batch waits: told to its owner without names, to admins with them, and once in the log."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.simulator import Fault, Simulator, SimulatorSettings
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import QUICK, SWIFT, InProcess, deployments, running_gateway

ADMIN = "admin"
BESIDE = ("cost", "cost_is_final", "unpriced_requests", "lines")
HELD = SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"}))
IMPATIENT = replace(QUICK, place_budget_seconds=0.05)


async def seen(gateway: InProcess, path: str, *, key: str = "alice") -> dict[str, Any]:
    """What `litebatch` says in an object, costs and counts aside."""
    async with gateway.http(key) as http:
        answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    return without_cost(answer.json())


def without_cost(item: dict[str, Any]) -> dict[str, Any]:
    """What `litebatch` says in an object beside what it has cost and how far it is."""
    return {name: value for name, value in item["litebatch"].items() if name not in BESIDE}


async def until_reason(gateway: InProcess, batch_id: str, reason: str | None) -> dict[str, Any]:
    """What the owner sees once the batch waits for this."""
    told: dict[str, Any] = {}

    async def waits() -> bool:
        nonlocal told
        told = await seen(gateway, f"/batches/{batch_id}")
        waiting: dict[str, Any] = told["waiting_for"] or {}
        return waiting.get("reason") == reason

    await gateway.eventually(waits)
    return told


def lines_in_log(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of batches that wait."""
    return [record.message for record in caplog.records if record.message.startswith("batch waits: ")]


@pytest.fixture
async def gateway(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> AsyncGenerator[InProcess]:
    caplog.set_level("INFO", "litebatch_asgi")
    simulator = Simulator(settings=SWIFT)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=IMPATIENT
    ) as running:
        yield running


@pytest.mark.parametrize(
    ("fault", "reason", "at_each"),
    [
        ({"status": 429, "headers": {"retry-after": "40"}}, "deployments_busy", ("busy", 429)),
        ({"status": 400, "code": "token_limit_exceeded"}, "deployments_busy", ("busy", 400)),
        ({"status": 401}, "provider_key_rejected", ("key_rejected", 401)),
        ({"status": 404}, "deployments_cool_down", ("refused", 404)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_each_kind_of_refusal_is_a_reason(
    gateway: InProcess,
    caplog: pytest.LogCaptureFixture,
    fault: dict[str, Any],
    reason: str,
    at_each: tuple[str, int],
) -> None:
    refusing = gateway.simulator.add_fault(Fault(call="create_batch", times=None, **fault))
    batch = await gateway.create((await gateway.upload()).id)
    told = await until_reason(gateway, batch.id, reason)
    assert set(told) == {"waiting_for"}
    assert set(told["waiting_for"]) == {"reason", "message", "until"}
    assert not re.search("east|west", str(told))
    if "headers" in fault:
        assert 30 < told["waiting_for"]["until"] - time.time() <= 41
        return
    await gateway.simulator.until(lambda: refusing.struck > 6)
    told = await seen(gateway, f"/batches/{batch.id}", key=ADMIN)
    assert (told["owner"], told["key"]) == ("alice", "key-alice")
    there = told["waiting_for"]["deployments"]
    assert {name: (each["reason"], each["status"]) for name, each in there.items()} == {
        "east": at_each,
        "west": at_each,
    }
    assert re.search(rf"\(east: {at_each[1]}.*; west: {at_each[1]}", told["waiting_for"]["message"])
    assert len([line for line in lines_in_log(caplog) if "east: " in line]) == len(lines_in_log(caplog)) <= 2
    gateway.simulator.remove_fault(refusing)
    await gateway.ended(batch.id)
    told = await seen(gateway, f"/batches/{batch.id}", key=ADMIN)
    assert told["waiting_for"] is None
    assert told["deployment"] in ("east", "west")
    assert await seen(gateway, f"/batches/{batch.id}") == {"waiting_for": None}


async def test_an_unclear_answer_is_a_reason(gateway: InProcess) -> None:
    gateway.simulator.add_fault(Fault(call="create_batch", drop=True))
    gateway.simulator.add_fault(Fault(call="list_batches", status=500, times=None))
    batch = await gateway.create((await gateway.upload()).id)
    told = await until_reason(gateway, batch.id, "answer_unclear")
    assert told["waiting_for"]["until"] > 0
    told = await seen(gateway, f"/batches/{batch.id}", key=ADMIN)
    assert list(told["waiting_for"]["deployments"]) == [told["deployment"]]
    gateway.simulator.faults.remove()
    await gateway.ended(batch.id)


async def test_results_that_are_not_given_are_a_reason(gateway: InProcess) -> None:
    withheld = gateway.simulator.add_fault(Fault(call="stream_file", status=500, times=None))
    batch = await gateway.create((await gateway.upload()).id)
    told = await until_reason(gateway, batch.id, "results_incomplete")
    assert set(told["waiting_for"]) == {"reason", "message", "until"}
    gateway.simulator.remove_fault(withheld)
    assert (await gateway.ended(batch.id)).status == "completed"
    assert await seen(gateway, f"/batches/{batch.id}") == {"waiting_for": None}


async def test_copies_that_are_not_ready_are_a_reason(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Of files as well, which tell admins how far each of their copies is; create and lists tell the same."""
    caplog.set_level("INFO", "litebatch_asgi")
    simulator = Simulator(settings=SimulatorSettings(flavour="azure", hold=frozenset({"pending"})))
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, flavour="azure v1"
    ) as gateway:
        file = await gateway.upload()
        assert file.model_extra is not None
        assert file.model_extra["litebatch"]["waiting_for"]["reason"] == "copies_not_ready"
        batch = await gateway.create(file.id)
        assert batch.model_extra is not None
        assert batch.model_extra["litebatch"]["waiting_for"]["reason"] == "copies_not_ready"
        for path in (f"/files/{file.id}", f"/batches/{batch.id}"):
            told = await seen(gateway, path)
            assert list(told) == ["waiting_for"]
            assert told["waiting_for"]["reason"] == "copies_not_ready"
        told = await seen(gateway, f"/files/{file.id}", key=ADMIN)
        assert (told["owner"], told["key"]) == ("alice", "key-alice")
        assert told["deployments"] == {"east": "pending", "west": "pending"}
        told = await seen(gateway, f"/batches/{batch.id}", key=ADMIN)
        assert told["deployment"] is None
        assert {each["reason"] for each in told["waiting_for"]["deployments"].values()} == {"copy_pending"}
        assert await in_lists(gateway, "alice", ("waiting_for",)) == 2
        assert await in_lists(gateway, ADMIN, ("owner", "key", "waiting_for")) == 2
        assert len(lines_in_log(caplog)) == 1, "one for each reason"
        await gateway.client().batches.cancel(batch.id)
        assert (await gateway.ended(batch.id)).status == "cancelled"
        assert await seen(gateway, f"/batches/{batch.id}") == {"waiting_for": None}


async def in_lists(gateway: InProcess, key: str, names: tuple[str, ...]) -> int:
    """How many objects the lists show, each with these details and not ready yet."""
    shown = 0
    async with gateway.http(key) as http:
        for path in ("/files", "/batches"):
            for item in (await http.get(path)).json()["data"]:
                told = without_cost(item)
                assert {*names} <= set(told) <= {*names, "deployment"}
                assert told["waiting_for"]["reason"] == "copies_not_ready"
                shown += 1
    return shown


async def test_a_deployment_that_is_gone_is_a_reason(tmp_path: Path, database: Database) -> None:
    settings = replace(QUICK, gone_grace_seconds=0.1, end_grace_seconds=3600)
    simulator = Simulator(settings=HELD)
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, tmp_path, settings=settings, database=database)
        async with start(served=deployments(provider, ["east"])) as gateway:
            batch = await gateway.create((await gateway.upload()).id)
        async with start(served=deployments(provider, ["west"])) as gateway:
            await until_reason(gateway, batch.id, "deployment_gone")
            told = await seen(gateway, f"/batches/{batch.id}", key=ADMIN)
            assert told["deployment"] == "east"
            assert "east: is in no configuration" in told["waiting_for"]["message"]
