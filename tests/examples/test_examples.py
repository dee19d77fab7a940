"""The examples run as they stand, under uvicorn, with the stock client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest
from openai import AuthenticationError, NotFoundError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Mount, Route

from litebatch_asgi.models.ids import is_file_id
from litebatch_asgi.simulator import Simulator
from tests.harness import MODEL, Gateway, ids_of, lines
from tests.http.sockets import served
from tests.survival.server import free_port

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def running(example: str, provider: str, folder: Path) -> AsyncGenerator[str]:
    """The address at which the app of an example is served, by uvicorn in a process of its own."""
    environment = os.environ | {
        "PROVIDER_BASE": f"{provider}/east/v1",
        "PROVIDER_KEY": "sk-east",
        "DATABASE": str(folder / "batches.db"),
    }
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", f"tests.examples.{example}:app", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)  # noqa: ASYNC220
    try:
        address = f"http://127.0.0.1:{port}"
        await answering(address)
        yield address
    finally:
        process.terminate()
        assert process.wait(timeout=10) in (0, -signal.SIGTERM)


async def answering(address: str) -> None:
    """Wait until somebody answers there."""
    async with httpx2.AsyncClient() as http:
        with anyio.fail_after(20):
            while True:
                try:
                    await http.get(address)
                    return
                except httpx2.ConnectError:
                    await anyio.sleep(0.05)


async def test_mounted_in_a_fastapi_gateway(tmp_path: Path) -> None:
    simulator = Simulator()
    async with (
        simulator.running() as provider,
        running("fastapi_mount", provider, tmp_path) as address,
        aclosing(Gateway(simulator, address)) as gateway,
    ):
        async with httpx2.AsyncClient(base_url=address) as http:
            assert (await http.get("/team")).status_code == 401
            known = await http.get("/team", headers={"authorization": "Bearer sk-ads"})
            assert known.json() == {"team": "ads"}
        assert await models(gateway) == [MODEL]
        await journey(gateway)
        with pytest.raises(AuthenticationError):
            await gateway.client("sk-nobody").batches.list()


async def test_middleware_in_front_of_a_proxy(tmp_path: Path) -> None:
    """The proxy's own traffic goes on to the provider; the simulator stands in for that, but for chats."""
    simulator = Simulator()
    chats = Route("/east/v1/chat/completions", chat, methods=["POST"])
    async with (
        simulator.open(),
        served(Starlette(routes=[chats, Mount("/", simulator.app)])) as provider,
        running("middleware_proxy", provider, tmp_path) as address,
        aclosing(Gateway(simulator, address)) as gateway,
    ):
        assert await models(gateway) == ["gpt-4o", MODEL]
        await journey(gateway)
        await own_traffic(gateway)
        with pytest.raises(AuthenticationError):
            await gateway.client("sk-nobody").batches.list()


async def chat(_: Request) -> StreamingResponse:
    """A provider's answer, in two events and the end."""
    event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}

    async def events() -> AsyncGenerator[str]:
        for word in ("Hello", " you"):
            choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
            yield f"data: {json.dumps(event | {'choices': [choice]})}\n\n"
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


async def own_traffic(gateway: Gateway) -> None:
    """What a proxy has besides managed batches works as it did without them."""
    client = gateway.client("sk-search")
    chunks = await client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    assert [chunk.choices[0].delta.content async for chunk in chunks] == ["Hello", " you"]
    file = await client.files.create(file=("a.txt", b"hello" * 100_000), purpose="assistants")
    assert not is_file_id(file.id)
    assert (await client.files.retrieve(file.id)).bytes == 500_000
    assert file.id in {each.id async for each in client.files.list(extra_query={"managed": False})}
    assert file.id not in {each.id async for each in client.files.list()}


async def models(gateway: Gateway) -> list[str]:
    """The models that a known client is told of."""
    return [model.id async for model in gateway.client("sk-search").models.list()]


async def journey(gateway: Gateway) -> None:
    """A managed batch from its upload to its results, which nobody else sees."""
    file = await gateway.upload(lines(4), key="sk-search")
    batch = await gateway.ended((await gateway.create(file.id, key="sk-search")).id, key="sk-search")
    assert batch.status == "completed"
    assert len(ids_of((await gateway.results(batch, key="sk-search"))[0])) == 4
    with pytest.raises(NotFoundError):
        await gateway.client("sk-ads").batches.retrieve(batch.id)
