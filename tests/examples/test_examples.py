"""The examples run as they stand, under uvicorn, with the stock client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import httpx2
import pytest
from openai import AsyncOpenAI, AuthenticationError, NotFoundError

from litebatch_asgi.simulator import Simulator
from tests.harness import MODEL, Gateway, ids_of, lines
from tests.survival.server import free_port

ROOT = Path(__file__).parents[2]


async def test_mounted_in_a_fastapi_gateway(tmp_path: Path) -> None:
    simulator = Simulator()
    port = free_port()
    async with simulator.running() as provider:
        environment = os.environ | {
            "PROVIDER_BASE": f"{provider}/east/v1",
            "PROVIDER_KEY": "sk-east",
            "DATABASE": str(tmp_path / "batches.db"),
        }
        command = [sys.executable, "-m", "uvicorn", "tests.examples.fastapi_mount:app", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, env=environment)  # noqa: ASYNC220
        try:
            gateway = Gateway(simulator, f"http://127.0.0.1:{port}")
            async with httpx2.AsyncClient(base_url=gateway.address) as http:
                with anyio.fail_after(20):
                    while True:
                        try:
                            home = await http.get("/")
                            break
                        except httpx2.ConnectError:
                            await anyio.sleep(0.05)
                assert home.json() == {"hello": "gateway"}
            await journey(gateway)
            await gateway.aclose()
        finally:
            process.terminate()
            assert process.wait(timeout=10) in (0, -signal.SIGTERM)


async def journey(gateway: Gateway) -> None:
    client: AsyncOpenAI = gateway.client("sk-search")
    assert [model.id async for model in client.models.list()] == [MODEL]
    file = await gateway.upload(lines(4), key="sk-search")
    batch = await gateway.ended((await gateway.create(file.id, key="sk-search")).id, key="sk-search")
    assert batch.status == "completed"
    assert len(ids_of((await gateway.results(batch, key="sk-search"))[0])) == 4
    with pytest.raises(NotFoundError):
        await gateway.client("sk-ads").batches.retrieve(batch.id)
    with pytest.raises(AuthenticationError):
        await gateway.client("sk-nobody").batches.list()
