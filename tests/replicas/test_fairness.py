"""Replicas share what is due; a deployment that does not answer takes nothing from another's share."""

from __future__ import annotations

from collections import Counter

import anyio
import pytest

from litebatch_asgi.batches.rounds import SINGLY
from litebatch_asgi.simulator import SimulatorSettings
from tests.database import Database
from tests.harness import Gateway
from tests.replicas.running import LONG_LEASE, Site, stalled

BATCHES = 48
HELD = SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"}))


@pytest.fixture
def backend() -> str:
    return "postgresql"


@pytest.fixture
def provider_settings() -> SimulatorSettings:
    return HELD


def let_go_on(gateway: Gateway) -> None:
    for account in gateway.simulator.accounts.values():
        account.release()


async def completed(database: Database) -> Counter[str]:
    """How many batches have completed, by their deployments."""
    rows = await database.rows("SELECT deployment_id FROM batches WHERE status = 'completed'")
    return Counter(row[0] for row in rows)


async def test_a_deployment_that_hangs_delays_no_other(here: Site, database: Database) -> None:
    replicas = [await here.replica(provider_timeout_seconds=25) for _ in range(2)]
    first = replicas[0]
    file = await first.upload()
    for _ in range(BATCHES):
        await first.create(file.id)
    placed = Counter(row[0] for row in await database.rows("SELECT deployment_id FROM jobs"))
    assert min(placed["east"], placed["west"]) > 2 * SINGLY  # more than all replicas together look at
    hanging = here.simulator.add_fault(stalled("retrieve_batch", account="west"))
    lists = here.simulator.add_fault(stalled("list_batches", account="west"))
    let_go_on(first)

    async def is_done() -> bool:
        return (await completed(database))["east"] == placed["east"]

    with anyio.fail_after(LONG_LEASE / 3):
        await first.eventually(is_done)
    assert hanging.struck + lists.struck > 0
    assert (await completed(database))["west"] == 0
    here.simulator.remove_fault(hanging)
    here.simulator.remove_fault(lists)

    async def is_all_done() -> bool:
        return (await completed(database)).total() == BATCHES

    await first.eventually(is_all_done)

    def told() -> list[str]:
        return [line["batch_id"] for replica in replicas for line in replica.log("job settled")]

    async def all_are_told() -> bool:  # a line is written when the transaction has ended
        return len(told()) >= BATCHES

    await first.eventually(all_are_told)
    settled = told()
    assert len(settled) == len(set(settled)) == BATCHES
    assert all(replica.log("job settled") for replica in replicas)
