"""Lines that are handed on go where they can be brought to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.simulator import Course, Fault, Simulator, SimulatorSettings
from tests.database import Database, SQLiteDatabase
from tests.harness import running_gateway
from tests.rescue.stage import RUNNING, SETTINGS, begun, each_once, first_runs, sizes

NAMES = frozenset({"east", "west", "north"})
OF_WHAT_IS_LEFT = (
    "SELECT count(*), max(attempts) FROM file_copies WHERE shard = (SELECT max(shard) FROM file_copies)"
)
MOST_LOOKS = 30
"""at a copy that does not come: far more than others are waited for"""
IMPATIENT = replace(SETTINGS, provider_timeout_seconds=0.5)


@pytest.mark.parametrize("how", [{"status": 500}, {"stall": True}], ids=["fail", "have no answer"])
async def test_a_deployment_whose_uploads_always(
    tmp_path: Path, database: Database, how: dict[str, Any]
) -> None:
    """It is passed over, whichever of the two that are left is asked first."""
    options: dict[str, Any] = {"settings": IMPATIENT, "names": sorted(NAMES)}
    simulator = Simulator(settings=RUNNING)
    async with running_gateway(tmp_path, database=database, simulator=simulator, **options) as gateway:
        first_runs(gateway, Course(stuck_at=0.6))
        batch = await begun(gateway, 10)
        await gateway.reached(batch.id, "in_progress")
        used = {name for name, account in simulator.accounts.items() if account.batches}
        refusing = [
            simulator.add_fault(Fault(account=name, call="upload_file", times=None, **how))
            for name in NAMES - used
        ]
        [(job_id,)] = await database.rows("SELECT id FROM jobs")
        await gateway.litebatch.operators.stop(job_id)
        await simulator.until(lambda: any(fault.struck > 0 for fault in refusing))
        struck = [fault for fault in refusing if fault.struck]
        for fault in refusing:
            if fault not in struck:
                simulator.remove_fault(fault)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [10, 4]


async def pending_for_ever(folder: Path, database: Database | None = None) -> list[str]:
    """What is handed on goes to a deployment that never comes to use its copy; what is wrong then."""
    database = database or SQLiteDatabase.migrated(folder)
    azure = SimulatorSettings(flavour="azure", pending_seconds=0, validating_seconds=0, finalizing_seconds=0)
    simulator = Simulator(settings=azure)
    async with running_gateway(
        folder,
        database=database,
        simulator=simulator,
        settings=SETTINGS,
        names=sorted(NAMES),
        flavour="azure v1",
    ) as gateway:
        first_runs(gateway, Course(stuck_at=0.6))
        batch = await begun(gateway, 10)
        await gateway.reached(batch.id, "in_progress")
        others = {name: each for name, each in simulator.accounts.items() if not each.batches}
        for each in others.values():
            each.configure(hold=["pending"])
        [(job_id,)] = await database.rows("SELECT id FROM jobs")
        await gateway.litebatch.operators.stop(job_id)
        await simulator.until(lambda: any(each.file_store.pending() for each in others.values()))
        for each in others.values():
            if not each.file_store.pending():
                each.configure(hold=[])

        async def is_brought_elsewhere() -> bool:
            [(copies, looks)] = await database.rows(OF_WHAT_IS_LEFT)
            return bool(copies > 1 or looks > MOST_LOOKS)

        await gateway.eventually(is_brought_elsewhere)
        if (await database.rows(OF_WHAT_IS_LEFT))[0][0] == 1:
            return ["only a copy is waited for that does not come"]
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert len(await simulator.jobs()) == 2
    return []


async def test_a_deployment_that_never_says_that_it_can_use_a_copy(
    tmp_path: Path, database: Database
) -> None:
    """It is passed over as well, whichever is asked first."""
    assert await pending_for_ever(tmp_path, database) == []
