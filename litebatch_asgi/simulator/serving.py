"""Listening on a socket in the present event loop, with connections that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from starlette.types import ASGIApp, Receive, Scope

if TYPE_CHECKING:
    from uvicorn import Config

CONNECTION = "simulator_connection"
SHUTDOWN_SECONDS = 5.0


class HttpProtocol(asyncio.Protocol):
    """What we use of uvicorn's protocols."""

    transport: asyncio.Transport


class Connection:
    """One client's connection, as requests find it in `scope["state"]`."""

    def __init__(self) -> None:
        self.protocol: HttpProtocol | None = None

    def cut(self, *, flush: bool) -> None:
        """Close the socket; with `flush` what was written still goes out."""
        if self.protocol is None:
            return
        if flush:
            self.protocol.transport.close()
        else:
            self.protocol.transport.abort()


async def cut(scope: Scope, receive: Receive, *, flush: bool = False) -> None:
    """Cut the connection of this request and return once it is gone.

    Raises RuntimeError under a server other than `listening`.
    """
    connection = scope.get("state", {}).get(CONNECTION)
    if not isinstance(connection, Connection):
        raise RuntimeError("the simulator can cut connections only when served by running() or run()")
    connection.cut(flush=flush)
    while (await receive())["type"] != "http.disconnect":
        pass


@asynccontextmanager
async def listening(app: ASGIApp, host: str, port: int) -> AsyncGenerator[str]:
    """Serve `app` by uvicorn's HTTP protocol; yields `http://host:port`, with the port that was taken for 0.

    Installs no signal handlers, no logging, and does not run the app's lifespan. On exit every connection
    is cut and every request in progress is awaited.
    """
    config = await asyncio.to_thread(_configured, app)
    from uvicorn.server import ServerState

    state = ServerState()
    protocol_class = cast("Callable[..., HttpProtocol]", config.http_protocol_class)

    def connect() -> asyncio.Protocol:
        connection = Connection()
        app_state: dict[str, Any] = {CONNECTION: connection}
        connection.protocol = protocol_class(config=config, server_state=state, app_state=app_state)
        return connection.protocol

    server = await asyncio.get_running_loop().create_server(connect, host, port)
    try:
        name, taken = server.sockets[0].getsockname()[:2]
        yield f"http://[{name}]:{taken}" if ":" in name else f"http://{name}:{taken}"
    finally:
        server.close()
        for protocol in list(state.connections):
            protocol.transport.abort()
        await _ended(set(state.tasks))
        await server.wait_closed()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed, as uvicorn chooses. Raises ImportError without uvicorn."""
    return _config_class()("", log_config=None).get_loop_factory()


def _configured(app: ASGIApp) -> Config:
    """Settings of uvicorn, loaded: its modules, and through them files, are read here."""
    config = _config_class()(
        app, lifespan="off", ws="none", log_config=None, proxy_headers=False, timeout_keep_alive=60
    )
    config.load()
    return config


def _config_class() -> type[Config]:
    try:
        from uvicorn import Config
    except ImportError as exc:
        message = "serving the simulator needs uvicorn: pip install 'litebatch-asgi[server]'"
        raise ImportError(message) from exc
    return Config


async def _ended(tasks: set[asyncio.Task[None]]) -> None:
    """Wait for the requests in progress; those that do not end by themselves are cancelled."""
    if not tasks:
        return
    _, pending = await asyncio.wait(tasks, timeout=SHUTDOWN_SECONDS)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
