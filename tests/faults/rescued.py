"""Journeys of batches whose jobs are rescued, or need not be, each told by what came out wrong."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import anyio
from msgspec.structs import replace

from litebatch_asgi.simulator import Simulator
from tests.database import Database, SQLiteDatabase
from tests.faults import tiled
from tests.faults.journey import outcome
from tests.faults.promises import broken
from tests.faults.stage import HELD, TILES, gateway_on
from tests.faults.world import RUN, world_of
from tests.harness import HASTY, UPSTREAM, deployments

GONE_SOON = replace(HASTY, gone_grace_seconds=1.5, rescue=True)


async def deaths_after_settling(folder: Path) -> list[str]:
    """Our own work breaks off when a tile is settled, be it the first, the second or the third."""
    for count, name in enumerate(("", "=2", "=3")):
        trouble = tiled.ALL[f"death at settle.stored{name}"]
        if wrong := await outcome([trouble], folder / str(count), flavour=TILES):
            return wrong
    return []


async def older_configuration_beside(folder: Path, database: Database | None = None) -> list[str]:
    """A process that lacks the deployment of a job runs beside one that has it: what is wrong then."""
    database = database or SQLiteDatabase.migrated(folder)
    async with AsyncExitStack() as stack:
        simulator = Simulator(settings=HELD)
        provider = await stack.enter_async_context(simulator.running())
        start = partial(gateway_on, simulator, provider, folder, settings=GONE_SOON, database=database)
        gateway = await stack.enter_async_context(start())
        world = await world_of(gateway, provider)
        await world.create(await world.upload(), RUN)
        await simulator.until(lambda: bool(world.open_jobs(RUN)))
        ((account, _),) = world.open_jobs(RUN)
        others = [name for name in UPSTREAM if name != account.name]
        await stack.enter_async_context(start(served=deployments(provider, others)))
        is_over = int((time.time() + 2 * GONE_SOON.gone_grace_seconds) * 1_000_000)

        async def have_beaten() -> bool:
            beating = await world.rows(f"SELECT 1 FROM heartbeats WHERE seen_at > {is_over}")
            return len(beating) == 2

        await gateway.eventually(have_beaten)
        async with anyio.create_task_group() as group:
            group.start_soon(world.let_run)
            await world.ended(RUN)
            group.cancel_scope.cancel()
        made = len(world.jobs(RUN))
        return [*await broken(world), *([f"{RUN} was made {made} times"] if made > 1 else [])]
