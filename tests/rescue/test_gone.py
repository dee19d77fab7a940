"""A deployment that is in no configuration any more does not hold its batches up."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from msgspec.structs import replace

from litebatch_asgi.simulator import Simulator, SimulatorSettings
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import deployments, ids_of
from tests.rescue.stage import SETTINGS

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
            events = await gateway.http("admin").get(f"/batches/{batch.id}/events")
            told = {event["type"]: event["message"] for event in events.json()["data"]}
            assert "may charge for both" in told["job.handed_on"]
        async with start() as gateway:  # put back: what ran on is found and cancelled

            async def is_cancelled() -> bool:
                jobs = simulator.account(at).batches.values()
                return {job.status for job in jobs} <= {"cancelling", "cancelled"}

            await gateway.eventually(is_cancelled)
