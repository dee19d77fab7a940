"""The standalone gateway, with a master key and virtual keys, over simulated deployments."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.app import open_storage
from litebatch_asgi.config import Config
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.server.gateway import build_gateway, litebatch_for
from litebatch_asgi.server.listen import address_of, listen, serving
from litebatch_asgi.simulator import Simulator
from tests.database import Database
from tests.harness import QUICK, SWIFT, InProcess, deployments

MASTER = "sk-master-key-of-the-tests"
WEBHOOK_KEY = "webhook-key-of-the-tests-01234567"
OTHER = "text-embedding-batch"
"""a second virtual model, in the access group `cheap`"""


class Standalone(InProcess):
    """A running standalone gateway."""

    logged: list[Mapping[str, Any]]

    async def manage(self, path: str, *, caller: str = MASTER, **body: Any) -> Any:
        """The answer to a call about keys, users or teams, which must be one."""
        async with self.http(caller) as http:
            answer = await http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def look(self, path: str, *, caller: str = MASTER, **query: str) -> Any:
        """The same, of what only looks."""
        async with self.http(caller) as http:
            answer = await http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def new_key(self, **fields: Any) -> str:
        """The secret of a new key."""
        made = await self.manage("/key/generate", **fields)
        secret: str = made["key"]
        return secret

    async def refusal(
        self, path: str, body: Mapping[str, Any] | None = None, *, caller: str = MASTER, method: str = "POST"
    ) -> tuple[int, dict[str, Any]]:
        """Status and error of a call that is refused."""
        async with self.http(caller) as http:
            answer = await http.request(method, path, json=body)
        error: dict[str, Any] = answer.json()["error"]
        return answer.status_code, error


def served(provider: str, prices: Mapping[str, Decimal] | None = None) -> tuple[Deployment, ...]:
    """Two deployments of one model and one of another, which access groups name."""
    other = Deployment(
        model_name=OTHER,
        model="openai/text-embedding-3-small",
        api_base=f"{provider}/north/v1",
        api_key="sk-north-secret",
        id="north",
        access_groups=("cheap", "all-of-them"),
    )
    others = [replace(each, access_groups=("all-of-them",)) for each in deployments(provider, prices=prices)]
    return (*others, other)


@asynccontextmanager
async def standalone(
    folder: Path,
    database: Database,
    *,
    simulator: Simulator | None = None,
    master_key: str | None = MASTER,
    prices: Mapping[str, Decimal] | None = None,
    settings: Settings = QUICK,
    webhook_keys: tuple[str, ...] = (WEBHOOK_KEY,),
) -> AsyncGenerator[Standalone]:
    """A gateway that stops with the block."""
    simulator = simulator or Simulator(settings=SWIFT)
    spool = folder / "spool"
    spool.mkdir(exist_ok=True)
    async with simulator.running() as provider:
        config = Config(
            deployments=served(provider, prices),
            settings=replace(settings, spool_dir=str(spool), webhook_keys=webhook_keys),
            master_key=master_key,
            database_url=database.url,
        )
        litebatch = litebatch_for(config, "127.0.0.1")
        listener = listen("127.0.0.1", 0)
        gateway = Standalone(litebatch, open_storage(database.url), database, simulator, address_of(listener))
        gateway.logged = []
        app = build_gateway(litebatch, gateway.logged.append)
        async with litebatch.lifespan(app), serving(app, listener, tells_stop=True), aclosing(gateway):
            yield gateway
