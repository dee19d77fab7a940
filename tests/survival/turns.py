"""What may happen to the database in a round: a clone is made beside it, or it is restored from a backup."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from litebatch_asgi.models import Deployment
from tests import forks
from tests.clones import Backup, cloned
from tests.database import Database
from tests.faults.world import World, world_on
from tests.survival.clients import CALLER, ENDED, Memory
from tests.survival.hooks import Hooks
from tests.survival.server import Deployed, Server, configure
from tests.survival.telling import Telling, written


class Turn(StrEnum):
    """What happens to the database in a round."""

    NONE = "none"
    CLONE = "clone"
    RESTORE = "restore"


async def told_to_be(what: str, database: Database, folder: Path) -> list[str]:
    """Say that a database was `moved` or `copied`, by the command line; what stood against it."""
    # forced, for heartbeats of what was killed, or of the original, are not a minute old
    command = partial(forks.run, "database", what, "--database", database.url, "--yes", "--force", cwd=folder)
    ended = await anyio.to_thread.run_sync(command)
    return [] if ended.returncode == 0 else [f"database {what} has failed: {ended.stderr}"]


async def refused(server: Server) -> list[str]:
    """See that a process does not start on a database that is not where it was; what came of it instead."""
    await server.start()
    try:
        if await server.ready():
            return ["a process has started on a database that is not where it was"]
        is_told = "litebatch database copied" in server.log and "Traceback" not in server.log
        if server.process.poll() == 2 and is_told:
            return []
        return [f"a process on another database has ended with {server.process.poll()}: {server.log}"]
    finally:
        await server.aclose()


@asynccontextmanager
async def clone_beside(
    original: World,
    folder: Path,
    served: Sequence[Deployment],
    gateway: Mapping[str, Any],
    hooks: Hooks,
    without: str | None,
) -> AsyncGenerator[tuple[Memory, Deployed]]:
    """An installation of its own on a clone of the original's database, with a process that serves.

    `gateway`: its settings.
    It is refused before it was told to be a copy. What may not be is noted in its world.
    """
    async with AsyncExitStack() as stack:
        clone = await stack.enter_async_context(cloned(original.database, folder))
        await anyio.Path(folder).mkdir(exist_ok=True)
        server = Server(configure(folder, served, clone.url, **gateway), without=without)
        deployed = await stack.enter_async_context(aclosing(Deployed(server, original.simulator, clone)))
        deployed.caller = CALLER
        wrong = await refused(server)
        before = await clone.rows("SELECT id, status FROM batches")
        told = await written(clone)  # or is still to be, to either
        wrong += await told_to_be("copied", clone, folder)
        await server.started()
        world = await world_on(deployed, clone, original.provider)
        world.foreign = original.foreign
        world.content = original.content
        world.wrong += wrong
        world.neighbours.append(original)
        original.neighbours.append(world)
        if world.installation == original.installation:
            world.wrong.append("a copy has the installation id of its original")
        memory = Memory(world, Telling(clone, folder, hooks, told))
        world.copied = frozenset(id_ for id_, _ in before)
        memory.theirs = {id_: status if status in ENDED else "failed" for id_, status in before}
        yield memory, deployed


async def restored(
    memory: Memory, backup: Backup, servers: Sequence[Server], folder: Path, chance: random.Random
) -> None:
    """Put a backup in the place of the database, while nothing runs, and say so where that is asked for.

    What clients were promised since is forgotten, and what providers were given since then is noted as lost.
    """
    world = memory.world
    for server in servers:
        await server.kill()
    await world.learn()  # also of what is lost now
    if await backup.restore(in_place=chance.random() < 0.5):
        world.wrong += await refused(servers[0])
        world.wrong += await told_to_be("moved", world.database, folder)
    memory.recall()
    world.lost_times = (memory.remembered_at, time.time())
