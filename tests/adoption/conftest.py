"""A gateway over one deployment, at which others have made batches and files before, on each database."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import anyio.to_thread
import pytest
from openai import AsyncOpenAI
from openai.types import Batch

from litebatch_asgi.simulator import Account
from tests import forks
from tests.database import BACKENDS, Database
from tests.harness import MODEL, UPSTREAM, InProcess, lines, running_gateway

OWNER = "alice"
THERE = UPSTREAM["west"]
"""the deployment's name for the virtual model"""


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    return str(request.param)


@pytest.fixture
async def gateway(tmp_path: Path, database: Database) -> AsyncGenerator[InProcess]:
    async with running_gateway(tmp_path, names=("west",), database=database) as running:
        yield running


class Elsewhere:
    """Whoever uses the deployment's account without a gateway."""

    def __init__(self, gateway: InProcess, folder: Path) -> None:
        deployment = gateway.litebatch.catalog.deployments["west"]
        assert deployment.api_base is not None
        self.account: Account = gateway.simulator.account("west")
        self.client = AsyncOpenAI(base_url=deployment.api_base, api_key="sk-elsewhere", max_retries=0)
        self._gateway = gateway
        self._config = folder / "litebatch.yaml"
        params = {"model": deployment.model, "api_base": deployment.api_base, "api_key": "sk-west-secret"}
        entry = {"model_name": MODEL, "litellm_params": params, "model_info": {"id": "west"}}
        self._config.write_text(json.dumps({"model_list": [entry]}))

    async def upload(self, content: bytes | None = None) -> str:
        """The id of an input there."""
        content = lines(3, model=THERE) if content is None else content
        return (await self.client.files.create(file=("mine.jsonl", content), purpose="batch")).id

    async def create(self, content: bytes | None = None, **fields: Any) -> Batch:
        """A batch there."""
        file_id = await self.upload(content)
        return await self.client.batches.create(
            input_file_id=file_id, endpoint="/v1/chat/completions", completion_window="24h", **fields
        )

    async def adopt(self, *options: str, owner: str = OWNER, **extra: str) -> CompletedProcess[str]:
        """Run the command to its end."""
        arguments = (
            *("adopt", "--deployment", "west", "--owner", owner),
            *("--config", str(self._config), "--database", self._gateway.database.url, *options),
        )
        run = partial(forks.run, *arguments, cwd=self._config.parent, **extra)
        return await anyio.to_thread.run_sync(run)


@pytest.fixture
async def elsewhere(gateway: InProcess, tmp_path: Path) -> AsyncGenerator[Elsewhere]:
    there = Elsewhere(gateway, tmp_path)
    async with there.client:
        yield there


def told(ended: CompletedProcess[str]) -> list[dict[str, Any]]:
    """The lines that it prints for programs."""
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]
