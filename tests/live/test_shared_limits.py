"""Limits of a deployment are divided among the processes that hold ranges of it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from litebatch_asgi.live import LiveRunner
from litebatch_asgi.simulator import Latency, Simulator
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import live_deployments
from tests.live.stage import SERVER, SETTINGS
from tests.live.test_many_ranges import long_requests

MOST = 6
SLOW = replace(SERVER, latency=Latency(seconds=0.5))


async def test_two_processes_have_half_each_and_one_alone_has_all(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    """In flight, by what successes have let it grow to."""
    simulator = Simulator(settings=SLOW)
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(simulator.running())
        served = live_deployments(provider, ["live"], max_parallel_requests=MOST)
        start = partial(gateway_on, simulator, provider, settings=SETTINGS, database=database, served=served)
        first = await stack.enter_async_context(start(folder=tmp_path / "0"))
        second = await stack.enter_async_context(AsyncExitStack())
        await second.enter_async_context(start(folder=tmp_path / "1"))
        batch = await first.create((await first.upload(long_requests("Say", 60))).id)
        stations = [runner.stations["live"] for runner in runners]

        def limits() -> list[int]:
            return [station.load.limit if station.held else 0 for station in stations]

        async def are_halves() -> bool:
            return limits() == [MOST // 2] * 2

        async def is_whole() -> bool:
            return limits() == [MOST, 0]

        await first.eventually(are_halves)
        await second.aclose()
        await first.eventually(is_whole)
        await first.client().batches.cancel(batch.id)
        assert (await first.ended(batch.id)).status == "cancelled"
