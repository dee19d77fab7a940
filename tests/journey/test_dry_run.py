"""A dry run tells what a batch would cost and wait for; nothing is made, and nobody is called."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.models import Limits, Settings
from litebatch_asgi.simulator import Fault, Simulator
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import ENDPOINT, MODEL, QUICK, SWIFT, InProcess, deployments, lines, running_gateway
from tests.limits.callers import caller, http_for, upload
from tests.retries.requests import batch_body

PRICES = {
    "input_cost_per_token_batches": Decimal("0.00000125"),
    "output_cost_per_token_batches": Decimal("0.00001"),
}
LIMITED = lines(3, max_completion_tokens=200, n=2)
TABLES = ("files", "file_copies", "batches", "jobs", "reservations", "idempotency", "events", "file_holds")


async def dry_run(gateway: InProcess, file_id: str, *, key: str = "alice", **changes: Any) -> dict[str, Any]:
    """What is told of a batch on a file."""
    async with gateway.http(key) as http:
        answer = await http.post("/batches/dry_run", json=batch_body(file_id) | changes)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the tables that creating a batch may write to."""
    return {table: sorted(await database.rows(f"SELECT * FROM {table}"), key=repr) for table in TABLES}


@pytest.fixture
async def priced(tmp_path: Path, database: Database) -> AsyncGenerator[InProcess]:
    """Nothing happens in the background."""
    async with running_gateway(tmp_path, database=database, prices=PRICES, reconciler=False) as gateway:
        yield gateway


