"""Stages rounds."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path

import msgspec

from litebatch_asgi.models import Deployment
from litebatch_asgi.simulator import Simulator
from tests.database import Database
from tests.faults.stage import HELD, TILED, settled_among_others
from tests.faults.strangers import settle_strangers
from tests.faults.world import world_on
from tests.harness import UPSTREAM, deployments
from tests.postgres import Server as DatabaseServer
from tests.survival import settings
from tests.survival.clients import CALLER, CONTENT, CONTENT_BESIDE_LIVE
from tests.survival.fates import revive
from tests.survival.hooks import hooked
from tests.survival.live import live_deployments, set_up_servers
from tests.survival.money import make_callers
from tests.survival.plans import Plan
from tests.survival.rounds import Result, Round
from tests.survival.server import Deployed, Server, configure
from tests.survival.turns import Turn
from tests.translated.deployed import ANTHROPIC, AZURE, OPENAI, VERTEX

WRONG_CLOCK_SECONDS = 120.0
MIXED = (OPENAI, AZURE, VERTEX, ANTHROPIC)
"""deployments of rounds in which not everybody speaks OpenAI"""


@asynccontextmanager
async def staged(
    plan: Plan, folder: Path, database: Database, server: DatabaseServer | None = None
) -> AsyncGenerator[Round]:
    """A round that is ready to run: a simulator, and replicas that serve.

    `server`: the PostgreSQL that the database is on, if it may be restarted.
    """
    cancelling = settings.CANCELLING_SECONDS if plan.rescues else 0.0
    held = msgspec.structs.replace(HELD, cancelling_seconds=cancelling)
    simulator = Simulator(folder / "provider", settings=held)
    async with simulator.running() as provider, AsyncExitStack() as stack:
        served = await _served(plan, simulator, provider)
        if plan.live:
            set_up_servers(simulator)
            served = [*served, *live_deployments(provider)]
        config = configure(folder, served, database.url, **plan.gateway)
        servers = [_server(plan, number, config) for number in range(plan.replicas)]
        replicas = [
            await stack.enter_async_context(aclosing(Deployed(server, simulator, database)))
            for server in servers
        ]
        wrong = await revive(servers)
        for replica in replicas:
            replica.caller = CALLER
        await make_callers(replicas[0])
        world = await world_on(replicas[0], database, provider)
        world.wrong += wrong
        world.content = CONTENT_BESIDE_LIVE if plan.live else CONTENT
        hooks = await stack.enter_async_context(hooked(replicas[0], random.Random(plan.seed)))
        yield Round(plan, replicas, world, server, folder, served, hooks)


async def _served(plan: Plan, simulator: Simulator, provider: str) -> Sequence[Deployment]:
    """Accounts that others use as well; also a clone does, from which nobody knows batches without a tag."""
    most = settings.TILE_REQUESTS if plan.rescues else None
    if plan.is_mixed:
        is_alone = plan.turn is not Turn.CLONE
        served = await settled_among_others(simulator, provider, MIXED, exclusive=is_alone)
        return [msgspec.structs.replace(each, max_job_requests=most) for each in served]
    names = TILED if plan.rescues else tuple(UPSTREAM)
    for name in names:
        await settle_strangers(simulator.account(name), provider)
    return deployments(provider, names, max_job_requests=most)


def _server(plan: Plan, number: int, config: Path) -> Server:
    """The first of them has a clock that is two minutes ahead, the second one that is as much behind."""
    ahead = {0: WRONG_CLOCK_SECONDS, 1: -WRONG_CLOCK_SECONDS}.get(number, 0.0)
    return Server(config, clock_ahead_seconds=ahead, without=plan.without)


async def played(
    plan: Plan, folder: Path, database: Database, server: DatabaseServer | None = None
) -> Result:
    """Stage a round and run it; what explains violations is left in `folder`."""
    async with staged(plan, folder, database, server) as staged_round:
        return await staged_round.run()
