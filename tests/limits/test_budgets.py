"""Budgets over a running gateway: before a batch is made, while it runs, and after it was charged."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from litebatch_asgi import File, Limits, Principal
from litebatch_asgi.errors import AboveBudget, BudgetExceeded, ModelHasNoPrice
from litebatch_asgi.simulator import Simulator, SimulatorSettings
from tests.costs.settled import requests
from tests.database import BACKENDS, Database, database_on
from tests.faults.stage import gateway_on
from tests.harness import QUICK, SWIFT, InProcess, deployments, lines, running_gateway
from tests.limits.callers import caller, create, http_for, upload
from tests.retries.requests import batch_body

RACES = 8
A_DOLLAR = {
    "input_cost_per_token_batches": Decimal(0),
    "output_cost_per_token_batches": Decimal("0.002"),
}
"""prices at which a request without a limit is estimated at one dollar, for 500 tokens"""
HELD = SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"}))


def dollars(*amounts: str) -> bytes:
    """Requests that turn out to cost so much each, though each is estimated at a dollar."""
    tokens = [int(Decimal(amount) / A_DOLLAR["output_cost_per_token_batches"]) for amount in amounts]
    return requests(*({"output_tokens": each} for each in tokens))


def budget(amount: int | str, **more: Any) -> Principal:
    """A caller whose team has a budget."""
    return caller(max_budget=Decimal(amount), **more)


async def held(database: Database) -> list[tuple[str, Decimal]]:
    """The estimates of open batches, by scope, in dollars."""
    rows = await database.rows("SELECT scope, sum(cost) FROM reservations GROUP BY scope ORDER BY scope")
    return [(scope, Decimal(cost).scaleb(-9)) for scope, cost in rows]


async def spent(database: Database) -> dict[str, Decimal]:
    """What was put on budgets, in dollars."""
    rows = await database.rows("SELECT scope, sum(spent) FROM budgets GROUP BY scope")
    return {scope: Decimal(cost).scaleb(-9) for scope, cost in rows}


@pytest.fixture
async def priced(tmp_path: Path, database: Database) -> AsyncGenerator[InProcess]:
    """A gateway whose model has a price."""
    async with running_gateway(tmp_path, database=database, prices=A_DOLLAR) as gateway:
        yield gateway


@pytest.fixture
async def priced_and_held(tmp_path: Path, database: Database) -> AsyncGenerator[InProcess]:
    """One whose batches run until they are cancelled."""
    simulator = Simulator(settings=HELD)
    async with running_gateway(tmp_path, database=database, prices=A_DOLLAR, simulator=simulator) as gateway:
        yield gateway


async def test_what_is_estimated_is_reserved_until_it_is_charged(priced: InProcess) -> None:
    team = budget(10)
    batch = await create(priced, team, await upload(priced, team, dollars("0.25", "3", "0.5")))
    assert await held(priced.database) in ([("team:search", Decimal(3))], [])
    await priced.ended(batch.id)
    assert await held(priced.database) == []
    assert await spent(priced.database) == {"team:search": Decimal("3.75")}
    with pytest.raises(BudgetExceeded, match=r"is 10: 3\.75 spent, 0 reserved .* 7 estimated .* 6\.25 would"):
        await create(priced, team, await upload(priced, team, lines(7)))
    await create(priced, team, await upload(priced, team, lines(6)))


async def test_a_usage_that_makes_no_sense_does_not_make_a_budget_last(priced: InProcess) -> None:
    """Such requests count what they were estimated at, beside the others, and no spend is made up."""
    team = budget(10)
    content = requests({"output_tokens": 500}, {"usage": None}, {"usage": {"prompt_tokens": -1}})
    batch = await create(priced, team, await upload(priced, team, content))
    await priced.ended(batch.id)
    assert await spent(priced.database) == {"team:search": Decimal(3)}
    assert await priced.database.rows("SELECT unpriced_requests FROM batches") == [(2,)]
    [(cost,)] = await priced.database.rows("SELECT CAST(cost AS text) FROM batches")
    assert Decimal(cost) == 1


async def test_a_refusal_tells_the_figures(priced_and_held: InProcess) -> None:
    team = budget("4.5")
    file = await upload(priced_and_held, team)
    async with http_for(priced_and_held, team) as http:
        assert (await http.post("/batches", json=batch_body(file.id))).status_code == 200
        refused = await http.post("/batches", json=batch_body(file.id))
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "600"
        error = refused.json()["error"]
        assert (error["code"], error["param"]) == ("budget_exceeded", "max_budget")
        figures = {"limit": "4.5", "spent": "0", "reserved": "3", "budget_reset_at": None}
        assert error["budget"] == figures | {"estimate": "3"}
        larger = await upload(priced_and_held, team, lines(5))
        never = await http.post("/batches", json=batch_body(larger.id))
    assert (never.status_code, never.headers["x-should-retry"]) == (400, "false")
    assert never.json()["error"] == {
        "message": (
            "max_budget of team:search is 4.5 US dollars: 5 estimated for this batch, which can never pass. "
            "Send fewer requests, have them limit their answers, or have the limit raised."
        ),
        "type": "invalid_request_error",
        "param": "max_budget",
        "code": "budget_exceeded",
        "budget": figures | {"estimate": "5"},
    }
    assert len((await priced_and_held.client().batches.list()).data) == 1


async def test_a_budget_is_of_all_scopes_of_the_caller(priced_and_held: InProcess) -> None:
    """The batch holds its estimate in each, whether it has a budget or not."""
    key = Limits(scope="key:1", name="the key 'nightly'", max_budget=Decimal(5))
    both = caller(Limits(scope="team:search"), key)
    file = await upload(priced_and_held, both)
    await create(priced_and_held, both, file)
    assert await held(priced_and_held.database) == [("key:1", Decimal(3)), ("team:search", Decimal(3))]
    with pytest.raises(BudgetExceeded, match=r"^max_budget of the key 'nightly' is 5: 0 spent, 3 reserved"):
        await create(priced_and_held, both, file)
    await create(priced_and_held, caller(Limits(scope="team:search")), file)
    with pytest.raises(BudgetExceeded, match="team:search is 8: 0 spent, 6 reserved"):
        await create(priced_and_held, budget(8), file)


async def test_an_idempotent_repetition_is_paid_once(priced_and_held: InProcess) -> None:
    """And found where the budget has no room for another one."""
    team = budget(3)
    file = await upload(priced_and_held, team)
    first = await create(priced_and_held, team, file, idempotency_key="k")
    again = await create(priced_and_held, team, file, idempotency_key="k")
    poorer = await create(priced_and_held, budget(1), file, idempotency_key="k")
    assert first.id == again.id == poorer.id
    assert await held(priced_and_held.database) == [("team:search", Decimal(3))]


async def test_a_model_without_a_price_has_no_budget(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """West has one; the batch may go east, which has none."""
    async with running_gateway(tmp_path, database=database) as gateway:
        file = await upload(gateway, caller())
        poor = caller(Limits(scope="a"), Limits(scope="key:1", max_budget=Decimal(10**6)))
        async with http_for(gateway, poor) as http:
            refused = await http.post("/batches", json=batch_body(file.id))
        assert refused.status_code == 400
        assert refused.json()["error"] == {
            "message": (
                "No price is known for the model 'gpt-4o-batch' at a deployment that may get the batch, so "
                "max_budget of key:1 cannot be kept. Have the gateway's operator give it one, in the "
                "deployment's `model_info` or in the file that `prices` names, or use another model."
            ),
            "type": "invalid_request_error",
            "param": "max_budget",
            "code": "model_has_no_price",
        }
        with pytest.raises(ModelHasNoPrice, match=r"so litebatch\.max_cost cannot be kept"):
            await create(gateway, caller(), file, max_cost=Decimal(10**6))
        batch = await create(gateway, caller(soft_budget=Decimal(1)), file)
        assert await held(database) in ([("team:search", Decimal(0))], [])
        assert (await gateway.ended(batch.id)).status == "completed"
    assert "a soft budget is passed" not in caplog.messages


@pytest.mark.parametrize("most", ["2.999999999", 2.5])
async def test_a_batch_may_have_a_highest_cost(priced: InProcess, most: Any) -> None:
    """Of anybody, with a budget or without."""
    file = await priced.upload()
    async with priced.http() as http:
        refused = await http.post("/batches", json=batch_body(file.id, litebatch={"max_cost": most}))
        assert refused.status_code == 400
        assert refused.json()["error"] == {
            "message": (
                f"litebatch.max_cost is {most} US dollars: 3 estimated for this batch, which can never pass. "
                "Send fewer requests, have them limit their answers, or have the limit raised."
            ),
            "type": "invalid_request_error",
            "param": "litebatch.max_cost",
            "code": "budget_exceeded",
            "budget": {
                "limit": str(most),
                "estimate": "3",
                "spent": "0",
                "reserved": "0",
                "budget_reset_at": None,
            },
        }
    batch = await priced.create(file.id, extra_body={"litebatch": {"max_cost": "3.00"}})
    assert (await priced.ended(batch.id)).status == "completed"


async def test_a_key_stands_for_one_highest_cost(priced: InProcess) -> None:
    """However it is written."""
    file = await priced.upload()
    async with priced.http() as http:
        ids: set[str] = set()
        for most in ("3.50", 3.5, "3.5"):
            body = batch_body(file.id, litebatch={"max_cost": most})
            made = await http.post("/batches", json=body, headers={"idempotency-key": "k"})
            ids.add(made.json()["id"])
        for other in ({"max_cost": "4"}, {}):
            body = batch_body(file.id, litebatch=other)
            answer = await http.post("/batches", json=body, headers={"idempotency-key": "k"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "idempotency_key_in_use")
    assert len(ids) == 1


async def test_callers_without_limits_reserve_nothing(priced: InProcess) -> None:
    nobody = Principal(owner="alice")
    await create(priced, nobody, await upload(priced, nobody))
    assert await priced.database.rows("SELECT 1 FROM reservations") == []


async def test_a_soft_budget_is_told_once(
    priced_and_held: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    soft = caller(soft_budget=Decimal("3.5"), budget_duration="7d")
    file = await upload(priced_and_held, soft)
    with caplog.at_level(logging.WARNING, logger="litebatch_asgi"):
        await create(priced_and_held, soft, file)
        assert "a soft budget is passed" not in caplog.messages
        for _ in range(2):
            await create(priced_and_held, soft, file)
        poor = Limits(scope="a", soft_budget=Decimal(1)), Limits(scope="b", max_budget=Decimal(2))
        with pytest.raises(AboveBudget):
            await create(priced_and_held, caller(*poor), file)
    told = [record.__dict__ for record in caplog.records if record.message == "a soft budget is passed"]
    figures = [
        {name: each[name] for name in ("scope", "soft_budget", "reserved", "estimate")} for each in told
    ]
    assert figures == [{"scope": "team:search", "soft_budget": "3.5", "reserved": "3", "estimate": "3"}]


async def test_a_budget_begins_anew_at_midnight(tmp_path: Path, database: Database) -> None:
    """In UTC: what was charged before is forgotten, what is open then counts on."""
    now = datetime.now(UTC)
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=now.hour < 12)
    daily = budget(4, budget_duration="1d")
    simulator = Simulator(settings=SWIFT)
    async with simulator.running() as provider:

        def start(began: datetime) -> AbstractAsyncContextManager[InProcess]:
            served = deployments(provider, prices=A_DOLLAR)
            clock = _clock(began - now)
            return gateway_on(
                simulator, provider, tmp_path, settings=QUICK, database=database, served=served, clock=clock
            )

        async with start(noon) as gateway:
            file = await upload(gateway, daily, dollars("3", "0.5"))
            await gateway.ended((await create(gateway, daily, file)).id)
            with pytest.raises(BudgetExceeded, match=r"is 4: 3\.5 spent, 0 reserved") as refused:
                await create(gateway, daily, file)
            assert refused.value.budget.reset_at == noon + timedelta(hours=12)
        for account in simulator.accounts.values():
            account.configure(hold=frozenset({"in_progress"}))
        async with start(noon + timedelta(hours=13)) as gateway:  # within 24 hours of the last one
            for _ in range(2):
                await create(gateway, daily, file)
            with pytest.raises(BudgetExceeded, match="is 4: 0 spent, 4 reserved"):
                await create(gateway, daily, file)
        async with start(noon + timedelta(hours=36)) as gateway:
            with pytest.raises(BudgetExceeded, match="is 4: 0 spent, 4 reserved"):
                await create(gateway, daily, file)


def _clock(ahead: timedelta) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + ahead


async def race(
    servers: Sequence[InProcess], team: Principal, file: File
) -> tuple[list[str], list[BudgetExceeded]]:
    """The batches that were made, one asked of each server at once, and what the others were told."""
    made: list[str] = []
    refused: list[BudgetExceeded] = []

    async def one(server: InProcess) -> None:
        try:
            made.append((await create(server, team, file)).id)
        except BudgetExceeded as error:
            refused.append(error)

    async with anyio.create_task_group() as tasks:
        for server in servers:
            tasks.start_soon(one, server)
    return made, refused


@pytest.mark.parametrize("backend", BACKENDS)
async def test_two_gateways_never_both_get_the_last_dollar(tmp_path: Path, backend: str) -> None:
    """In several races, while another batch of the team is being charged."""
    simulator = Simulator(settings=SWIFT)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_on(backend, tmp_path))
        provider = await stack.enter_async_context(simulator.running())
        served = deployments(provider, prices=A_DOLLAR)
        servers = [
            await stack.enter_async_context(
                gateway_on(simulator, provider, tmp_path, settings=QUICK, database=database, served=served)
            )
            for _ in range(2)
        ]
        file = await upload(servers[0], caller(), dollars("1"))
        batches: list[str] = []
        for number in range(RACES):
            team = budget("2.5", scope=f"team:{number}")
            before = await create(servers[0], team, file)
            made, refused = await race(servers, team, file)
            assert [len(made), *(each.budget.spent + each.budget.reserved for each in refused)] == [1, 2]
            batches += (before.id, *made)
        for batch_id in batches:
            assert (await servers[0].ended(batch_id)).status == "completed"
        assert await held(database) == []
        assert await spent(database) == {f"team:{number}": 2 for number in range(RACES)}
