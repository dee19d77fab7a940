"""A gateway over simulated deployments, on real sockets, and what tests ask of it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import httpx2
from msgspec.structs import replace
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types import Batch as OpenAIBatch
from openai.types import FileObject
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Mount

from litebatch_asgi.app import LiteBatch, open_storage
from litebatch_asgi.models import Deployment, Limits, Principal, Settings
from litebatch_asgi.server.listen import address_of, listen, serving
from litebatch_asgi.simulator import Simulator, SimulatorSettings
from litebatch_asgi.storage import Storage
from tests.database import Database, SQLiteDatabase

MODEL = "gpt-4o-batch"
UPSTREAM = {"east": "gpt-4o-mini-east-deployment", "west": "gpt-4o-mini"}
LIVE_MODEL = "tiny-llama"
ENDPOINT = "/v1/chat/completions"
QUICK = Settings(
    min_poll_seconds=0.02,
    max_poll_seconds=0.2,
    refresh_after_seconds=0.05,
    place_budget_seconds=5,
    upload_wait_seconds=0,
    adopt_grace_seconds=0.4,
    vanished_grace_seconds=0.4,
    lost_grace_seconds=0.03,  # sixty times that for rows that were counted
    lease_seconds=10,
    provider_timeout_seconds=10,
    rescue=False,  # what is handed on, and when, is told in tests/rescue
)
HASTY = replace(QUICK, lease_seconds=3, provider_timeout_seconds=2)
"""the same, where time-outs and the death of workers are to be seen"""
SWIFT = SimulatorSettings(
    validating_seconds=0.01, running_seconds=0.04, finalizing_seconds=0.01, cancelling_seconds=0.02
)
PATIENCE_SECONDS = 120.0


async def by_key(connection: HTTPConnection) -> Principal | None:
    """`Bearer owner` is the owner; `Bearer owner:m1,m2` may use these models only; `admin` is an admin.

    What an owner makes counts in a scope of its own, which limits nothing.
    """
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    owner, _, models = token.partition(":")
    if scheme != "Bearer" or not owner:
        return None
    return Principal(
        owner=owner,
        key_id=f"key-{owner}",
        models=frozenset(models.split(",")) if models else None,
        is_admin=owner == "admin",
        limits=(Limits(scope=f"user:{owner}"),),
    )


def lines(count: int = 3, *, model: str = MODEL, **body: Any) -> bytes:
    """A batch input file: `count` chat completions with custom ids `request-0` and so on."""
    rows = [
        {
            "custom_id": f"request-{number}",
            "method": "POST",
            "url": ENDPOINT,
            "body": {
                "model": model,
                "messages": [{"role": "user", "content": f"Say {number}."}],
            }
            | body,
        }
        for number in range(count)
    ]
    return "\n".join(json.dumps(row) for row in rows).encode()


def rows_of(content: bytes) -> list[dict[str, Any]]:
    """The rows of a result file."""
    return [json.loads(line) for line in content.splitlines() if line.strip()]


def ids_of(content: bytes) -> list[str]:
    """The custom ids of a result file, sorted."""
    return sorted(row["custom_id"] for row in rows_of(content))


class Gateway:
    """A running gateway with its simulator. Whoever names no key comes as its `caller`."""

    caller = "alice"

    def __init__(self, simulator: Simulator, address: str) -> None:
        self.simulator = simulator
        self.address = address
        self._clients: dict[str, AsyncOpenAI] = {}

    def client(self, key: str | None = None) -> AsyncOpenAI:
        """The stock client, which tries nothing twice unless told to; one for each key."""
        key = key or self.caller
        if key not in self._clients:
            self._clients[key] = AsyncOpenAI(
                base_url=f"{self.address}/v1",
                api_key=key,
                max_retries=0,
                http_client=DefaultAsyncHttpxClient(verify=False),
            )
        return self._clients[key]

    async def aclose(self) -> None:
        """Close the clients."""
        for client in self._clients.values():
            await client.close()

    def http(self, key: str | None = None) -> httpx2.AsyncClient:
        """A plain HTTP client."""
        return httpx2.AsyncClient(
            base_url=f"{self.address}/v1",
            headers={"authorization": f"Bearer {key or self.caller}"},
            timeout=30,
            verify=False,
        )

    async def upload(
        self, content: bytes | None = None, *, key: str | None = None, **options: Any
    ) -> FileObject:
        """Upload a batch input."""
        client = self.client(key)
        file = ("in.jsonl", lines() if content is None else content)
        return await client.files.create(file=file, purpose="batch", **options)

    async def create(self, file_id: str, *, key: str | None = None, **options: Any) -> OpenAIBatch:
        """Create a batch of chat completions."""
        client = self.client(key)
        values: dict[str, Any] = {
            "input_file_id": file_id,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
        }
        return await client.batches.create(**(values | options))

    async def reached(self, batch_id: str, *statuses: str, key: str | None = None) -> OpenAIBatch:
        """Poll a batch, as clients do, until it has one of `statuses`."""
        client = self.client(key)
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                batch = await client.batches.retrieve(batch_id)
                if batch.status in statuses:
                    return batch
                await anyio.sleep(0.05)

    async def ended(self, batch_id: str, *, key: str | None = None) -> OpenAIBatch:
        """Poll a batch until it has ended, in whatever way."""
        return await self.reached(batch_id, "completed", "failed", "expired", "cancelled", key=key)

    async def content(self, file_id: str | None, *, key: str | None = None) -> bytes:
        """The content of a file; nothing for None."""
        if file_id is None:
            return b""
        client = self.client(key)
        return (await client.files.content(file_id)).content

    async def results(self, batch: OpenAIBatch, *, key: str | None = None) -> tuple[bytes, bytes]:
        """Output and error file of a batch that has ended."""
        return (
            await self.content(batch.output_file_id, key=key),
            await self.content(batch.error_file_id, key=key),
        )

    async def eventually(self, holds: Any) -> None:
        """Wait until `await holds()` is true."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while not await holds():  # noqa: ASYNC110 - what is waited for is told by the API alone
                await anyio.sleep(0.05)

    def provider_jobs(self) -> list[Any]:
        """All batches of all simulated accounts."""
        return [batch for account in self.simulator.accounts.values() for batch in account.batches.values()]

    def provider_files(self, account: str) -> list[Any]:
        """The input files that an account has."""
        files = self.simulator.account(account).files.values()
        return [file for file in files if file.purpose == "batch"]

    def result_files(self) -> list[Any]:
        """The result files that all accounts have."""
        accounts = self.simulator.accounts.values()
        return [file for account in accounts for file in account.files.values() if file.purpose != "batch"]


