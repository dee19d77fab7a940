"""What users of such gateways lost money by, and must not lose any by here."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio

from litebatch_asgi.models import SpendQuery
from litebatch_asgi.simulator import Fault, Simulator, SimulatorSettings
from tests.access.standalone import standalone
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import QUICK, InProcess, deployments, running_gateway
from tests.survival.server import KEY, deployed

from .settled import charges_of, settled
from .sums import unbalanced

HELD = SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"}))
CHARGED_JOBS = "SELECT job_id, count(*) FROM charges GROUP BY job_id"


async def charged(gateway: InProcess, batch_id: str) -> bool:
    return bool(await charges_of(gateway, batch_id))


async def test_a_batch_that_cannot_be_settled_keeps_no_other_from_being_charged(
    tmp_path: Path, database: Database
) -> None:
    """Source: BerriAI/litellm#35357, one bad batch stops the billing of all others."""
    simulator = Simulator(settings=HELD)
    async with running_gateway(tmp_path, names=("west",), database=database, simulator=simulator) as gateway:
        file = await gateway.upload()
        bad = await gateway.reached((await gateway.create(file.id)).id, "in_progress")
        (job,) = gateway.provider_jobs()
        fault = simulator.add_fault(Fault(call="stream_file", match=job.id, status=500, times=None))
        simulator.account("west").configure(hold=frozenset())
        await simulator.until(lambda: fault.struck > 0)
        for _ in range(3):
            other = await gateway.ended((await gateway.create(file.id)).id)
            assert await charged(gateway, other.id)
        assert not await charged(gateway, bad.id)
        simulator.remove_fault(fault)
        assert (await gateway.ended(bad.id)).status == "completed"
        assert await charged(gateway, bad.id)


async def test_jobs_that_cannot_be_routed_keep_no_other_from_being_charged(
    tmp_path: Path, database: Database
) -> None:
    """Source: BerriAI/litellm#36640, rows that cannot be routed starve the poller."""
    simulator = Simulator(settings=HELD)
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, tmp_path, settings=QUICK, database=database)
        async with start(served=deployments(provider, ["east"])) as gateway:
            file = await gateway.upload()
            for _ in range(30):
                await gateway.create(file.id)
        simulator.account("east").configure(hold=frozenset())
        simulator.account("west").configure(hold=frozenset())
        async with start(served=deployments(provider, ["west"])) as gateway:
            other = await gateway.ended((await gateway.create((await gateway.upload()).id)).id)
            assert await database.rows(CHARGED_JOBS.replace("job_id", "batch_id")) == [(other.id, 1)]
        async with start() as gateway:  # put back: nothing was lost
            await gateway.eventually(partial(are_charged, database, 31))


async def are_charged(database: Database, jobs: int) -> bool:
    """Whether so many jobs have been charged, each of them once."""
    counts = [count for _, count in await database.rows(CHARGED_JOBS)]
    assert set(counts) <= {1}
    return len(counts) == jobs


async def test_whoever_is_the_first_to_see_a_batch_end_finds_it_charged(
    tmp_path: Path, database: Database
) -> None:
    """Source: BerriAI/litellm#37217, the client polls first and the spend is lost.

    Source: BerriAI/litellm#37050 and maximhq/bifrost#6522, billed once per poll or once per read.
    """
    async with running_gateway(tmp_path, names=("west",), database=database) as gateway:
        batch = await gateway.create((await gateway.upload()).id)

        async def poll_and_read() -> None:
            ended = await gateway.ended(batch.id)
            assert len(await charges_of(gateway, batch.id)) == 1
            for _ in range(3):
                await gateway.results(ended)
                await gateway.client().batches.retrieve(batch.id)

        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(poll_and_read)
        assert await are_charged(database, 1)


async def test_a_batch_is_charged_though_nobody_asks_for_it_and_its_gateway_died(
    tmp_path: Path, database: Database
) -> None:
    """Source: BerriAI/litellm#10011, cost only if someone retrieves; polling dies on a restart."""
    async with deployed(tmp_path, HELD, database) as gateway:
        await gateway.restart()
        file = await gateway.upload(key=KEY)
        batch = await gateway.create(file.id, key=KEY)
        await gateway.reached(batch.id, "in_progress", key=KEY)
        await gateway.server.kill()
        gateway.simulator.account("east").release()
        gateway.simulator.account("west").release()
        await gateway.restart()
        await gateway.eventually(partial(are_charged, database, 1))


async def test_a_cost_that_nobody_knows_is_null_and_its_requests_are_counted(
    tmp_path: Path, database: Database
) -> None:
    """Source: BerriAI/litellm#27891 and #19925, the cost is 0 at a provider without a price."""
    async with running_gateway(tmp_path, names=("east",), database=database) as gateway:
        (charge,), _ = await settled(gateway, {}, {})
        assert (charge.cost, charge.price_source) == (None, "unknown")
        assert await database.rows("SELECT cost FROM batches") == [(None,)]
        (spend,) = await gateway.storage.ledger.spend(SpendQuery(group_by=(), limit=1))
        assert (spend.requests, spend.unpriced_requests) == (2, 2)
    assert await unbalanced(database) == []


async def test_spend_has_its_key_and_its_team_when_the_key_is_gone_too(
    tmp_path: Path, database: Database
) -> None:
    """Source: BerriAI/litellm#33316, a spend row dropped, or without key and team."""
    simulator = Simulator(settings=HELD)
    simulator.add_fault(Fault(account="east", call="create_batch", status=403, times=None))  # without a price
    async with standalone(tmp_path, database, simulator=simulator) as gateway:
        await gateway.manage("/team/new", team_id="search")
        made = await gateway.manage("/key/generate", team_id="search", user_id="ann")
        file = await gateway.upload(key=made["key"])
        batch = await gateway.create(file.id, key=made["key"])
        await gateway.reached(batch.id, "in_progress", key=made["key"])
        await gateway.manage("/key/delete", keys=[made["key"]])
        simulator.account("west").release()
        await gateway.eventually(partial(are_charged, database, 1))
    rows = await database.rows('SELECT owner, "key", team, batches FROM spend_daily')
    ((owner, key, team, batches),) = rows
    assert (owner, team, batches) == ("team:search", "search", 1)
    scopes = {scope for (scope,) in await database.rows("SELECT scope FROM budgets")}
    assert scopes == {f"key:{key}", "team:search", "user:ann"}
    assert await unbalanced(database) == []
