"""A real server for the middleware, with its lifespan and websockets, and what went over the wire."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi.middleware import LiteBatchMiddleware
from litebatch_asgi.server.listen import address_of, listen
from tests.http.sockets import raw_client, served
from tests.middleware.stage import litebatch

HOPS = ("client", "server", "state")
"""what of a scope differs between two servers"""


class Echo:
    """Answers every request with all it had of it, and closes the connection; echoes websockets."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._socket(receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            raise ValueError(scope["type"])

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        digest, size, message = hashlib.sha256(), 0, await receive()
        while message.get("more_body"):
            digest.update(message["body"])
            size += len(message["body"])
            message = await receive()
        digest.update(message.get("body", b""))
        told = {
            "scope": {key: repr(scope[key]) for key in sorted(scope) if key not in HOPS},
            "size": size + len(message.get("body", b"")),
            "sha256": digest.hexdigest(),
            "end": message["type"],
        }
        body = json.dumps(told).encode()
        headers = [(b"content-length", b"%d" % len(body)), (b"x-twice", b"1"), (b"x-twice", b"2")]
        await send({"type": "http.response.start", "status": 207, "headers": headers})
        for start in range(0, len(body), 100):
            await send({"type": "http.response.body", "body": body[start : start + 100], "more_body": True})
        await send({"type": "http.response.body"})

    async def _socket(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "chat"})
        while (message := await receive())["type"] != "websocket.disconnect":
            await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


@asynccontextmanager
async def uvicorn_for(app: ASGIApp) -> AsyncGenerator[str]:
    """The address of a uvicorn in this process, as it comes, with the app's lifespan."""
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(app, lifespan="on", ws="websockets-sansio", log_config=None, date_header=False)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup([listener])
    ticking = asyncio.create_task(server.main_loop())
    try:
        yield address_of(listener)
    finally:
        server.should_exit = True
        await ticking
        await server.shutdown([listener])


@asynccontextmanager
async def served_behind(folder: Path, inner: ASGIApp) -> AsyncGenerator[str]:
    """The address of a server for this app with the middleware in front of it."""
    running = litebatch(folder)
    async with running.lifespan(), served(LiteBatchMiddleware(inner, litebatch=running)) as address:
        yield address


async def raw_answer(address: str, *pieces: bytes) -> bytes:
    """Everything that a server sends back for these bytes, until it closes."""
    async with raw_client(address) as client:
        await client.send(*pieces)
        return await client.rest()
