"""A database that is restored from a copy taken earlier does not know what was placed since."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from msgspec.structs import replace

from litebatch_asgi.simulator import Course, Fault, Simulator, SimulatorSettings
from tests.faults.stage import gateway_on
from tests.harness import PATIENCE_SECONDS, QUICK, InProcess, deployments, ids_of, lines, rows_of
from tests.journey.test_derived_copies import runtime_of
from tests.rescue.stage import RUNNING, SETTINGS, begun, each_once, first_runs, sizes

DATABASE, BACKUP = "litebatch.db", "backup.db"
HOUR = 3_600 * 1_000_000


async def restored_while_waiting(folder: Path) -> list[str]:
    """A batch waits in the copy of a database, is placed, and the copy is put back: what is wrong then."""
    await anyio.Path(folder).mkdir(exist_ok=True)
    simulator = Simulator(settings=SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"})))
    async with simulator.running() as provider:
        start = partial(
            gateway_on, simulator, provider, folder, settings=replace(QUICK, adopt_grace_seconds=0.02)
        )
        refused = simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        async with start() as gateway:
            batch = await gateway.create((await gateway.upload()).id)
        database, backup = folder / "litebatch.db", folder / "backup.db"
        shutil.copyfile(database, backup)
        simulator.remove_fault(refused)
        async with start() as gateway:
            await gateway.reached(batch.id, "in_progress")
        shutil.copyfile(backup, database)
        async with start() as gateway:
            await gateway.reached(batch.id, "in_progress")
            for account in simulator.accounts.values():
                account.configure(hold=frozenset())
            status = (await gateway.ended(batch.id)).status
            seen = (status, len(gateway.provider_jobs()))
            return [] if seen == ("completed", 1) else [f"{seen[0]} with {seen[1]} jobs"]


class Forgetting(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that waits in the copy of a database."""

    folder: Path
    simulator: Simulator
    start: Callable[..., AbstractAsyncContextManager[InProcess]]
    """a gateway on the database, which is stopped with the block"""
    batch_id: str

    async def forget(self) -> None:
        """Put the copy back."""
        await anyio.to_thread.run_sync(shutil.copyfile, self.folder / BACKUP, self.folder / DATABASE)

    async def one_is_left(self, gateway: InProcess) -> None:
        """Wait until one of two jobs of the batch is cancelled, and let the other one end."""
        with anyio.fail_after(PATIENCE_SECONDS):
            await self.simulator.until(lambda: "cancelled" in [job.status for job in gateway.provider_jobs()])
        for account in self.simulator.accounts.values():
            account.configure(hold=frozenset())
        assert (await gateway.ended(self.batch_id)).status == "completed"
        assert sorted(job.status for job in gateway.provider_jobs()) == ["cancelled", "completed"]
        ((kept,),) = await gateway.database.rows("SELECT provider_batch_id FROM jobs WHERE state = 'settled'")
        assert kept in {job.id for job in gateway.provider_jobs() if job.status == "completed"}


@asynccontextmanager
async def forgotten(folder: Path, **settings: Any) -> AsyncGenerator[Forgetting]:
    """A batch was made an hour ago and waits when the database is copied; from then on it may be placed."""
    simulator = Simulator(settings=SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"})))
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, folder, settings=replace(QUICK, **settings))
        refused = simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        async with start(reconciler=False) as gateway:
            batch = await gateway.create((await gateway.upload()).id)
            await gateway.database.change(f"UPDATE batches SET created_at = created_at - {HOUR}")
        shutil.copyfile(folder / DATABASE, folder / BACKUP)
        simulator.remove_fault(refused)
        yield Forgetting(folder=folder, simulator=simulator, start=start, batch_id=batch.id)


async def test_a_job_that_waits_in_a_restored_database_is_looked_for_before_it_is_sent(
    tmp_path: Path,
) -> None:
    assert await restored_while_waiting(tmp_path) == []


