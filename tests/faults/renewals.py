"""Copies that are sent anew, for the model of a deployment has changed, while a batch reads the old ones."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import anyio
from msgspec.structs import replace
from openai import InternalServerError

from litebatch_asgi.failpoints import armed
from litebatch_asgi.models import Deployment
from litebatch_asgi.simulator import Fault, Simulator
from tests.database import Database, SQLiteDatabase
from tests.faults.promises import broken
from tests.faults.stage import HELD, gateway_on
from tests.faults.world import CANCEL, CONTENT, RUN, World, at, world_of
from tests.harness import HASTY, PATIENCE_SECONDS, UPSTREAM, deployments

LOST_UPLOADS = Fault(call="upload_file", drop=True, times=2)
SETTINGS = replace(HASTY, lease_seconds=1.0)


def before(provider: str) -> list[Deployment]:
    """The deployments under their models of yesterday, whose names are as long as today's."""
    return [
        replace(each, model=f"openai/{'x' * len(UPSTREAM[each.id or ''])}") for each in deployments(provider)
    ]


async def models_change(
    folder: Path,
    database: Database | None = None,
    *,
    faults: Sequence[Fault] = (),
    dies_at: str = "",
) -> list[str]:
    """One batch runs, the models change, and another batch begins on the same file: what is wrong then.

    The faults and the death come with the change.
    """
    database = database or SQLiteDatabase.migrated(folder)
    async with AsyncExitStack() as stack:
        simulator = Simulator(settings=HELD)
        provider = await stack.enter_async_context(simulator.running())
        start = partial(gateway_on, simulator, provider, folder, settings=SETTINGS, database=database)
        async with start(served=before(provider)) as gateway:
            world = await world_of(gateway, provider)
            file_id = await world.upload()
            await gateway.reached(await world.create(file_id, CANCEL), "in_progress")
        struck = [simulator.add_fault(fault) for fault in faults]
        with armed(dies_at):
            world.gateway = await stack.enter_async_context(start())
            async with anyio.create_task_group() as group:
                group.start_soon(world.let_run)
                await create(world, file_id)
                await world.ended(RUN)
                group.cancel_scope.cancel()
        wrong = [f"{each.fault} never struck" for each in struck if not each.struck]
        wrong += [*await _runs_on_old_copies(world), *await _is_read_in_vain(world)]
        await world.cancel(CANCEL)
        await world.ended(CANCEL)
        wrong += await broken(world)
        if not wrong:
            await world.delete(file_id, RUN)
            wrong = await broken(world)
        return wrong


async def create(world: World, file_id: str) -> None:
    """Create a batch; our own death in the middle of it is a 500."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while RUN not in world.batches:
            try:
                await world.create(file_id, RUN)
            except InternalServerError:
                await anyio.sleep(0.05)


async def _runs_on_old_copies(world: World) -> list[str]:
    """Batches that began after the change and read what names the model of before."""
    found: list[str] = []
    for account, batch in world.jobs(RUN):
        content = await account.content(batch.input_file_id)
        if content != at(account.name, CONTENT):
            found.append(f"{batch.id} at {account.name} reads another model")
    return found


async def _is_read_in_vain(world: World) -> list[str]:
    """What a running batch reads and its provider has no more, once the copies beside it were looked at."""

    async def were_looked_at() -> bool:
        rows = await world.rows("SELECT min(attempts) FROM file_copies WHERE watch_until IS NOT NULL")
        return rows[0][0] is None or rows[0][0] > 5

    with anyio.move_on_after(PATIENCE_SECONDS):
        await world.gateway.eventually(were_looked_at)
    return [
        f"{account.name} has lost what {batch.id} reads"
        for account, batch in world.open_jobs(CANCEL)
        if batch.input_file_id not in account.files
    ]
