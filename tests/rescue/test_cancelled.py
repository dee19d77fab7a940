"""A client cancels its batch during each step of a rescue: nothing is begun any more, each line comes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.app import open_storage
from litebatch_asgi.failpoints import calling
from litebatch_asgi.simulator import Course, Fault, RowFaults, Simulator
from litebatch_asgi.storage import Storage
from tests.database import Database
from tests.harness import lines, running_gateway
from tests.rescue.hours import UNHURRIED, Hours
from tests.rescue.stage import RUNNING, SETTINGS, begun, each_once, first_runs, sizes

CALLS = ("get_batch", "get_batch_state", "get_file", "change_batch", "change_batches", "change_file")
EXPIRES = Course(ends_at=0.6, ends_as="expired")


class Interrupted:
    """A storage whose next call after a place was passed waits until something else is done.

    Whoever has passed the place goes on with what it knows, which is not so any more.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self._is_due = False
        self.is_done = False
        for name in CALLS:
            setattr(storage, name, self._after(getattr(storage, name)))

    def passed(self) -> None:
        """The place was passed."""
        self._is_due = True

    def _after(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def after(*args: Any, **named: Any) -> Any:
            if self._is_due and self.meanwhile is not None:
                self._is_due = False
                await self.meanwhile()
                self.is_done = True
            return await call(*args, **named)

        return after


@pytest.mark.parametrize(
    "place",
    ["poll.ended", "settle.read", "handon.derived", "settle.before", "settle.stored"],
)
async def test_while_the_rest_is_handed_on(tmp_path: Path, database: Database, place: str) -> None:
    simulator = Simulator(settings=RUNNING)
    interrupted = Interrupted(open_storage(database.url))
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS, storage=interrupted.storage
    ) as gateway:
        first_runs(gateway, EXPIRES)
        file = await gateway.upload(lines(10))
        simulator.account("east").configure(hold=frozenset({"validating"}))
        simulator.account("west").configure(hold=frozenset({"validating"}))
        batch = await gateway.create(file.id)
        interrupted.meanwhile = lambda: gateway.client().batches.cancel(batch.id)
        with calling(place, interrupted.passed):
            for account in simulator.accounts.values():
                account.configure(hold=frozenset())
            ended = await gateway.ended(batch.id)
        assert interrupted.is_done
        assert ended.status == "cancelled"
        codes = await each_once(gateway, ended, 10)
        assert codes.total() == 4
        assert await sizes(simulator) == [10]


async def test_while_its_job_is_to_be_stopped(tmp_path: Path, database: Database) -> None:
    hours = Hours()
    simulator = hours.simulator(RUNNING)
    settings = replace(SETTINGS, max_poll_seconds=UNHURRIED)
    interrupted = Interrupted(open_storage(database.url))
    async with running_gateway(
        tmp_path,
        database=database,
        simulator=simulator,
        settings=settings,
        storage=interrupted.storage,
        clock=hours.now,
    ) as gateway:
        first_runs(gateway, Course(stuck_at=0.6))
        batch = await begun(gateway, 10)
        await gateway.reached(batch.id, "in_progress")
        await hours.passed(gateway, 19.9)
        interrupted.meanwhile = lambda: gateway.client().batches.cancel(batch.id)
        with calling("stop.stored", interrupted.passed):
            hours.skip(simulator, 0.2)
            ended = await gateway.ended(batch.id)
        assert interrupted.is_done
        assert ended.status == "cancelled"
        assert await each_once(gateway, ended, 10) == {"batch_cancelled": 4}
        assert await sizes(simulator) == [10]


async def test_while_the_stopped_job_ends(tmp_path: Path, database: Database) -> None:
    hours = Hours()
    simulator = hours.simulator(RUNNING)
    settings = replace(SETTINGS, max_poll_seconds=UNHURRIED)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=settings, clock=hours.now
    ) as gateway:
        first_runs(gateway, Course(stuck_at=0.6))
        ending = simulator.add_fault(Fault(call="finish_cancel", stall=True))
        batch = await begun(gateway, 10)
        await gateway.reached(batch.id, "in_progress")
        await hours.passed(gateway, 20.1)
        await simulator.until(lambda: ending.struck == 1)
        assert (await gateway.client().batches.cancel(batch.id)).status == "cancelling"
        simulator.remove_fault(ending)
        ended = await gateway.ended(batch.id)
        assert ended.status == "cancelled"
        assert await each_once(gateway, ended, 10) == {"batch_cancelled": 4}
        assert await sizes(simulator) == [10]


async def test_while_the_rest_waits(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=RUNNING)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS
    ) as gateway:
        first_runs(gateway, EXPIRES)
        full = simulator.add_fault(Fault(call="create_batch", skip=1, status=429, times=None))
        batch = await begun(gateway, 10)
        await simulator.until(lambda: full.struck > 0)
        assert (await gateway.client().batches.retrieve(batch.id)).status == "in_progress"
        await gateway.client().batches.cancel(batch.id)
        ended = await gateway.ended(batch.id)
        assert ended.status == "cancelled"
        assert await each_once(gateway, ended, 10) == {"batch_cancelled": 4}
        assert await sizes(simulator) == [10]


async def test_while_the_rest_runs(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=RUNNING)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS
    ) as gateway:
        first_runs(gateway, EXPIRES)
        first_runs(gateway, Course(stuck_at=0.5))
        batch = await begun(gateway, 10)

        async def has_done_two() -> bool:
            counts = [job.request_counts for job in gateway.provider_jobs()]
            return sorted((each.total, each.completed) for each in counts) == [(4, 2), (10, 6)]

        await gateway.eventually(has_done_two)
        await gateway.client().batches.cancel(batch.id)
        ended = await gateway.ended(batch.id)
        assert ended.status == "cancelled"
        assert await each_once(gateway, ended, 10) == {"batch_cancelled": 2}
        assert await sizes(simulator) == [10, 4]


@pytest.mark.parametrize("lost", [0, 1])
async def test_while_results_are_read_of_a_job_that_has_done_all(
    tmp_path: Path, database: Database, lost: int
) -> None:
    """What was asked for has come true before; a row that is lost does not run anew any more."""
    simulator = Simulator(settings=RUNNING)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS
    ) as gateway:
        simulator.add_fault(Fault(call="run_batch", rows=RowFaults(lost=lost)))
        reads = simulator.add_fault(Fault(call="stream_file", stall=True))
        batch = await begun(gateway, 10)
        await simulator.until(lambda: reads.struck == 1)
        await gateway.reached(batch.id, "finalizing")
        for _ in range(2):
            assert (await gateway.client().batches.cancel(batch.id)).status == "finalizing"
        simulator.remove_fault(reads)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert (await each_once(gateway, ended, 10)).total() == lost
        assert await sizes(simulator) == [10]
