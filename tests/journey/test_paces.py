"""Deployments that are quicker get more, once that is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from litebatch_asgi.simulator import Simulator, SimulatorSettings
from litebatch_asgi.strategies import Candidate, earliest_finish
from tests.database import Database
from tests.harness import QUICK, InProcess, lines, running_gateway

SETTINGS = replace(QUICK, max_poll_seconds=0.02)


def held() -> Simulator:
    """Batches stay in progress until their account is told to let them go on."""
    settings = SimulatorSettings(validating_seconds=0, running_seconds=0, hold=frozenset({"in_progress"}))
    return Simulator(settings=settings)


async def quick_one(gateway: InProcess, file_id: str) -> str:
    """Have one of two deployments be through sooner, with a job that it has had an hour later; its name."""
    accounts = gateway.simulator.accounts
    slow = await gateway.create(file_id)
    (slower,) = [name for name, account in accounts.items() if account.batches]
    quick = await gateway.create(file_id)
    (quicker,) = accounts.keys() - {slower}
    assert accounts[quicker].batches, "the other one was busy"
    accounts[quicker].configure(hold=frozenset())
    await gateway.ended(quick.id)
    await gateway.database.change(
        f"UPDATE jobs SET submit_started_at = submit_started_at - 3600000000 WHERE batch_id = '{slow.id}'"
    )
    accounts[slower].configure(hold=frozenset())
    await gateway.ended(slow.id)
    return quicker


async def test_the_quicker_deployment_gets_what_comes_once_its_pace_is_known(
    tmp_path: Path, database: Database
) -> None:
    async with running_gateway(tmp_path, database=database, simulator=held(), settings=SETTINGS) as gateway:
        file = await gateway.upload(lines(5))
        quicker = await quick_one(gateway, file.id)
        for _ in range(5):
            assert (await gateway.ended((await gateway.create(file.id)).id)).status == "completed"
        counts = {name: len(account.batches) for name, account in gateway.simulator.accounts.items()}
        assert counts.pop(quicker) == 6
        assert set(counts.values()) == {1}


async def test_a_strategy_is_told_what_is_to_be_placed_and_which_paces_are_known(
    tmp_path: Path, database: Database
) -> None:
    """One of a host's own is asked as before, also where there is no choice."""
    told = list[Sequence[Candidate]]()

    def own(candidates: Sequence[Candidate], *, seed: str) -> list[Candidate]:
        told.append(candidates)
        return earliest_finish(candidates, seed=seed)

    async with running_gateway(
        tmp_path, database=database, simulator=held(), settings=SETTINGS, strategy=own
    ) as gateway:
        file = await gateway.upload(lines(5))
        quicker = await quick_one(gateway, file.id)
        await gateway.ended((await gateway.create(file.id)).id)
        first, *_, last = told
        assert {each.requests for each in [*first, *last]} == {5}
        assert {each.requests_per_second for each in first} == {None}
        paces = {each.deployment_id: each.requests_per_second or 0.0 for each in last}
        assert max(paces, key=lambda name: paces[name]) == quicker
        assert min(paces.values()) > 0
