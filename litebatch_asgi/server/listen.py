"""Serving an ASGI app with uvicorn on a socket of ours, inside an event loop of ours."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

import anyio
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi.routes.endpoint import STOPPING
from litebatch_asgi.server.heads import http_protocol

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75
"""Longer than the 60 seconds after which load balancers close an idle connection, for they must be first."""
DRAIN_SECONDS = 20
"""How long requests in progress may go on once the server is to stop: orchestrators kill 30 seconds after."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens, on any free port if `port` is 0. Raises `OSError` if it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # Of a socket that was not made for TCP by name asyncio leaves Nagle's algorithm on in each connection: a
    # body, written after its head, then waits for the client's delayed acknowledgement, which takes 40 ms.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach())


def address_of(listener: socket.socket) -> str:
    """The URL at which a listening socket is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def uvicorn_config(
    app: ASGIApp | str,
    *,
    factory: bool = False,
    workers: int = 1,
    drain_seconds: int = DRAIN_SECONDS,
    protocol: type[asyncio.Protocol] | None = None,
) -> uvicorn.Config:
    """How uvicorn runs the gateway: without logging; the lifespan of a single worker is its caller's."""
    return uvicorn.Config(
        app,
        factory=factory,
        workers=workers,
        lifespan="on" if workers > 1 else "off",
        http=protocol or http_protocol(),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=drain_seconds,
    )


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed, as uvicorn chooses."""
    return uvicorn.Config("", log_config=None).get_loop_factory()


@asynccontextmanager
async def serving(
    app: ASGIApp,
    listener: socket.socket,
    *,
    drain_seconds: int = DRAIN_SECONDS,
    protocol: type[asyncio.Protocol] | None = None,
    tells_stop: bool = False,
) -> AsyncGenerator[None]:
    """Answer requests while the block lasts, then let those in progress end and close the socket.

    They may take `drain_seconds`, and their connections are told to close. The app's lifespan
    is the caller's to enter. Signals are left alone. `protocol` speaks HTTP, in place of `http_protocol()`.
    With `tells_stop` scopes say under `STOPPING` whether that has begun, so that streams can end.
    """
    server = _Server(uvicorn_config(app, drain_seconds=drain_seconds, protocol=protocol))
    if tells_stop:
        server.config.app = _Telling(app, server)
    task = asyncio.create_task(server.serve([listener]))
    task.add_done_callback(lambda _: server.ready.set())
    try:
        await server.ready.wait()
        if task.done():
            task.result()
        yield
    finally:
        server.stop()
        await task


async def until_told_to_stop(waiting: Callable[[], None] | None = None) -> None:
    """Wait for SIGINT or SIGTERM. Another one during what follows has its usual effect: to end at once.

    `waiting` is called as soon as a signal would be taken.
    """
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        if waiting is not None:
            waiting()
        async for _ in signals:
            return


class _Server(uvicorn.Server):
    """uvicorn's server as a guest of the event loop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._until_stopped = anyio.CancelScope()

    def stop(self) -> None:
        """Begin to shut down, at once: uvicorn looks ten times a second whether it is to."""
        self.should_exit = True
        self._until_stopped.cancel()

    def is_stopping(self) -> bool:
        """Whether it is to shut down."""
        return self.should_exit

    async def main_loop(self) -> None:
        with self._until_stopped:
            await super().main_loop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class _Telling:
    """Middleware that tells apps whether the server is to stop."""

    def __init__(self, app: ASGIApp, server: _Server) -> None:
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[STOPPING] = self._server.is_stopping
        await self._app(scope, receive, send)