class InProcess(Gateway):
    """A gateway in this process."""

    def __init__(
        self,
        litebatch: LiteBatch,
        storage: Storage,
        database: Database,
        simulator: Simulator,
        address: str,
    ) -> None:
        super().__init__(simulator, address)
        self.litebatch = litebatch
        self.storage = storage
        self.database = database


FLAVOURS: dict[str, dict[str, str]] = {
    "openai": {"model": "openai/", "base": "/v1"},
    "azure classic": {"model": "azure/", "base": "", "api_version": "2024-10-21"},
    "azure v1": {"model": "azure/", "base": "/openai/v1"},
    "groq": {"model": "groq/", "base": "/openai/v1"},
    "mistral": {"model": "mistral/", "base": "/v1"},
}


def deployments(
    address: str,
    names: Sequence[str] = ("east", "west"),
    flavour: str = "openai",
    prices: Mapping[str, Decimal] | None = None,
    max_job_requests: int | None = None,
) -> list[Deployment]:
    """One deployment for each simulated account, all behind `MODEL` and at the same prices."""
    how = FLAVOURS[flavour]
    return [
        Deployment(
            model_name=MODEL,
            model=how["model"] + UPSTREAM.get(name, UPSTREAM["west"]),
            api_base=f"{address}/{name}{how['base']}",
            api_key=f"sk-{name}-secret",
            api_version=how.get("api_version"),
            id=name,
            mode="batch",
            prices=prices or {},
            max_job_requests=max_job_requests,
        )
        for name in names
    ]


def live_deployments(address: str, names: Sequence[str], **options: Any) -> list[Deployment]:
    """One live deployment for each simulated inference server, all behind `MODEL`."""
    found: list[Deployment] = []
    for name in names:
        given: dict[str, Any] = {
            "model_name": MODEL,
            "model": f"hosted_vllm/{LIVE_MODEL}",
            "api_base": f"{address}/{name}/v1",
            "api_key": f"sk-{name}-secret",
        }
        found.append(Deployment(id=name, mode="batch", **(given | options)))
    return found


@asynccontextmanager
async def running_gateway(
    folder: Path,
    *,
    simulator: Simulator | None = None,
    settings: Settings = QUICK,
    names: Sequence[str] = ("east", "west"),
    flavour: str = "openai",
    prices: Mapping[str, Decimal] | None = None,
    max_job_requests: int | None = None,
    live: Sequence[str] = (),
    live_options: Mapping[str, Any] | None = None,
    database: Database | None = None,
    storage: Storage | None = None,
    **options: Any,
) -> AsyncGenerator[InProcess]:
    """A simulator and a gateway in front of it; both stop with the block.

    `names` are of native deployments, `live` of inference servers.

    The database is a file in `folder` unless another one is given.
    """
    simulator = simulator or Simulator(settings=SWIFT)
    database = database or SQLiteDatabase.migrated(folder)
    storage = storage or open_storage(database.url)
    (folder / "spool").mkdir(exist_ok=True)
    async with simulator.running() as provider:
        litebatch = LiteBatch(
            deployments=[
                *deployments(provider, names, flavour, prices, max_job_requests),
                *live_deployments(provider, live, **live_options or {}),
            ],
            storage=storage,
            authenticator=by_key,
            settings=replace(settings, spool_dir=str(folder / "spool")),
            **options,
        )
        app = Starlette(routes=[Mount("/v1", litebatch.app)])
        listener = listen("127.0.0.1", 0)
        gateway = InProcess(litebatch, storage, database, simulator, address_of(listener))
        async with litebatch.lifespan(app), serving(app, listener), aclosing(gateway):
            yield gateway
