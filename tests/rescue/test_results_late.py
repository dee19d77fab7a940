"""What a provider has done is read before the rest is handed on, also if it shows that late or otherwise."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from litebatch_asgi.simulator import Course, Fault, RowFaults, Simulator
from litebatch_asgi.simulator.objects import RequestCounts
from tests.database import Database
from tests.harness import running_gateway
from tests.rescue.stage import RUNNING, SETTINGS, begun, each_once, first_runs, same_twice, sizes

PATIENT = replace(SETTINGS, late_rows_grace_seconds=3600, lost_grace_seconds=60)


async def test_rows_that_were_counted_are_waited_for(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=RUNNING)
    async with running_gateway(tmp_path, database=database, simulator=simulator, settings=PATIENT) as gateway:
        first_runs(gateway, Course(ends_at=0.6, ends_as="expired", cut_short_results="partial"))
        part = simulator.add_fault(Fault(call="stream_file", rows_share=0.5, times=None))
        batch = await begun(gateway, 10)
        await simulator.until(lambda: part.struck >= 4)
        assert (await gateway.client().batches.retrieve(batch.id)).status == "in_progress"
        assert await sizes(simulator) == [10]
        simulator.remove_fault(part)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [10, 4]


async def test_ids_of_files_that_come_later_are_waited_for(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=RUNNING)
    async with running_gateway(tmp_path, database=database, simulator=simulator, settings=PATIENT) as gateway:
        first_runs(gateway, Course(ends_at=0.6, ends_as="expired", cut_short_results="partial"))
        simulator.add_fault(Fault(call="run_batch", ids_late=5))
        ended = await gateway.ended((await begun(gateway, 10)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [10, 4]


async def test_rows_that_were_counted_and_never_come_run_anew_after_the_grace(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=RUNNING)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS
    ) as gateway:
        first_runs(gateway, Course(ends_at=0.6, ends_as="expired", cut_short_results="partial"))
        counts = RequestCounts(total=10, completed=8)
        simulator.add_fault(Fault(call="run_batch", counts=counts))
        ended = await gateway.ended((await begun(gateway, 10)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [10, 4]


async def test_rows_come_in_another_order_at_the_next_read(tmp_path: Path, database: Database) -> None:
    """The first reads show a part of them; what is published is what the last one has shown."""
    simulator = Simulator(settings=RUNNING)
    async with running_gateway(tmp_path, database=database, simulator=simulator, settings=PATIENT) as gateway:
        first_runs(gateway, Course(ends_at=0.6, ends_as="expired"))
        part = Fault(call="stream_file", rows_share=0.7, reordered=True, times=4)
        armed = simulator.add_fault(part)
        ended = await gateway.ended((await begun(gateway, 20)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 20) == {}
        assert armed.spent
        assert await sizes(simulator) == [20, 8]
        await same_twice(gateway, ended.id)


async def test_rows_come_twice_and_in_another_order_at_each_read(tmp_path: Path, database: Database) -> None:
    """What is kept of them is written down in the read that counts it."""
    simulator = Simulator(settings=replace(RUNNING, reordered_reads=True))
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS
    ) as gateway:
        first_runs(gateway, Course(ends_at=0.6, ends_as="expired"))
        simulator.add_fault(Fault(call="run_batch", rows=RowFaults(doubled=20, foreign=2), times=None))
        ended = await gateway.ended((await begun(gateway, 20)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 20) == {}
        assert await sizes(simulator) == [20, 8]
        await same_twice(gateway, ended.id)


async def test_rows_that_show_only_at_the_second_read_are_held_back_as_well(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=RUNNING)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS
    ) as gateway:
        first_runs(gateway, Course(ends_at=0.6, ends_as="expired"))
        simulator.add_fault(Fault(call="stream_file", match="batch_", times=2, short_after=0))
        ended = await gateway.ended((await begun(gateway, 10)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert await sizes(simulator) == [10, 4]
