"""Standalone gateways over one simulated OpenAI and one simulated Azure, set up as their operators would."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace
from starlette.types import ASGIApp

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.config import Config, config_from_environment, parse_config
from litebatch_asgi.server.gateway import build_gateway, litebatch_for
from litebatch_asgi.server.listen import address_of, listen, serving
from litebatch_asgi.simulator import Simulator
from tests.database import SQLiteDatabase
from tests.harness import QUICK, SWIFT, Gateway

MASTER = "sk-master-of-this-test"


class Providers(NamedTuple):
    """The simulated providers, and where they listen."""

    openai: Simulator
    azure: Simulator
    openai_base: str
    azure_base: str

    @property
    def environment(self) -> dict[str, str]:
        """What somebody with an account at each of them exports."""
        return {
            "OPENAI_API_KEY": "sk-hidden-openai",
            "OPENAI_BASE_URL": self.openai_base,
            "AZURE_API_KEY": "sk-hidden-azure",
            "AZURE_API_BASE": self.azure_base,
        }

    def uploads(self) -> dict[str, int]:
        """How many files each of them was given."""
        return {
            "openai": len(self.openai.journal.select("upload_file")),
            "azure": len(self.azure.journal.select("upload_file")),
        }


class NamedGateway(Gateway):
    """A gateway over both; its `simulator` is that of OpenAI."""

    caller = "sk-1234"

    def __init__(self, providers: Providers, address: str, litebatch: LiteBatch) -> None:
        super().__init__(providers.openai, address)
        self.providers = providers
        self.litebatch = litebatch

    async def key(self, *models: str, owner: str) -> str:
        """A virtual key of a user for these models; for all if none is named."""
        body = {"models": list(models), "user_id": owner}
        async with self.http(MASTER) as http:
            if (await http.get("/user/info", params={"user_id": owner})).status_code == 404:
                (await http.post("/user/new", json={"user_id": owner})).raise_for_status()
            made = await http.post("/key/generate", json=body)
        made.raise_for_status()
        key: str = made.json()["key"]
        return key


@asynccontextmanager
async def both() -> AsyncGenerator[Providers]:
    """The simulated providers, running."""
    openai = Simulator(settings=SWIFT)
    azure = Simulator(settings=msgspec.structs.replace(SWIFT, flavour="azure", odd_casing=None))
    async with openai.running() as at_openai, azure.running() as at_azure:
        yield Providers(openai, azure, f"{at_openai}/own/v1", f"{at_azure}/own")


@asynccontextmanager
async def gateway_of(
    config: Config, folder: Path, providers: Providers, app: ASGIApp | None = None
) -> AsyncGenerator[NamedGateway]:
    """The gateway that `litebatch serve` would start with this configuration."""
    spool = tempfile.mkdtemp(dir=folder)
    config = replace(
        config,
        database_url=SQLiteDatabase.migrated(folder).url,
        settings=replace(QUICK, spool_dir=spool),
    )
    litebatch = litebatch_for(config, "127.0.0.1")
    app = app or build_gateway(litebatch)
    listener = listen("127.0.0.1", 0)
    gateway = NamedGateway(providers, address_of(listener), litebatch)
    async with litebatch.lifespan(app), serving(app, listener), aclosing(gateway):
        yield gateway


@asynccontextmanager
async def from_environment(
    folder: Path, *, without: tuple[str, ...] = (), **more: str
) -> AsyncGenerator[NamedGateway]:
    """A gateway without a configuration."""
    async with both() as providers:
        env = {name: value for name, value in providers.environment.items() if name not in without}
        async with gateway_of(config_from_environment(env | more), folder, providers) as gateway:
            yield gateway


@asynccontextmanager
async def from_file(
    folder: Path, text: str, env: Mapping[str, str] | None = None
) -> AsyncGenerator[NamedGateway]:
    """A gateway with a configuration, which may refer to the providers' variables."""
    async with both() as providers:
        config = parse_config(text, {**providers.environment, **(env or {})}, "c.yaml")
        async with gateway_of(config, folder, providers) as gateway:
            yield gateway


def named(provider: str) -> dict[str, Any]:
    """What the stock client sends to name a provider in a form or body."""
    return {"extra_body": {"custom_llm_provider": provider}}
