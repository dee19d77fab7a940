"""What most gateways are never asked for, and takes time and memory to load."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio.to_thread
from starlette.types import ASGIApp, Receive, Scope, Send


class LazyApp:
    """An ASGI app that `load` makes, in a thread, for the first one who asks for it."""

    def __init__(self, load: Callable[[], ASGIApp]) -> None:
        self._load = load
        self._app: ASGIApp | None = None
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        app = self._app or await self._made()
        await app(scope, receive, send)

    async def _made(self) -> ASGIApp:
        async with self._turn:
            if self._app is None:
                self._app = await anyio.to_thread.run_sync(self._load)
            return self._app
