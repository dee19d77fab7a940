"""How often providers are asked about running batches, and who waits for whom."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace
from openai.types import Batch

from litebatch_asgi.batches.rounds import LIST_FROM, SINGLY
from litebatch_asgi.failpoints import armed
from litebatch_asgi.models import Work
from litebatch_asgi.reconciler import COPIES_AT_ONCE, ROOM
from litebatch_asgi.shares import share_of
from litebatch_asgi.simulator import Fault, Simulator, SimulatorSettings
from litebatch_asgi.simulator.faults import CallName
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import QUICK, SWIFT, InProcess, deployments, lines, running_gateway

HELD = SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"}))
SETTLED_PER_OWNER = share_of(ROOM[Work.SETTLE])
EAGER = replace(QUICK, refresh_after_seconds=0.001, max_poll_seconds=60)


def done_of(batch: Batch) -> int:
    assert batch.request_counts is not None
    return batch.request_counts.completed


async def test_a_client_that_polls_does_not_hurry_what_has_failed(tmp_path: Path, database: Database) -> None:
    """Looks that fail come later each time, however often a client asks."""
    simulator = Simulator(settings=HELD)
    async with running_gateway(tmp_path, database=database, simulator=simulator, settings=EAGER) as gateway:
        batch = await gateway.create((await gateway.upload()).id)
        failing = simulator.add_fault(Fault(call="retrieve_batch", status=403, times=None))
        await simulator.until(lambda: failing.struck > 0)
        for _ in range(200):
            await gateway.client().batches.retrieve(batch.id)
        assert failing.struck < 20


async def test_a_client_that_polls_does_not_hurry_settling(tmp_path: Path, database: Database) -> None:
    async with running_gateway(tmp_path, database=database, settings=EAGER) as gateway:
        failing = gateway.simulator.add_fault(
            Fault(call="stream_file", match="batch_", status=403, times=None)
        )
        batch = await gateway.create((await gateway.upload()).id)
        await gateway.simulator.until(lambda: failing.struck > 0)
        for _ in range(200):
            await gateway.client().batches.retrieve(batch.id)
        assert failing.struck < 20


@pytest.mark.parametrize("refused", ["cancel_batch", "stream_file"])
async def test_a_cancellation_that_cannot_be_done_is_tried_later_each_time(
    tmp_path: Path, database: Database, refused: CallName
) -> None:
    """Of a job that runs, and of one that waits and whose input cannot be read."""
    simulator = Simulator(settings=HELD)
    settings = replace(QUICK, min_poll_seconds=0.05, max_poll_seconds=60)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=settings, names=["east"]
    ) as gateway:
        file = await gateway.upload()
        if refused == "stream_file":
            simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        batch = await gateway.create(file.id)
        simulator.add_fault(Fault(call=refused, status=403, times=None))
        await gateway.client().batches.cancel(batch.id)
        tries = partial(simulator.journal.select, refused)
        await simulator.until(lambda: len(tries()) > 8)
        first, *_, last = tries()[:9]
        assert last.time - first.time > 1


@pytest.mark.long
async def test_many_running_batches_are_looked_at_by_the_list(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=HELD)
    async with running_gateway(tmp_path, database=database, simulator=simulator, names=["east"]) as gateway:
        file = await gateway.upload()
        batches = [await gateway.create(file.id) for _ in range(30)]
        calls = simulator.journal.select
        await simulator.until(lambda: len(calls("list_batches")) > 5)
        before = len(calls("retrieve_batch"))
        await simulator.until(lambda: len(calls("list_batches")) > 15)
        assert len(calls("retrieve_batch")) - before < 100  # of some 300 looks
        simulator.account("east").release()
        for batch in batches:
            assert (await gateway.ended(batch.id)).status == "completed"


@asynccontextmanager
async def stalled_round(
    folder: Path, database: Database, *, lease_seconds: float
) -> AsyncGenerator[InProcess]:
    """A gateway with 30 running batches, in the middle of a round of looks at them."""
    simulator = Simulator(settings=HELD)
    settings = replace(QUICK, lease_seconds=lease_seconds, provider_timeout_seconds=60)
    async with running_gateway(
        folder, database=database, simulator=simulator, settings=settings, names=["east"]
    ) as gateway:
        file = await gateway.upload()
        for _ in range(30):
            await gateway.create(file.id)
        stalled = simulator.add_fault(Fault(call="list_batches", stall=True, times=None))
        await simulator.until(lambda: stalled.struck > 0)
        simulator.add_fault(Fault(call="retrieve_batch", stall=True, times=None))
        yield gateway


async def test_a_round_that_outlasts_its_leases_keeps_its_claims(tmp_path: Path, database: Database) -> None:
    async with stalled_round(tmp_path, database, lease_seconds=1) as gateway:
        ends: dict[tuple[str, int], set[int]] = defaultdict(set)

        async def are_renewed() -> bool:
            for job_id, epoch, until in await database.rows("SELECT id, epoch, claimed_until FROM jobs"):
                ends[job_id, epoch].add(until)
            return sum(len(each) > 4 for each in ends.values()) >= LIST_FROM

        await gateway.eventually(are_renewed)


async def test_a_process_that_stops_in_a_round_gives_its_claims_back(
    tmp_path: Path, database: Database
) -> None:
    """But for those that it was about to claim in that very moment: nobody can tell which these are."""
    async with stalled_round(tmp_path, database, lease_seconds=600):
        pass
    held = await database.rows("SELECT id FROM jobs WHERE claimed_until IS NOT NULL")
    assert len(held) < LIST_FROM


@pytest.mark.long
async def test_owners_take_turns_where_a_round_looks_at_one_after_the_other(
    tmp_path: Path, database: Database
) -> None:
    """Cancellations are passed on so: those of one owner do not go first because they came first."""
    simulator = Simulator(settings=HELD)
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, tmp_path, settings=QUICK, database=database)
        served = deployments(provider, ["east"])
        async with start(served=served) as gateway:
            files = {key: (await gateway.upload(key=key)).id for key in ("alice", "bob")}
            many = [(await gateway.create(files["alice"])).id for _ in range(40)]
            one = (await gateway.create(files["bob"], key="bob")).id
        async with start(served=served, reconciler=False) as gateway:
            for batch_id in many:
                await gateway.client().batches.cancel(batch_id)
            await gateway.client("bob").batches.cancel(one)

            async def are_all_free() -> bool:
                held = f"SELECT id FROM jobs WHERE claimed_until > {int(time.time() * 1e6)}"
                return not await database.rows(held)

            await gateway.eventually(are_all_free)
        simulator.add_fault(Fault(call="cancel_batch", delay=0.02, times=None))
        async with start(served=served) as gateway:
            assert (await gateway.ended(one, key="bob")).status == "cancelled"
            for batch_id in many:
                assert (await gateway.ended(batch_id)).status == "cancelled"
            statement = f"SELECT provider_batch_id FROM jobs WHERE batch_id = '{one}'"
            ((theirs,),) = await database.rows(statement)
        cancelled = [entry.object_id for entry in simulator.journal.select("cancel_batch")]
        assert cancelled.index(theirs) < 2 * SINGLY


async def test_counts_that_grow_do_not_hurry_looks(tmp_path: Path, database: Database) -> None:
    """They grow at every look while a batch runs: looks at it come later each time all the same."""
    simulator = Simulator(settings=replace(SWIFT, running_seconds=3))
    settings = replace(QUICK, max_poll_seconds=60)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=settings
    ) as gateway:
        batch = await gateway.create((await gateway.upload(lines(2000))).id)

        async def is_half_done() -> bool:
            running = [each for name in ("east", "west") for each in simulator.account(name).batches.values()]
            return sum(each.request_counts.completed for each in running) > 1000

        await gateway.eventually(is_half_done)
        assert len(simulator.journal.select("retrieve_batch")) < 25
        assert 0 < done_of(await gateway.client().batches.retrieve(batch.id)) < 2000


async def test_counts_of_many_batches_are_written_together(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=replace(SWIFT, running_seconds=60))
    async with running_gateway(tmp_path, database=database, simulator=simulator, names=["east"]) as gateway:
        file = await gateway.upload(lines(600))
        batches = [await gateway.create(file.id) for _ in range(20)]

        async def all_go_on() -> bool:
            found = [await gateway.client().batches.retrieve(batch.id) for batch in batches]
            return all(done_of(each) > 20 for each in found)

        await gateway.eventually(all_go_on)
        page = await gateway.client().batches.list(limit=20)
        assert {each.status for each in page.data} == {"in_progress"}


async def test_downloads_that_hang_keep_no_other_owner_waiting(tmp_path: Path, database: Database) -> None:
    async with running_gateway(tmp_path, database=database, names=["east"]) as gateway:
        hanging = gateway.simulator.add_fault(
            Fault(call="stream_file", match="batch_", stall=True, times=SETTLED_PER_OWNER)
        )
        file = await gateway.upload()
        for _ in range(SETTLED_PER_OWNER + 4):
            await gateway.create(file.id)
        await gateway.simulator.until(lambda: hanging.struck == SETTLED_PER_OWNER)
        theirs = await gateway.upload(key="bob")
        batch = await gateway.create(theirs.id, key="bob")
        with anyio.fail_after(QUICK.provider_timeout_seconds / 2):
            assert (await gateway.ended(batch.id, key="bob")).status == "completed"
        gateway.simulator.remove_fault(hanging)


async def test_deletions_that_hang_keep_no_other_owner_waiting(tmp_path: Path, database: Database) -> None:
    async with running_gateway(tmp_path, database=database, names=["east"]) as gateway:
        simulator = gateway.simulator
        files = [await gateway.upload() for _ in range(2 * COPIES_AT_ONCE)]
        hangs = [Fault(call="delete_file", match=file.id, stall=True, times=None) for file in files]
        hanging = [simulator.add_fault(fault) for fault in hangs]
        for file in files:
            await gateway.client().files.delete(file.id)
        most = share_of(COPIES_AT_ONCE)
        await simulator.until(lambda: sum(each.struck for each in hanging) >= most)
        theirs = await gateway.upload(key="bob")
        await gateway.client("bob").files.delete(theirs.id)
        with anyio.fail_after(QUICK.call_timeout_seconds / 2):
            await simulator.until(lambda: len(gateway.provider_files("east")) == len(files))
        for each in hanging:
            simulator.remove_fault(each)


async def test_jobs_in_doubt_share_one_read_of_the_list(tmp_path: Path, database: Database) -> None:
    """Who comes while it is read waits for the next read, which serves all of them."""
    settings = replace(QUICK, min_poll_seconds=30, max_poll_seconds=30)
    async with running_gateway(tmp_path, database=database, settings=settings, names=["east"]) as gateway:
        simulator, file = gateway.simulator, await gateway.upload()
        lists = simulator.add_fault(Fault(call="list_batches", stall=True))
        simulator.add_fault(Fault(call="create_batch", when="after", drop=True, times=12))
        async with anyio.create_task_group() as group:
            for _ in range(12):
                group.start_soon(gateway.create, file.id)

            async def are_all_in_doubt() -> bool:
                rows = await database.rows("SELECT 1 FROM jobs WHERE state = 'unclear'")
                return len(rows) == 12 and lists.struck == 1

            await gateway.eventually(are_all_in_doubt)
            simulator.remove_fault(lists)
        assert await database.rows("SELECT 1 FROM jobs WHERE state <> 'submitted'") == []
        assert len(gateway.provider_jobs()) == 12
        assert simulator.journal.counts()["list_batches"] == 2


async def test_a_defect_in_one_look_leaves_those_beside_it_alone(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """They are settled by the round itself, not once a lease has run out."""
    simulator = Simulator(settings=HELD)
    brief, long = (replace(QUICK, lease_seconds=seconds) for seconds in (2, 600))
    async with simulator.running() as provider:
        served = deployments(provider, ["east"])
        start = partial(gateway_on, simulator, provider, tmp_path, served=served, database=database)
        async with start(settings=brief) as gateway:
            file = await gateway.upload()
            batches = [await gateway.create(file.id) for _ in range(30)]
        simulator.account("east").release()

        async def are_all_due() -> bool:
            now = int(time.time() * 1e6)
            due = f"coalesce(claimed_until, 0) < {now} AND next_check_at < {now}"
            return len(await database.rows(f"SELECT id FROM jobs WHERE {due}")) == len(batches)

        await gateway.eventually(are_all_due)  # so that one round looks at all of them
        with armed("poll.ended=raise"):
            async with start(settings=long) as gateway:

                async def are_the_others_done() -> bool:
                    seen = await gateway.client().batches.list(limit=100)
                    return sum(batch.status == "completed" for batch in seen.data) >= len(batches) - 1

                await gateway.eventually(are_the_others_done)
    assert [each.message for each in caplog.records if each.exc_info] == ["a job could not be looked at"]
