"""What operators alone are told: of deployments that rest or are gone, of budgets that are passed."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi import Principal
from litebatch_asgi.errors import AboveBudget, BudgetExceeded, StorageUnavailable
from litebatch_asgi.failpoints import InjectedFault, armed
from litebatch_asgi.simulator import Fault, Simulator, SimulatorSettings
from litebatch_asgi.simulator.faults import ArmedFault
from tests.database import Database
from tests.delivering.recording import Recorder, until_told
from tests.faults.stage import gateway_on
from tests.harness import QUICK, SWIFT, InProcess, deployments, lines, running_gateway
from tests.limits.callers import caller, create, upload
from tests.limits.test_budgets import A_DOLLAR, dollars

OPS = Principal(owner="ops", is_admin=True)
HELD = SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"}))
OF_OPERATORS = ("deployment.", "budget.")


def has_come(recorder: Recorder, type_: str, times: int) -> bool:
    """Whether a sink has got so many events of a type."""
    return len({event.id for event in recorder.events if event.type == type_}) == times


def has_struck(fault: ArmedFault, times: int) -> bool:
    """Whether a fault has struck so often."""
    return fault.struck >= times


async def assert_untold_in(gateway: InProcess, batch_id: str) -> None:
    """The story of a batch has nothing of it, not for admins either."""
    page = await gateway.litebatch.batches.events(OPS, batch_id, limit=100)
    assert page.items
    assert not [event.type for event in page.items if event.type.startswith(OF_OPERATORS)]


async def test_a_deployment_that_begins_to_rest_is_told_once(tmp_path: Path, database: Database) -> None:
    """Not for each job, nor while it goes on; anew once it has taken something in between."""
    recorder = Recorder()
    async with running_gateway(tmp_path, database=database, names=["east"], sinks=[recorder]) as gateway:
        file = await gateway.upload()
        for number in (1, 2):
            refusing = gateway.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
            batches = [await gateway.create(file.id) for _ in range(3)]
            await gateway.simulator.until(partial(has_struck, refusing, 6))
            await recorder.until(partial(has_come, recorder, "deployment.resting", number))
            gateway.simulator.remove_fault(refusing)
            for batch in batches:
                assert (await gateway.ended(batch.id)).status == "completed"
        await until_told(gateway.storage)
        events = [event for event in recorder.events if event.type == "deployment.resting"]
        await assert_untold_in(gateway, batches[0].id)
    assert [(each.subject, each.seq, each.owner) for each in events] == [
        ("deployment:east", 1, None),
        ("deployment:east", 2, None),
    ]
    payload = events[0].payload
    assert (payload["deployment"], payload["reason"], payload["status"]) == ("east", "busy", 429)
    assert payload["message"].startswith("east asks to wait (429): nothing is placed there until ")
    assert datetime.fromisoformat(payload["until"]) > events[0].created_at


async def test_of_two_processes_one_tells_of_a_rest(tmp_path: Path, database: Database) -> None:
    """The other one sees that it was told of the deployment until then."""
    recorders = [Recorder(), Recorder()]
    simulator = Simulator(settings=SWIFT)
    asks = Fault(call="create_batch", status=429, headers={"retry-after": "3000"}, times=None)
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(simulator.running())
        start = partial(gateway_on, simulator, provider, tmp_path, settings=QUICK, database=database)
        gateways = [
            await stack.enter_async_context(start(served=deployments(provider, ["east"]), sinks=[recorder]))
            for recorder in recorders
        ]
        refusing = simulator.add_fault(asks)
        for count, gateway in enumerate(gateways, 1):
            await gateway.create((await gateway.upload()).id)
            await simulator.until(partial(has_struck, refusing, count))
        await gateways[0].eventually(partial(has_told, gateways[0], "deployment:east"))
        await until_told(gateways[0].storage)
        seen = [event for recorder in recorders for event in recorder.events]
    assert len({event.id for event in seen if event.type == "deployment.resting"}) == 1


async def has_told(gateway: InProcess, subject: str) -> bool:
    """Whether anything was told of a subject."""
    return bool(await gateway.storage.outbox.events(subject, limit=1))


async def test_a_rest_is_told_once_the_database_is_back(tmp_path: Path, database: Database) -> None:
    """As far as it has not ended by then."""
    recorder = Recorder()
    async with running_gateway(tmp_path, database=database, names=["east"], sinks=[recorder]) as gateway:
        fleet = gateway.litebatch._services.batches._runtime.fleet
        outbox = gateway.storage.outbox
        tell, failures = outbox.tell, iter([True, False])

        async def away(telling: Any) -> bool:
            if next(failures):
                raise StorageUnavailable("away")
            return await tell(telling)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(outbox, "tell", away)
            fleet.cool_down("east", 60)
            await recorder.until(partial(has_come, recorder, "deployment.resting", 1))


async def test_a_deployment_that_is_gone_is_told_once(tmp_path: Path, database: Database) -> None:
    """However many processes see it; with what is there still. Anew if it was back in between."""
    settings = replace(QUICK, gone_grace_seconds=0.3, end_grace_seconds=3600)
    simulator, recorder = Simulator(settings=HELD), Recorder()
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, tmp_path, settings=settings, database=database)
        async with start(served=deployments(provider, ["east"])) as gateway:
            batch = await gateway.create((await gateway.upload()).id)
            await gateway.reached(batch.id, "in_progress")
        for number in (1, 2):
            async with start(served=deployments(provider, ["east"])):
                pass
            async with AsyncExitStack() as stack:
                serve = partial(start, served=deployments(provider, ["west"]), sinks=[recorder])
                gateways = [await stack.enter_async_context(serve()) for _ in range(2)]
                await recorder.until(partial(has_come, recorder, "deployment.gone", number))
                for gateway in gateways:
                    await gateway.eventually(partial(has_seen_it_gone, gateway))
                await until_told(gateway.storage)
                await assert_untold_in(gateway, batch.id)
    events = {event.id: event for event in recorder.events if event.type == "deployment.gone"}
    first, _ = events.values()
    assert (first.subject, first.owner) == ("deployment:east", None)
    payload = dict(first.payload)
    assert datetime.now(UTC) - datetime.fromisoformat(payload.pop("last_seen")) < timedelta(minutes=5)
    assert payload.pop("message") == (
        "east is in no process's configuration any more, and has 1 open job and 1 copy: put it "
        "back, or their batches end without it."
    )
    assert payload == {"deployment": "east", "open_jobs": 1, "copies": 1}


async def has_seen_it_gone(gateway: InProcess) -> bool:
    """Whether this process knows."""
    return "east" in gateway.litebatch._services.presence.gone


async def test_budgets_that_are_passed_are_told_once(tmp_path: Path, database: Database) -> None:
    """By what was spent; their owner's batches tell nothing of it."""
    recorder = Recorder()
    team = caller(soft_budget=Decimal(4), max_budget=Decimal(9), budget_duration="30d")
    async with running_gateway(tmp_path, database=database, prices=A_DOLLAR, sinks=[recorder]) as gateway:
        file = await upload(gateway, team, dollars("1", "0.5", "1.5"))
        batches = [await create(gateway, team, file) for _ in range(3)]
        for batch in batches:
            assert (await gateway.ended(batch.id)).status == "completed"
        await until_told(gateway.storage)
        for batch in batches:
            await assert_untold_in(gateway, batch.id)
    about = [
        (event.type, event.payload["spent"]) for event in recorder.events if event.subject == "team:search"
    ]
    assert about == [("budget.soft", "6"), ("budget.reached", "9")]


