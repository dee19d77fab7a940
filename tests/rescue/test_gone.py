"""A deployment that is in no configuration any more does not hold its batches up."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from msgspec.structs import replace

from litebatch_asgi.simulator import Course, Fault, Simulator, SimulatorSettings
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import deployments, ids_of
from tests.journey.test_derived_copies import runtime_of
from tests.rescue.stage import RUNNING, SETTINGS, begun, each_once, first_runs, sizes

GONE_SOON = replace(SETTINGS, gone_grace_seconds=1.5)
HELD = SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"}))


async def test_a_job_at_a_deployment_that_is_gone_runs_whole_at_another_one(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=HELD)
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, tmp_path, settings=GONE_SOON, database=database)
        async with start() as gateway:
            batch = await gateway.create((await gateway.upload()).id)
            await gateway.reached(batch.id, "in_progress")
            (at,) = [name for name, account in simulator.accounts.items() if account.batches]
        (other,) = {"east", "west"} - {at}
        for account in simulator.accounts.values():
            account.configure(hold=frozenset[str](), running_seconds=0.04)
        simulator.account(at).configure(hold=frozenset({"in_progress"}))
        async with start(served=deployments(provider, [other])) as gateway:
            ended = await gateway.ended(batch.id)
            assert ended.status == "completed"
            output, _ = await gateway.results(ended)
            assert ids_of(output) == ["request-0", "request-1", "request-2"]
            async with gateway.http("admin") as http:
                events = await http.get(f"/batches/{batch.id}/events")
            told = {event["type"]: event["message"] for event in events.json()["data"]}
            assert "may charge for both" in told["job.handed_on"]
        async with start() as gateway:  # put back: what ran on is found and cancelled

            async def is_cancelled() -> bool:
                jobs = simulator.account(at).batches.values()
                return {job.status for job in jobs} <= {"cancelling", "cancelled"}

            await gateway.eventually(is_cancelled)


async def test_what_is_handed_on_does_not_go_where_it_may_still_run(
    tmp_path: Path, database: Database
) -> None:
    """A deployment that was gone is put back while its lines wait for another one."""
    simulator = Simulator(settings=HELD)
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, tmp_path, settings=GONE_SOON, database=database)
        async with start() as gateway:
            batch = await begun(gateway, 10)
            await gateway.reached(batch.id, "in_progress")
            (at,) = [name for name, account in simulator.accounts.items() if account.batches]
        (other,) = {"east", "west"} - {at}
        full = simulator.add_fault(Fault(account=other, call="create_batch", status=429, times=None))
        stuck = simulator.add_fault(Fault(account=at, call="finish_cancel", stall=True, times=None))
        async with start(served=deployments(provider, [other])) as gateway:
            await simulator.until(lambda: full.struck > 0)
        async with start() as gateway:
            await simulator.until(lambda: stuck.struck > 0)
            for account in simulator.accounts.values():
                account.configure(hold=frozenset[str](), running_seconds=0.04)
            simulator.remove_fault(full)
            ended = await gateway.ended(batch.id)
            assert ended.status == "completed"
            output, _ = await gateway.results(ended)
            assert ids_of(output) == [f"request-{n}" for n in range(10)]
            assert len(simulator.account(at).batches) == 1


TWO_HOURS = 2 * 3600 * 1_000_000


async def test_nothing_is_gone_when_the_first_of_all_replicas_comes_back_without_it(
    tmp_path: Path, database: Database
) -> None:
    """Nobody has named the deployment for two hours in which nobody was there."""
    simulator = Simulator(settings=HELD)
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, tmp_path, settings=SETTINGS, database=database)
        async with start() as gateway:
            batch = await begun(gateway, 10)
            await gateway.reached(batch.id, "in_progress")
            (at,) = [name for name, account in simulator.accounts.items() if account.batches]
        (other,) = {"east", "west"} - {at}
        await database.change(
            f"UPDATE heartbeats SET since = since - {TWO_HOURS}, seen_at = seen_at - {TWO_HOURS}"
        )
        async with start(served=deployments(provider, [other])) as gateway:
            presence = runtime_of(gateway).presence
            for _ in range(3):
                await presence.beat()
            assert presence.gone == frozenset()
            assert await database.rows("SELECT state FROM jobs") == [("submitted",)]
        async with start() as gateway:
            for account in simulator.accounts.values():
                account.configure(hold=frozenset[str]())
            ended = await gateway.ended(batch.id)
            assert ended.status == "completed"
            assert await each_once(gateway, ended, 10) == {}
            assert await sizes(simulator) == [10]


async def test_a_replica_with_an_older_configuration_hands_on_to_what_others_serve(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=RUNNING)
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, tmp_path, settings=SETTINGS, database=database)
        async with start(reconciler=False), start(served=deployments(provider, ["east"])) as old:
            await runtime_of(old).presence.beat()
            first_runs(old, Course(ends_at=0.6, ends_as="expired"))
            batch = await begun(old, 10)

            async def is_handed_on() -> bool:
                return len(await database.rows("SELECT 1 FROM jobs")) == 2

            await old.eventually(is_handed_on)
            assert (await old.client().batches.retrieve(batch.id)).status == "in_progress"
            async with start() as new:
                ended = await new.ended(batch.id)
                assert ended.status == "completed"
                assert await each_once(new, ended, 10) == {}
                assert await sizes(simulator) == [10, 4]


async def test_a_job_whose_lines_are_nowhere_else_is_not_given_up(tmp_path: Path, database: Database) -> None:
    """What it has done by the time that its deployment is put back is its batch's."""
    simulator = Simulator(settings=HELD)
    settings = replace(GONE_SOON, gone_grace_seconds=0.3)
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, tmp_path, settings=settings, database=database)
        async with start(served=deployments(provider, ["east"])) as gateway:
            batch = await begun(gateway, 10)
            await gateway.reached(batch.id, "in_progress")
        async with start(served=deployments(provider, ["west"])) as gateway:
            presence = runtime_of(gateway).presence

            async def is_gone() -> bool:
                jobs = await database.rows("SELECT checks FROM jobs WHERE checks > 3")
                return presence.gone == frozenset({"east"}) and bool(jobs)

            await gateway.eventually(is_gone)
            assert await database.rows("SELECT state FROM jobs") == [("submitted",)]
        for account in simulator.accounts.values():
            account.configure(hold=frozenset[str](), running_seconds=0.04)
        async with start() as gateway:
            ended = await gateway.ended(batch.id)
            assert ended.status == "completed"
            assert await each_once(gateway, ended, 10) == {}
            assert await sizes(simulator) == [10]
