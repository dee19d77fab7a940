"""Batches that their provider has had and does not know any more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, generate_latest

from litebatch_asgi.simulator import Fault, Simulator, SimulatorSettings
from tests.database import Database
from tests.harness import QUICK, lines, running_gateway
from tests.journey.test_refusals import by_name
from tests.metrics.scraping import parsed

PATIENT = replace(QUICK, vanished_grace_seconds=3600)
HELD = SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"}))


async def unknown_for_a_while(folder: Path, database: Database | None = None) -> list[str]:
    """A running batch vanishes and comes back: what is wrong then."""
    await anyio.Path(folder).mkdir(exist_ok=True)
    simulator = Simulator(settings=HELD)
    async with running_gateway(folder, database=database, simulator=simulator, settings=PATIENT) as gateway:
        batch = await gateway.create((await gateway.upload()).id)
        hidden = simulator.add_fault(Fault(vanish=True, match="batch_", times=None))
        lists = simulator.journal.select
        await simulator.until(lambda: len(lists("list_batches")) > 12)  # well beyond the grace of creates
        simulator.remove_fault(hidden)
        for account in simulator.accounts.values():
            account.configure(hold=frozenset())
        status = (await gateway.ended(batch.id)).status
        seen = (status, len(gateway.provider_jobs()))
        return [] if seen == ("completed", 1) else [f"{seen[0]} with {seen[1]} jobs"]


async def test_a_batch_that_is_unknown_for_a_while_is_not_run_twice(
    tmp_path: Path, database: Database
) -> None:
    """A key of another project answers 404 and lists nothing, in all honesty."""
    assert await unknown_for_a_while(tmp_path, database) == []


async def test_several_that_vanish_together_keep_new_ones_away_and_are_told(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    simulator = Simulator(settings=HELD)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=PATIENT, strategy=by_name
    ) as gateway:
        file = await gateway.upload()
        for _ in range(3):
            await gateway.create(file.id)
        assert len(simulator.account("east").batches) == 3
        simulator.add_fault(Fault(account="east", vanish=True, match="batch_", times=None))

        async def is_told() -> bool:
            return "was its key changed" in caplog.text

        await gateway.eventually(is_told)
        await gateway.create(file.id)
        assert len(simulator.account("west").batches) == 1


async def test_a_batch_that_is_listed_and_never_found_ends_by_what_the_list_says(
    tmp_path: Path, database: Database
) -> None:
    """It is there, so that it is not begun anew, however long nobody finds it."""
    simulator = Simulator(settings=HELD)
    settings = replace(PATIENT, vanished_grace_seconds=0.2)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=settings
    ) as gateway:
        batch = await gateway.create((await gateway.upload()).id)
        simulator.add_fault(Fault(call="retrieve_batch", status=404, times=None))
        lists = simulator.journal.select
        await simulator.until(lambda: len(lists("list_batches")) > 12)
        for account in simulator.accounts.values():
            account.configure(hold=frozenset())
        assert (await gateway.ended(batch.id)).status == "completed"
        assert len(gateway.provider_jobs()) == 1


async def test_what_a_twin_has_run_is_counted_as_paid_and_not_charged(
    tmp_path: Path, database: Database
) -> None:
    """A batch that was begun anew ran to its end unseen: its results go, once, and nobody is charged."""
    simulator, registry = Simulator(settings=HELD), CollectorRegistry()
    settings = replace(PATIENT, vanished_grace_seconds=0.2)
    options: dict[str, Any] = {"settings": settings, "strategy": by_name, "metrics_registry": registry}
    async with running_gateway(tmp_path, database=database, simulator=simulator, **options) as gateway:
        east, west = simulator.account("east"), simulator.account("west")
        batch = await gateway.create((await gateway.upload(lines(3))).id)
        hidden = simulator.add_fault(Fault(account="east", vanish=True, match="batch_", times=None))
        await simulator.until(lambda: len(west.batches) == 1)
        for account in (east, west):
            account.configure(hold=frozenset())
        (twin,) = east.batches
        assert (await east.reached(twin)).request_counts.completed == 3
        assert (await gateway.ended(batch.id)).status == "completed"
        simulator.remove_fault(hidden)

        async def is_counted() -> bool:
            told = parsed(generate_latest(registry).decode())
            return told.of("unbilled_requests_total", deployment="east", reason="twin") == 3

        await gateway.eventually(is_counted)
        charged = await gateway.database.rows("SELECT usage FROM charges")
        assert [json.loads(usage)["requests"] for (usage,) in charged] == [3]
        told = parsed(generate_latest(registry).decode())
        assert told.of("unbilled_requests_total") == 3
