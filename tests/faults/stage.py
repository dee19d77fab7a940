"""Gateways on simulated accounts that others use as well."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.routing import Mount

from litebatch_asgi.app import LiteBatch, open_storage
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.server.listen import address_of, listen, serving
from litebatch_asgi.simulator import Account, Simulator, SimulatorSettings
from litebatch_asgi.storage import Storage
from tests.database import Database, SQLiteDatabase
from tests.faults.world import THEIRS, World, at, client_of, put_file, world_of
from tests.harness import ENDPOINT, HASTY, UPSTREAM, InProcess, by_key, deployments

HELD = SimulatorSettings(
    validating_seconds=0,
    running_seconds=0,
    finalizing_seconds=0,
    cancelling_seconds=0,
    hold=frozenset({"in_progress"}),
)
"""Batches run until somebody lets them end: a twin cannot be through before it is seen."""


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


@asynccontextmanager
async def shared_world(
    folder: Path,
    *,
    settings: Settings = HASTY,
    flavour: str = "openai",
    database: Database | None = None,
) -> AsyncGenerator[World]:
    """A world in which others have files and batches at the same accounts."""
    simulator = Simulator(settings=replace(HELD, flavour="openai" if flavour == "openai" else "azure"))
    async with simulator.running() as provider:
        for name in UPSTREAM:
            await settle_strangers(simulator.account(name), provider)
        served = deployments(provider, flavour=flavour)
        async with gateway_on(
            simulator, provider, folder, settings=settings, served=served, database=database
        ) as gateway:
            yield await world_of(gateway, provider)


async def settle_strangers(account: Account, provider: str) -> None:
    """Give others something at an account; half of it comes from another installation of ours."""
    other, tag = "f" * 16, {TAG_JOB: f"job_lb{'0' * 26}"}
    account.add_foreign_batches(2)
    async with client_of(account, provider, THEIRS) as http:
        for filename, metadata in (
            ("in.jsonl", {"project": THEIRS}),
            (f"file-lb{'0' * 26}-{other}.jsonl", {TAG_INSTALLATION: other} | tag),
        ):
            file_id = await put_file(http, filename, at(account.name))
            await account.file_reached(file_id, "processed")
            body = {"input_file_id": file_id, "endpoint": ENDPOINT, "completion_window": "24h"}
            batch = await http.post("/batches", json=body | {"metadata": metadata})
            await account.reached(batch.json()["id"], "in_progress")