async def test_a_budget_that_a_batch_is_refused_for_is_told_once(tmp_path: Path, database: Database) -> None:
    """Whoever dies or fails before it is told, the next refusal tells it."""
    recorder = Recorder()
    team = caller(max_budget=Decimal(4), budget_duration="1d")
    async with running_gateway(
        tmp_path, database=database, prices=A_DOLLAR, simulator=Simulator(settings=HELD), sinks=[recorder]
    ) as gateway:
        file = await upload(gateway, team)
        with pytest.raises(AboveBudget):
            await create(gateway, team, await upload(gateway, team, lines(5)))
        batch = await create(gateway, team, file)
        with armed("budget.refused=raise"), pytest.raises(InjectedFault):
            await create(gateway, team, file)
        assert not await has_told(gateway, "team:search")
        with armed("budget.told=raise"), pytest.raises(InjectedFault):
            await create(gateway, team, file)
        for _ in range(2):
            with pytest.raises(BudgetExceeded):
                await create(gateway, team, file)
        await until_told(gateway.storage)
        await assert_untold_in(gateway, batch.id)
    [event] = [event for event in recorder.events if event.subject == "team:search"]
    assert (event.type, event.owner, event.batch_id) == ("budget.reached", None, None)
    payload = event.payload
    assert payload["message"] == (
        "A batch of team:search was refused: its max_budget is 4 US dollars, 0 are spent, 3 reserved for "
        "open batches, 3 estimated for this one."
    )
    sums = [payload[name] for name in ("limit", "spent", "reserved", "estimate", "reason")]
    assert sums == ["4", "0", "3", "3", "refused"]
    assert payload["period_start"] == event.created_at.date().isoformat()


async def test_who_is_refused_does_not_wait_for_the_telling(tmp_path: Path, database: Database) -> None:
    """The refusal is what it would be, also if the database is away for the event."""
    team = caller(max_budget=Decimal(4))
    async with running_gateway(
        tmp_path, database=database, prices=A_DOLLAR, simulator=Simulator(settings=HELD)
    ) as gateway:
        file = await upload(gateway, team)
        await create(gateway, team, file)

        async def away(_: Any) -> bool:
            raise StorageUnavailable("away")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gateway.storage.outbox, "tell", away)
            with pytest.raises(BudgetExceeded):
                await create(gateway, team, file)
        assert not await has_told(gateway, "team:search")
        with pytest.raises(BudgetExceeded):
            await create(gateway, team, file)
        assert await has_told(gateway, "team:search")
