"""A receiver as its owner would write one: it takes what OpenAI's own client finds genuine."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
from openai import AsyncOpenAI, InvalidWebhookSignatureError
from openai.types.webhooks import UnwrapWebhookEvent
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from litebatch_asgi.server.listen import address_of, listen, serving
from tests.harness import PATIENCE_SECONDS, Gateway, InProcess

TYPES = ["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"]


class Taken:
    """One request that came."""

    def __init__(self, name: str, headers: dict[str, str], body: bytes) -> None:
        self.name = name
        self.headers = headers
        self.body = body

    def unwrapped(self, secret: str) -> UnwrapWebhookEvent | None:
        """The event, if it is genuine to who knows this secret."""
        client = AsyncOpenAI(api_key="x", webhook_secret=secret)
        with suppress(InvalidWebhookSignatureError):
            return client.webhooks.unwrap(self.body, self.headers)
        return None


class Taker:
    """Takes webhooks by the names in their paths, each with the statuses that a test wants, then 200."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.taken: list[Taken] = []
        self.statuses: dict[str, list[int]] = {}
        self.headers: dict[str, str] = {}
        """of answers other than 200"""
        self.hangs: set[str] = set()
        """names that are never answered"""
        self.under_way = Counter[str]()
        self.most_under_way = Counter[str]()
        self.slowly: float = 0.0
        """seconds until an answer"""
        self._came = anyio.Event()

    def url(self, name: str) -> str:
        """Where webhooks of this name go."""
        return f"{self._address}/hooks/{name}?token=in-the-query"

    async def take(self, request: Request) -> Response:
        """Take one."""
        name = request.path_params["name"]
        try:
            body = await request.body()
        except ClientDisconnect:  # its process was killed
            return Response(status_code=400)
        self.taken.append(Taken(name, dict(request.headers), body))
        self._came.set()
        self.under_way[name] += 1
        self.most_under_way[name] = max(self.most_under_way[name], self.under_way[name])
        try:
            await anyio.sleep(self.slowly)
            if name in self.hangs:
                await _gone(request)
        finally:
            self.under_way[name] -= 1
        statuses = self.statuses.get(name)
        status = statuses.pop(0) if statuses else 200
        return Response(status_code=status, headers={} if status == 200 else self.headers)

    def of(self, name: str) -> list[Taken]:
        """Those of a name."""
        return [each for each in self.taken if each.name == name]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until what has come fulfils a condition."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while not holds():
                await self._came.wait()
                self._came = anyio.Event()


async def _gone(request: Request) -> None:
    while not await request.is_disconnected():  # noqa: ASYNC110 - Starlette tells when it is asked
        await anyio.sleep(0.05)


@asynccontextmanager
async def taker() -> AsyncGenerator[Taker]:
    """A running receiver."""
    listener = listen("127.0.0.1", 0)
    running = Taker(address_of(listener))
    app = Starlette(routes=[Route("/hooks/{name}", running.take, methods=["POST"])])
    async with serving(app, listener):
        yield running


async def endpoint(gateway: Gateway, at: str, *, types: Sequence[str] = TYPES, key: str | None = None) -> Any:
    """A new endpoint, with its secret."""
    wanted: Any = list(types)
    return await gateway.client(key).webhooks.create(name="hooks", url=at, event_types=wanted)


async def completed(gateway: InProcess, *, key: str | None = None) -> str:
    """The id of a batch that has completed."""
    file = await gateway.upload(key=key)
    batch = await gateway.create(file.id, key=key)
    assert (await gateway.ended(batch.id, key=key)).status == "completed"
    return batch.id
