"""Results that cannot be written: they come first, and nothing else is claimed until they are."""

from __future__ import annotations

from pathlib import Path

from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.failpoints import calling
from litebatch_asgi.live import LiveRunner
from tests.database import Database
from tests.faults.live import LOST
from tests.harness import lines
from tests.live.stage import each_once, live_gateway, nothing_is_left

CLAIMED = "SELECT DISTINCT owner FROM line_ranges WHERE claimed_by IS NOT NULL"
MORE_WRITES = 2
"""after which a runner that may claim has done so: between two of them are looks for ranges"""


class NoWrites:
    """Results are not written while this is so; all else is."""

    def __init__(self) -> None:
        self.failed = 0

    def __call__(self) -> None:
        self.failed += 1
        raise StorageUnavailable("for a test")


async def test_nothing_is_claimed_while_results_cannot_be_written(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    """However short of requests the process is: somebody else may run them."""
    async with live_gateway(tmp_path, database) as gateway:
        with calling("live.writing", failing := NoWrites(), each_time=True):
            first = await gateway.create((await gateway.upload(lines(3))).id)

            async def fails_again() -> bool:
                return failing.failed >= at_least

            at_least = 1
            await gateway.eventually(fails_again)
            file = await gateway.upload(lines(5), key="bob")
            second = await gateway.create(file.id, key="bob")
            await gateway.reached(second.id, "in_progress", key="bob")
            at_least = failing.failed + MORE_WRITES
            await gateway.eventually(fails_again)
            assert await database.rows(CLAIMED) == [("alice",)]
            assert len(gateway.simulator.requests) == 3
        assert (await gateway.ended(second.id, key="bob")).status == "completed"
        assert (await gateway.ended(first.id)).status == "completed"
        await nothing_is_left(gateway, runners)


async def test_results_that_nobody_is_to_write_any_more_hold_up_nothing(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    """Their range was lost before the database took them: it is claimed again, by this process as well."""
    async with live_gateway(tmp_path, database) as gateway:
        with calling("live.writing", failing := NoWrites(), each_time=True):
            batch = await gateway.create((await gateway.upload(lines(3))).id)
            station = runners[0].stations["live"]

            async def are_all_waiting() -> bool:
                return bool(failing.failed) and station.places.taken == 3 and not station.load.in_flight

            await gateway.eventually(are_all_waiting)
            await database.change(LOST)
            for held in station.held:
                station.drop(held)
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 3) == {}
        await nothing_is_left(gateway, runners)
