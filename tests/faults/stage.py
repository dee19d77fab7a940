"""Gateways on simulated accounts that others use as well."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.routing import Mount

from litebatch_asgi.app import LiteBatch, open_storage
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.server.listen import address_of, listen, serving
from litebatch_asgi.simulator import Simulator, SimulatorSettings
from litebatch_asgi.storage import Storage
from tests.database import Database, SQLiteDatabase
from tests.faults.strangers import settle_strangers
from tests.faults.world import TEXTUAL, World, world_of
from tests.harness import HASTY, UPSTREAM, InProcess, by_key, deployments
from tests.translated.deployed import (
    ANTHROPIC,
    OPENAI,
    TRANSLATED,
    VERTEX,
    deployment_of,
    flavoured,
    google_credentials,
)

HELD = SimulatorSettings(
    validating_seconds=0,
    running_seconds=0,
    finalizing_seconds=0,
    cancelling_seconds=0,
    hold=frozenset({"in_progress"}),
)
"""Batches run until somebody lets them end: a twin cannot be through before it is seen."""
MIXED: Mapping[str, Sequence[str]] = {
    VERTEX: (VERTEX,),
    ANTHROPIC: (ANTHROPIC,),
    "openai and vertex": (OPENAI, VERTEX),
    "openai and anthropic": (OPENAI, ANTHROPIC),
}
"""worlds with a deployment that does not speak OpenAI, by their names"""
TILES = "tiles"
"""the name of a world in which what is uploaded is several tiles"""
TILED = ("east", "west", "north", "south")
TILE_REQUESTS = 4
FAVOUR = 1e6
"""weight of such a deployment, which is tried first then"""


@asynccontextmanager
async def gateway_on(
    simulator: Simulator,
    provider: str,
    folder: Path,
    *,
    settings: Settings = HASTY,
    database: Database | None = None,
    storage: Storage | None = None,
    served: Sequence[Deployment] = (),
    reconciler: bool = True,
    **options: Any,
) -> AsyncGenerator[InProcess]:
    """A gateway in front of a simulator that runs at the address `provider`.

    Its database is a file in `folder` unless another one is given.
    """
    spool = folder / "spool"
    spool.mkdir(parents=True, exist_ok=True)
    database = database or SQLiteDatabase.migrated(folder)
    storage = storage or open_storage(database.url)
    litebatch = LiteBatch(
        deployments=served or deployments(provider),
        storage=storage,
        authenticator=by_key,
        settings=replace(settings, spool_dir=str(spool)),
        reconciler=reconciler,
        **options,
    )
    app = Starlette(routes=[Mount("/v1", litebatch.app)])
    listener = listen("127.0.0.1", 0)
    gateway = InProcess(litebatch, storage, database, simulator, address_of(listener))
    async with litebatch.lifespan(app), serving(app, listener), aclosing(gateway):
        yield gateway


async def settled_among_others(
    simulator: Simulator, provider: str, names: Sequence[str], *, exclusive: bool, favour: float = 1.0
) -> list[Deployment]:
    """A deployment at each of these accounts, which speaks what it is named after, and which others use too.

    `exclusive`: said of those that show no tags. `favour`: weight of those that do not speak OpenAI.
    """
    flavoured(simulator, names)
    for name in names:
        await settle_strangers(simulator.account(name), provider)
    google = await google_credentials(simulator, provider) if VERTEX in names else ""
    return [
        deployment_of(
            name, provider, google, exclusive=exclusive, weight=favour if name in TRANSLATED else 1.0
        )
        for name in names
    ]


@asynccontextmanager
async def shared_world(
    folder: Path,
    *,
    settings: Settings = HASTY,
    flavour: str = "openai",
    database: Database | None = None,
) -> AsyncGenerator[World]:
    """A world in which others have files and batches at the same accounts.

    `flavour` is one of the harness's, one of `MIXED`, or `TILES`.
    """
    simulator = Simulator(
        settings=replace(HELD, flavour="azure" if flavour.startswith("azure") else "openai")
    )
    async with simulator.running() as provider:
        if flavour in MIXED:
            names = MIXED[flavour]
            served = await settled_among_others(
                simulator, provider, names, exclusive=len(names) > 1, favour=FAVOUR
            )
        elif flavour == TILES:
            for name in TILED:
                await settle_strangers(simulator.account(name), provider)
            served = deployments(provider, TILED, max_job_requests=TILE_REQUESTS)
        else:
            for name in UPSTREAM:
                await settle_strangers(simulator.account(name), provider)
            served = deployments(provider, flavour=flavour)
        async with gateway_on(
            simulator, provider, folder, settings=settings, served=served, database=database
        ) as gateway:
            world = await world_of(gateway, provider)
            if flavour in MIXED:
                world.content = TEXTUAL
            yield world
