"""LiteBatch's lifespan around that of the app behind."""

from __future__ import annotations

import logging
import traceback
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger: logging.Logger = logging.getLogger("litebatch_asgi")


class LifespanResponder:
    """One run of the lifespan protocol, with a context entered before the app behind starts up.

    The context is left when that app has shut down, and before the server is told so: a server may end the
    event loop at once. An app that takes no part in the protocol is passed over, as servers do.
    """

    def __init__(
        self, app: ASGIApp, context: AbstractAsyncContextManager[None], receive: Receive, send: Send
    ) -> None:
        self._app = app
        self._context = context
        self._receive = receive
        self._send = send
        self._held = AsyncExitStack()
        self._sent: set[str] = set()
        self._first: Message | None = None
        self._is_stopping = False

    async def respond(self, scope: Scope) -> None:
        """Run it to its end."""
        self._first = await self._receive()
        async with self._held:
            await self._enter()
            try:
                await self._app(scope, self._from_server, self._to_server)
            except Exception as error:
                if self._is_stopping or "lifespan.startup.failed" in self._sent:
                    raise
                self._tell(error)
            if "lifespan.startup.failed" not in self._sent:
                await self._go_on_alone()

    def _tell(self, error: Exception) -> None:
        if self._first is not None:
            logger.info("the app behind the middleware takes no part in the lifespan: %r", error)
        else:
            logger.warning("the lifespan of the app behind the middleware broke off", exc_info=error)

    async def _enter(self) -> None:
        try:
            await self._held.enter_async_context(self._context)
        except Exception:
            await self._send({"type": "lifespan.startup.failed", "message": traceback.format_exc()})
            raise

    async def _from_server(self) -> Message:
        message, self._first = self._first or await self._receive(), None
        self._is_stopping = message["type"] == "lifespan.shutdown"
        return message

    async def _to_server(self, message: Message) -> None:
        self._sent.add(message["type"])
        if message["type"] != "lifespan.startup.complete":
            try:
                await self._held.aclose()
            except Exception:
                kind = message["type"].replace("complete", "failed")
                await self._send({"type": kind, "message": traceback.format_exc()})
                raise
        await self._send(message)

    async def _go_on_alone(self) -> None:
        """Do what the app behind left undone: start, wait for the end, and say so."""
        if "lifespan.startup.complete" not in self._sent:
            await self._to_server({"type": "lifespan.startup.complete"})
        while not self._is_stopping:
            await self._from_server()
        if not self._sent & {"lifespan.shutdown.complete", "lifespan.shutdown.failed"}:
            await self._to_server({"type": "lifespan.shutdown.complete"})