async def test_it_tells_what_a_batch_would_be(priced: InProcess) -> None:
    file = await priced.upload(LIMITED)
    tokens = -(-len(LIMITED) // 4)
    cost = tokens * Decimal("0.00000125") + 3 * 2 * 200 * Decimal("0.00001")
    told = await dry_run(priced, file.id)
    deployment: dict[str, Any] = {
        "lane": "native",
        "takes_it_now": True,
        "waiting_for": None,
        "estimated_cost": str(cost.normalize()),
        "price_source": "config",
    }
    assert told == {
        "object": "batch.dry_run",
        "model": MODEL,
        "endpoint": ENDPOINT,
        "requests": 3,
        "input_tokens": tokens,
        "guessed_input_tokens": 0,
        "note": None,
        "estimated_output_tokens": 1200,
        "highest_output_tokens": 1200,
        "estimated_cost": str(cost.normalize()),
        "highest_cost": str(cost.normalize()),
        "price_source": "config",
        "waiting_for": None,
        "deployments": [deployment, deployment],
        "would_exceed": [],
    }
    admins = await dry_run(priced, file.id, key="admin")
    assert admins == told | {"deployments": [{"id": name} | deployment for name in ("east", "west")]}


async def test_an_answer_without_a_limit_counts_as_the_setting_says(
    tmp_path: Path, database: Database
) -> None:
    settings = replace(QUICK, estimated_output_tokens=40)
    async with running_gateway(tmp_path, database=database, prices=PRICES, settings=settings) as gateway:
        file = await gateway.upload(lines(3))
        told = await dry_run(gateway, file.id)
    assert (told["estimated_output_tokens"], told["highest_output_tokens"]) == (120, None)
    tokens = -(-len(lines(3)) // 4)
    assert Decimal(told["estimated_cost"]) == tokens * Decimal("0.00000125") + Decimal("0.0012")
    assert told["highest_cost"] is None


async def test_it_makes_nothing_and_calls_nobody(priced: InProcess) -> None:
    limited = caller(max_open_batches=0)
    file = await upload(priced, limited)
    calls, before = len(priced.simulator.journal), await everything(priced.database)
    async with http_for(priced, limited) as http:
        for _ in range(2):
            headers = {"idempotency-key": "once", "x-stainless-retry-count": "1"}
            asked = await http.post("/batches/dry_run", json=batch_body(file.id), headers=headers)
            assert asked.status_code == 200
    await priced.litebatch.batches.dry_run(
        limited, input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h"
    )
    assert await everything(priced.database) == before
    assert before["files"]
    assert len(priced.simulator.journal) == calls


async def test_copies_that_a_batch_would_renew_are_left_as_they_are(
    tmp_path: Path, database: Database
) -> None:
    """Their deployment has another model now."""
    simulator = Simulator(settings=SWIFT)
    where: dict[str, Any] = {"folder": tmp_path, "database": database, "reconciler": False}
    async with simulator.running() as provider:
        (east,) = deployments(provider, ["east"])
        async with gateway_on(simulator, provider, served=[east], **where) as gateway:
            file = await upload(gateway, caller())
        changed = replace(east, model="openai/gpt-other")
        async with gateway_on(simulator, provider, served=[changed], **where) as gateway:
            before, calls = await everything(database), len(simulator.journal)
            told = await dry_run(gateway, file.id, key="admin")
            assert await everything(database) == before
            assert len(simulator.journal) == calls
    assert told["waiting_for"]["reason"] == "copies_not_ready"
    (deployment,) = told["deployments"]
    assert not deployment["takes_it_now"]
    assert deployment["waiting_for"]["reason"] == "copy_missing"


async def test_what_stands_in_the_way_is_told_without_names(priced: InProcess) -> None:
    """As of batches that wait; admins are told where."""
    fault = Fault(call="create_batch", status=429, headers={"retry-after": "40"}, times=None)
    priced.simulator.add_fault(fault)
    file = await priced.upload()
    for _ in range(2):  # each deployment refuses one
        await priced.create(file.id)
    told = await dry_run(priced, file.id)
    assert told["waiting_for"]["reason"] == "deployments_busy"
    assert "deployments" not in told["waiting_for"]
    for each in told["deployments"]:
        assert "id" not in each
        assert each["takes_it_now"] is False
        assert (each["waiting_for"]["reason"], each["waiting_for"]["status"]) == ("busy", None)
        assert each["waiting_for"]["until"] == pytest.approx(told["waiting_for"]["until"], abs=2)
    admins = await dry_run(priced, file.id, key="admin")
    assert [(each["id"], each["waiting_for"]["status"]) for each in admins["deployments"]] == [
        ("east", 429),
        ("west", 429),
    ]
    assert set(admins["waiting_for"]["deployments"]) == {"east", "west"}


async def test_one_that_takes_it_is_enough(priced: InProcess) -> None:
    priced.simulator.add_fault(
        Fault(call="create_batch", account="east", status=429, headers={"retry-after": "40"}, times=None)
    )
    file = await priced.upload()
    told = await dry_run(priced, file.id, key="admin")
    while all(each["takes_it_now"] for each in told["deployments"]):
        await priced.create(file.id)
        told = await dry_run(priced, file.id, key="admin")
    assert told["waiting_for"] is None
    assert [each["takes_it_now"] for each in told["deployments"]] == [False, True]


async def test_limits_that_a_create_would_be_refused_for_are_told(priced: InProcess) -> None:
    key = Limits(scope="key:k", name="the key 'k'", max_open_batches=1, max_batch_requests=2)
    team = Limits(scope="team:search", max_enqueued_requests=4, max_enqueued_tokens=10**9)
    file = await priced.upload()
    await priced.litebatch.batches.create(
        caller(replace(key, max_batch_requests=None), team),
        input_file_id=file.id,
        endpoint=ENDPOINT,
        completion_window="24h",
    )
    told = await priced.litebatch.batches.dry_run(
        caller(key, team), input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h"
    )
    assert [(over.limit, over.whose, over.most, over.used, over.asked) for over in told.would_exceed] == [
        ("max_batch_requests", "the key 'k'", 2, 0, 3),
        ("max_open_batches", "the key 'k'", 1, 1, 1),
        ("max_enqueued_requests", "team:search", 4, 3, 3),
    ]
    async with http_for(priced, caller(team)) as http:
        (over,) = (await http.post("/batches/dry_run", json=batch_body(file.id))).json()["would_exceed"]
        refused = (await http.post("/batches", json=batch_body(file.id))).json()["error"]
    assert over == {
        "limit": "max_enqueued_requests",
        "whose": "team:search",
        "most": 4,
        "used": 3,
        "asked": 3,
        "message": refused["message"],
    }
    assert refused["param"] == "max_enqueued_requests"


async def test_budgets_that_a_create_would_be_refused_for_are_told(priced: InProcess) -> None:
    file = await priced.upload(LIMITED)
    cost = Decimal((await dry_run(priced, file.id))["estimated_cost"])
    team = Limits(scope="team:search", max_budget=cost * 3 / 2, budget_duration="30d")
    async with http_for(priced, caller(team)) as http:
        asked = batch_body(file.id)
        assert (await http.post("/batches/dry_run", json=asked)).json()["would_exceed"] == []
        assert (await http.post("/batches", json=asked)).status_code == 200
        (over,) = (await http.post("/batches/dry_run", json=asked)).json()["would_exceed"]
        refused = (await http.post("/batches", json=asked)).json()["error"]
        asked["litebatch"] = {"max_cost": "0.0001"}
        above = (await http.post("/batches/dry_run", json=asked)).json()["would_exceed"][0]
    assert (over["limit"], over["whose"], over["message"]) == (
        "max_budget",
        "team:search",
        refused["message"],
    )
    assert [Decimal(over[each]) for each in ("most", "used", "asked")] == [cost * 3 / 2, cost, cost]
    assert (above["limit"], above["most"], above["used"]) == ("litebatch.max_cost", "0.0001", "0")


async def test_a_budget_without_a_price_is_told(tmp_path: Path, database: Database) -> None:
    async with running_gateway(tmp_path, database=database) as gateway:
        file = await gateway.upload(LIMITED)
        limited = caller(Limits(scope="team:search", max_budget=Decimal(1)))
        async with http_for(gateway, limited) as http:
            (over,) = (await http.post("/batches/dry_run", json=batch_body(file.id))).json()["would_exceed"]
            refused = (await http.post("/batches", json=batch_body(file.id))).json()["error"]
    assert (over["limit"], over["most"], over["asked"]) == ("max_budget", None, None)
    assert over["message"] == refused["message"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"input_file_id": "file-x"}, "alice"),
        ({}, "bob"),
        ({}, "alice:another-model"),
        ({"endpoint": "/v1/responses"}, "alice"),
        ({"completion_window": "1h"}, "alice"),
        ({"metadata": {"tags": ["a"]}}, "alice"),
        ({"priority": 1}, "alice"),
        ({}, ":nobody"),
    ],
)
async def test_it_is_refused_as_a_create_is(gateway: InProcess, changes: dict[str, Any], key: str) -> None:
    file = await gateway.upload()
    body = batch_body(file.id) | changes
    async with gateway.http(key) as http:
        create, told = [await http.post(path, json=body) for path in ("/batches", "/batches/dry_run")]
    assert create.status_code >= 400
    assert (told.status_code, told.json()) == (create.status_code, create.json())


@pytest.mark.parametrize("models", [("gpt-4o-mini",), ("gpt-4o-mini", "gpt-of-nobody")])
async def test_prices_are_those_of_the_dearest_deployment(
    tmp_path: Path, database: Database, models: tuple[str, ...]
) -> None:
    """One without a price leaves the whole unknown: it may be the one."""
    simulator = Simulator(settings=SWIFT)
    async with simulator.running() as provider:
        cheap, dear = deployments(provider)
        dear = replace(dear, prices=PRICES)
        served = [replace(cheap, model=f"openai/{models[-1]}"), dear]
        async with gateway_on(
            simulator, provider, tmp_path, database=database, served=served, settings=Settings()
        ) as gateway:
            file = await gateway.upload(LIMITED)
            told = await dry_run(gateway, file.id, key="admin")
    sources = [each["price_source"] for each in told["deployments"]]
    if len(models) > 1:
        assert (told["estimated_cost"], told["highest_cost"], told["price_source"]) == (None, None, "unknown")
        assert sources == ["unknown", "config"]
        return
    assert sources[0].startswith("genai-prices ")
    assert (told["price_source"], told["estimated_cost"]) == (
        "config",
        told["deployments"][1]["estimated_cost"],
    )