async def test_a_job_that_was_sent_in_a_lost_history_is_cancelled_where_it_runs(tmp_path: Path) -> None:
    """The database that was restored has it wait, and a client cancels it before anybody looks for it."""
    simulator = Simulator(settings=SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"})))
    async with simulator.running() as provider:
        settings = replace(QUICK, adopt_grace_seconds=0.02)
        start = partial(gateway_on, simulator, provider, tmp_path, settings=settings)
        refused = simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        async with start() as gateway:
            batch = await gateway.create((await gateway.upload()).id)
        database, backup = tmp_path / "litebatch.db", tmp_path / "backup.db"
        shutil.copyfile(database, backup)
        simulator.remove_fault(refused)
        async with start() as gateway:
            await gateway.reached(batch.id, "in_progress")
        shutil.copyfile(backup, database)
        async with start(reconciler=False) as gateway:
            assert (await gateway.client().batches.cancel(batch.id)).status == "cancelling"
        async with start() as gateway:
            assert (await gateway.ended(batch.id)).status == "cancelled"
            assert [job.status for job in gateway.provider_jobs()] == ["cancelled"]


async def test_a_job_is_looked_for_also_where_the_restored_database_knows_of_no_copy(tmp_path: Path) -> None:
    """Its deployment got its copy, and then the job, after the database was copied."""
    simulator = Simulator(settings=SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"})))
    async with simulator.running() as provider:
        settings = replace(QUICK, adopt_grace_seconds=0.02)
        start = partial(gateway_on, simulator, provider, tmp_path, settings=settings)
        refused = simulator.add_fault(Fault(call="create_batch", account="east", status=429, times=None))
        unsent = Fault(call="upload_file", account="west", status=503, times=None)
        is_down = simulator.add_fault(unsent)
        async with start() as gateway:
            batch = await gateway.create((await gateway.upload()).id)
        database, backup = tmp_path / "litebatch.db", tmp_path / "backup.db"
        shutil.copyfile(database, backup)
        simulator.remove_fault(is_down)
        async with start() as gateway:
            await gateway.reached(batch.id, "in_progress")
        assert len(simulator.account("west").batches) == 1
        shutil.copyfile(backup, database)
        simulator.remove_fault(refused)
        simulator.add_fault(unsent)
        simulator.add_fault(Fault(call="list_files", account="west", status=503, times=None))
        async with start() as gateway:
            await gateway.reached(batch.id, "in_progress")
            for account in simulator.accounts.values():
                account.configure(hold=frozenset())
            assert (await gateway.ended(batch.id)).status == "completed"
            assert len(gateway.provider_jobs()) == 1


async def test_an_attempt_that_a_lost_history_gave_up_is_ended_as_well(tmp_path: Path) -> None:
    """Its create was refused after the work was done, and another one was sent: both are unknown now."""
    simulator = Simulator(settings=SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"})))
    async with simulator.running() as provider:
        settings = replace(QUICK, adopt_grace_seconds=0.02)
        start = partial(gateway_on, simulator, provider, tmp_path, settings=settings)
        refused = simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        async with start() as gateway:
            batch = await gateway.create((await gateway.upload()).id)
        database, backup = tmp_path / "litebatch.db", tmp_path / "backup.db"
        shutil.copyfile(database, backup)
        simulator.remove_fault(refused)
        simulator.add_fault(Fault(call="create_batch", when="after", status=403))
        hidden = simulator.add_fault(Fault(call="list_batches", hide_newest=1, times=None))
        async with start() as gateway:
            await gateway.reached(batch.id, "in_progress")
            assert len(gateway.provider_jobs()) == 2
        shutil.copyfile(backup, database)
        simulator.remove_fault(hidden)
        async with start() as gateway:

            async def is_one_left() -> bool:
                return [job.status for job in gateway.provider_jobs()].count("cancelled") == 1

            await gateway.eventually(is_one_left)
            for account in simulator.accounts.values():
                account.configure(hold=frozenset())
            assert (await gateway.ended(batch.id)).status == "completed"
            assert sorted(job.status for job in gateway.provider_jobs()) == ["cancelled", "completed"]


async def test_an_attempt_that_a_lost_history_has_cancelled_is_begun_anew(tmp_path: Path) -> None:
    """Its create was refused after the work was done: the one deployment has it, cancelled by its watch."""
    simulator = Simulator(settings=SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"})))
    async with simulator.running() as provider:
        settings = replace(QUICK, adopt_grace_seconds=0.02)
        served = deployments(provider, ["west"])
        start = partial(gateway_on, simulator, provider, tmp_path, settings=settings, served=served)
        refused = simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        async with start() as gateway:
            batch = await gateway.create((await gateway.upload()).id)
        database, backup = tmp_path / "litebatch.db", tmp_path / "backup.db"
        shutil.copyfile(database, backup)
        simulator.remove_fault(refused)
        simulator.add_fault(Fault(call="create_batch", when="after", status=403))
        refused = simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        async with start() as gateway:

            async def is_cancelled() -> bool:
                return [job.status for job in gateway.provider_jobs()] == ["cancelled"]

            await gateway.eventually(is_cancelled)
        shutil.copyfile(backup, database)
        simulator.remove_fault(refused)
        simulator.account("west").configure(hold=frozenset())
        async with start() as gateway:
            ended = await gateway.ended(batch.id)
            output, errors = await gateway.results(ended)
            assert (ended.status, rows_of(errors)) == ("completed", [])
            assert ids_of(output) == ["request-0", "request-1", "request-2"]
            assert [job.status for job in gateway.provider_jobs()] == ["cancelled", "completed"]


async def test_each_tile_of_a_batch_is_looked_for_in_a_restored_database(tmp_path: Path) -> None:
    """One tile is found where a lost history has sent it; another one was just being sent, and sent again."""
    simulator = Simulator(settings=SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"})))
    async with simulator.running() as provider:
        settings = replace(QUICK, adopt_grace_seconds=0.02, lease_seconds=1.0, place_budget_seconds=0.2)
        served = deployments(provider, max_job_requests=2)
        start = partial(gateway_on, simulator, provider, tmp_path, settings=settings, served=served)
        stalled = simulator.add_fault(Fault(call="create_batch", match="-1-1", stall=True, drop=True))
        refused = simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        async with start() as gateway:
            batch = await gateway.create((await gateway.upload(lines(4))).id)
            await simulator.until(lambda: stalled.struck == 1)
        database, backup = tmp_path / "litebatch.db", tmp_path / "backup.db"
        shutil.copyfile(database, backup)
        simulator.remove_fault(stalled)
        simulator.remove_fault(refused)
        async with start() as gateway:
            await simulator.until(lambda: len(gateway.provider_jobs()) == 2)
        shutil.copyfile(backup, database)
        async with start() as gateway:

            async def all_run() -> bool:
                states = await gateway.database.rows("SELECT 1 FROM jobs WHERE state = 'submitted'")
                return len(states) == 2

            await gateway.eventually(all_run)
            for account in simulator.accounts.values():
                account.configure(hold=frozenset())
            assert (await gateway.ended(batch.id)).status == "completed"
            assert len(gateway.provider_jobs()) == 2


async def test_lines_that_a_lost_history_has_handed_on_are_not_sent_twice(tmp_path: Path) -> None:
    """Neither the job nor its copy is known, and another deployment would be chosen now."""
    settings = replace(SETTINGS, adopt_grace_seconds=0.02)
    simulator = Simulator(settings=replace(RUNNING, running_seconds=2.0))
    names = ("east", "west", "north")
    async with simulator.running() as provider:
        start = partial(
            gateway_on, simulator, provider, tmp_path, settings=settings, served=deployments(provider, names)
        )
        async with start() as gateway:
            first_runs(gateway, Course(ends_at=0.6, ends_as="expired"))
            batch = await begun(gateway, 10)
            await gateway.reached(batch.id, "in_progress")
        database, backup = tmp_path / "litebatch.db", tmp_path / "backup.db"
        shutil.copyfile(database, backup)
        async with start() as gateway:

            async def is_handed_on() -> bool:
                return len(gateway.provider_jobs()) == 2

            await gateway.eventually(is_handed_on)
        used = [name for name in names if simulator.account(name).batches]
        shutil.copyfile(backup, database)
        async with start() as gateway:
            for name in used:
                runtime_of(gateway).fleet.cool_down(name, 1.0)
            ended = await gateway.ended(batch.id)
            assert ended.status == "completed"
            assert await each_once(gateway, ended, 10) == {}
            assert await sizes(simulator) == [10, 4]


@pytest.mark.parametrize("where", ["elsewhere", pytest.param("there", marks=pytest.mark.long)])
async def test_a_job_is_ended_once_it_can_be_seen_that_a_lost_history_has_sent_it(
    tmp_path: Path, where: str
) -> None:
    """Its deployment could not be asked for as long as that is waited for: its lines were sent again."""
    async with forgotten(tmp_path, adopt_grace_seconds=0.3) as forgetting:
        simulator = forgetting.simulator
        async with forgetting.start() as gateway:
            await gateway.reached(forgetting.batch_id, "in_progress")
        (used,) = [account.name for account in simulator.accounts.values() if account.batches]
        await forgetting.forget()
        silent = simulator.add_fault(Fault(call="list_batches", account=used, status=503, times=None))
        async with forgetting.start() as gateway:
            if where == "elsewhere":
                runtime_of(gateway).fleet.cool_down(used, PATIENCE_SECONDS)
            await simulator.until(lambda: len(gateway.provider_jobs()) == 2)
            simulator.remove_fault(silent)
            await forgetting.one_is_left(gateway)


async def test_a_job_is_ended_before_a_later_attempt_is_sent(tmp_path: Path) -> None:
    """It could not be seen when its lines were to be sent again, which was refused."""
    async with forgotten(tmp_path, adopt_grace_seconds=0.3) as forgetting:
        simulator = forgetting.simulator
        async with forgetting.start() as gateway:
            await gateway.reached(forgetting.batch_id, "in_progress")
        (used,) = [account.name for account in simulator.accounts.values() if account.batches]
        await forgetting.forget()
        silent = simulator.add_fault(Fault(call="list_batches", account=used, status=503, times=None))
        refused = simulator.add_fault(Fault(call="create_batch", status=403))
        async with forgetting.start() as gateway:
            runtime_of(gateway).fleet.cool_down(used, PATIENCE_SECONDS)
            await simulator.until(lambda: refused.struck == 1)
            simulator.remove_fault(silent)
            await forgetting.one_is_left(gateway)


async def test_a_job_is_ended_that_a_provider_makes_when_its_history_is_lost(tmp_path: Path) -> None:
    """Its create was under way when the copy was put back, and the lines were sent again meanwhile."""
    async with forgotten(tmp_path, adopt_grace_seconds=10.0) as forgetting:
        simulator = forgetting.simulator
        late = simulator.add_fault(Fault(call="create_batch", stall=True))
        async with forgetting.start():
            await simulator.until(lambda: late.struck == 1)
        await forgetting.forget()
        async with forgetting.start() as gateway:
            await gateway.reached(forgetting.batch_id, "in_progress")
            simulator.remove_fault(late)
            await simulator.until(lambda: len(gateway.provider_jobs()) == 2)
            await forgetting.one_is_left(gateway)


async def test_a_job_is_ended_that_a_provider_makes_when_its_batch_was_cancelled(tmp_path: Path) -> None:
    """The batch waits in the copy, is cancelled there, and its lines were being sent when it was put back."""
    async with forgotten(tmp_path, adopt_grace_seconds=10.0) as forgetting:
        simulator = forgetting.simulator
        late = simulator.add_fault(Fault(call="create_batch", stall=True))
        async with forgetting.start():
            await simulator.until(lambda: late.struck == 1)
        await forgetting.forget()
        async with forgetting.start(reconciler=False) as gateway:
            await gateway.client().batches.cancel(forgetting.batch_id)
        async with forgetting.start() as gateway:
            assert (await gateway.ended(forgetting.batch_id)).status == "cancelled"
            simulator.remove_fault(late)

            async def is_cancelled() -> bool:
                return [job.status for job in gateway.provider_jobs()] == ["cancelled"]

            await gateway.eventually(is_cancelled)


async def test_an_attempt_of_a_lost_history_is_ended_though_it_cannot_be_at_first(tmp_path: Path) -> None:
    """Its provider does not cancel it for as long as that is waited for: the later one is gone on with."""
    async with forgotten(tmp_path, adopt_grace_seconds=0.3) as forgetting:
        simulator = forgetting.simulator
        simulator.add_fault(Fault(call="create_batch", when="after", status=403))
        hidden = simulator.add_fault(Fault(call="list_batches", hide_newest=1, times=None))
        async with forgetting.start() as gateway:
            await gateway.reached(forgetting.batch_id, "in_progress")
            assert len(gateway.provider_jobs()) == 2
        await forgetting.forget()
        simulator.remove_fault(hidden)
        refused = simulator.add_fault(Fault(call="cancel_batch", status=503, times=None))
        async with forgetting.start() as gateway:
            await gateway.reached(forgetting.batch_id, "in_progress")
            simulator.remove_fault(refused)
            await forgetting.one_is_left(gateway)
