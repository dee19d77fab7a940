"""The same callers at a standalone gateway with virtual keys, and at a host with a hook of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace
from openai.types import Batch
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Mount

from litebatch_asgi.app import LiteBatch, open_storage
from litebatch_asgi.errors import Unauthenticated
from litebatch_asgi.models import Principal
from litebatch_asgi.server.listen import address_of, listen, serving
from litebatch_asgi.simulator import Simulator, SimulatorSettings
from tests.access.standalone import MASTER, OTHER, served, standalone
from tests.database import Database
from tests.harness import MODEL, QUICK, InProcess, lines

TEAM = "search"


class Caller(StrEnum):
    """Who asks, seen from whoever owns what is asked for."""

    NONE = "no key"
    GARBAGE = "garbage"
    EXPIRED = "expired"
    BLOCKED = "blocked"
    STRANGER = "other owner"
    COLLEAGUE = "same team"
    LIMITED = "wrong model"
    OWNER = "right"
    ADMIN = "admin"


NOBODIES = frozenset({Caller.NONE, Caller.GARBAGE, Caller.EXPIRED, Caller.BLOCKED})
INSIDERS = frozenset({Caller.COLLEAGUE, Caller.LIMITED, Caller.OWNER})


class World(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway, and the key of each caller."""

    gateway: InProcess
    keys: Mapping[Caller, str]

    def key(self, caller: Caller) -> str:
        """What the caller sends as its key."""
        return self.keys.get(caller, "sk-garbage-that-nobody-was-ever-given")

    async def completed(self) -> Batch:
        """A batch of the owner that has ended, with its output file, and with a line that has failed."""
        key, gateway = self.key(Caller.OWNER), self.gateway
        wrong = lines(1, metadata={"simulate": "400"}).replace(b"request-0", b"wrong")
        file = await gateway.upload(b"\n".join((lines(), wrong)), key=key)
        batch = await gateway.create(file.id, key=key)
        await gateway.reached(batch.id, "in_progress", key=key)
        for account in gateway.simulator.accounts.values():
            account.release()
        return await gateway.ended(batch.id, key=key)


def _simulator() -> Simulator:
    return Simulator(settings=SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"})))


@asynccontextmanager
async def with_virtual_keys(folder: Path, database: Database) -> AsyncGenerator[World]:
    """A standalone gateway."""
    async with standalone(folder, database, simulator=_simulator()) as gateway:
        await gateway.manage("/team/new", team_id=TEAM)
        made: dict[Caller, dict[str, Any]] = {
            Caller.EXPIRED: {"team_id": TEAM, "duration": "1s"},
            Caller.BLOCKED: {"team_id": TEAM, "blocked": True},
            Caller.STRANGER: {"user_id": "somebody-else"},
            Caller.COLLEAGUE: {"team_id": TEAM, "user_id": "colleague"},
            Caller.LIMITED: {"team_id": TEAM, "models": [OTHER]},
            Caller.OWNER: {"team_id": TEAM, "models": [MODEL]},
        }
        keys = {caller: await gateway.new_key(**fields) for caller, fields in made.items()}
        keys[Caller.ADMIN] = MASTER

        async def has_expired() -> bool:
            async with gateway.http(keys[Caller.EXPIRED]) as http:
                return (await http.get("/models")).status_code == 401

        await gateway.eventually(has_expired)
        yield World(gateway=gateway, keys=keys)


async def hook(connection: HTTPConnection) -> Principal | None:
    """A host's own: the key is the caller's name."""
    name = connection.headers.get("authorization", "").removeprefix("Bearer ")
    if name in (Caller.EXPIRED.name, Caller.BLOCKED.name):
        raise Unauthenticated(f"This key is {name.lower()}.")
    principals = {
        Caller.STRANGER.name: Principal(owner="user:somebody-else", key_id="k1"),
        Caller.COLLEAGUE.name: Principal(owner=f"team:{TEAM}", key_id="k2"),
        Caller.LIMITED.name: Principal(owner=f"team:{TEAM}", key_id="k3", models=frozenset({OTHER})),
        Caller.OWNER.name: Principal(owner=f"team:{TEAM}", key_id="k4", models=frozenset({MODEL})),
        Caller.ADMIN.name: Principal(owner="root", key_id="k5", is_admin=True),
    }
    return principals.get(name)


@asynccontextmanager
async def with_a_hook(folder: Path, database: Database) -> AsyncGenerator[World]:
    """A host that has LiteBatch mounted."""
    simulator = _simulator()
    async with simulator.running() as provider:
        storage = open_storage(database.url)
        litebatch = LiteBatch(
            deployments=served(provider),
            storage=storage,
            authenticator=hook,
            settings=replace(QUICK, spool_dir=str(folder)),
        )
        app = Starlette(routes=[Mount("/v1", litebatch.app)])
        listener = listen("127.0.0.1", 0)
        gateway = InProcess(litebatch, storage, database, simulator, address_of(listener))
        async with litebatch.lifespan(app), serving(app, listener), aclosing(gateway):
            yield World(gateway=gateway, keys={caller: caller.name for caller in Caller})


WORLDS = {"virtual keys": with_virtual_keys, "a hook": with_a_hook}
