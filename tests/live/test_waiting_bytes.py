"""Requests that wait at a station: those of one owner are no more than so many bytes."""

from __future__ import annotations

from pathlib import Path

from litebatch_asgi.live import LiveRunner
from litebatch_asgi.live.runner import MOST_BYTES, RANGES_AT_ONCE
from litebatch_asgi.simulator import Fault
from tests.database import Database
from tests.harness import lines
from tests.live.stage import asking, live_gateway

COUNT = 3 * RANGES_AT_ONCE
LONG = " and" * (MOST_BYTES // RANGES_AT_ONCE // 4)
"""a text of so many bytes that what is claimed at once is as much as may wait"""


async def test_requests_that_wait_are_bounded_in_bytes(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    """However few they are. An owner who has none there gets some all the same."""
    async with live_gateway(tmp_path, database, live_options={"rpm": 1}) as gateway:
        gateway.simulator.add_fault(Fault(account="live", stall=True, times=None))
        content = b"".join(asking(number, text=f"Say{LONG}") for number in range(COUNT))
        await gateway.create((await gateway.upload(content)).id)
        await gateway.simulator.until(lambda: len(gateway.simulator.requests) == 1)
        file = await gateway.upload(lines(3), key="bob")
        await gateway.create(file.id, key="bob")
        station = runners[0].stations["live"]

        def held(owner: str) -> int:
            return sum(each.claim.owner == owner for each in station.held)

        async def has_some_of_both() -> bool:
            return held("bob") == 1 and held("alice") > RANGES_AT_ONCE

        await gateway.eventually(has_some_of_both)
        waiting = sum(bool(each.waiting) for each in station.held if each.claim.owner == "alice")
        assert (waiting, runners[0].opening) == (RANGES_AT_ONCE, 0)
        assert station.is_short
