"""Listening on a socket in the present event loop, with connections that can be cut."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from starlette.types import ASGIApp, Receive, Scope

if TYPE_CHECKING:
    from uvicorn import Config

CONNECTION = "simulator_connection"
SHUTDOWN_SECONDS = 5.0
_TURNS = 4
"""of the event loop, in which a connection that was accepted has its protocol and is known to it"""


class HttpProtocol(asyncio.Protocol):
    """What we use of uvicorn's protocols."""

    transport: asyncio.Transport
    app_state: dict[str, Any]


class Connection:
    """One client's connection, as requests find it in `scope["state"]`."""

    def __init__(self) -> None:
        self.protocol: HttpProtocol | None = None
        self.account: str | None = None
        """the inference server that it was used for last"""
        self.is_steering: bool = False
        """whether it was used last to steer the simulator"""
        self.was_cut: bool = False

    def cut(self, *, flush: bool) -> None:
        """Close the socket; with `flush` what was written still goes out."""
        if self.protocol is None:
            return
        self.was_cut = True
        if flush:
            self.protocol.transport.close()
        else:
            self.protocol.transport.abort()


def connection_of(scope: Scope) -> Connection | None:
    """The connection of a request; None under a server other than `listening`."""
    connection = scope.get("state", {}).get(CONNECTION)
    return connection if isinstance(connection, Connection) else None


async def cut(scope: Scope, receive: Receive, *, flush: bool = False) -> None:
    """Cut the connection of this request and return once it is gone.

    Raises RuntimeError under a server other than `listening`.
    """
    connection = connection_of(scope)
    if connection is None:
        raise RuntimeError("the simulator can cut connections only when served by running() or run()")
    connection.cut(flush=flush)
    while (await receive())["type"] != "http.disconnect":
        pass


class Listener:
    """Uvicorn's HTTP protocol on sockets that can refuse connections and accept them again."""

    def __init__(self, config: Config) -> None:
        from uvicorn.server import ServerState

        self._config = config
        self._state = ServerState()
        self._protocol_class = cast("Callable[..., HttpProtocol]", config.http_protocol_class)
        self._servers: list[asyncio.Server] = []
        self._held: list[socket.socket] = []
        """bound where we listened, so that nobody else is given the port"""
        self._cuts = False
        """whether connections are cut as they are accepted"""

    async def listen(self, host: str, port: int) -> str:
        """Listen on a port, 0 taking a free one; returns `http://host:port`."""
        self._servers = [await asyncio.get_running_loop().create_server(self._connect, host, port)]
        name, taken = self._servers[0].sockets[0].getsockname()[:2]
        return f"http://[{name}]:{taken}" if ":" in name else f"http://{name}:{taken}"

    def connections(self) -> list[Connection]:
        """Those that are open."""
        return [protocol.app_state[CONNECTION] for protocol in self._protocols()]

    async def refuse(self, *, accepting: bool = False) -> None:
        """Refuse new connections; with `accepting` they are accepted and cut."""
        if accepting:
            await self.accept()
            self._cuts = True
            return
        servers, self._servers = self._servers, []
        places = [(each.family, each.getsockname()) for server in servers for each in server.sockets]
        await _end(servers)
        for family, place in places:
            self._held.append(await _bound(family, place))

    async def accept(self) -> None:
        """Accept connections, whether that was so already or not."""
        self._cuts = False
        held, self._held = self._held, []
        for each in held:
            self._servers.append(await asyncio.get_running_loop().create_server(self._connect, sock=each))

    async def close(self) -> None:
        """Cut every connection, await every request in progress and listen no longer."""
        await _end(self._servers)
        for each in self._held:
            each.close()
        for protocol in self._protocols():
            protocol.transport.abort()
        await _ended(set(self._state.tasks))
        for server in self._servers:
            await server.wait_closed()

    def _protocols(self) -> list[HttpProtocol]:
        return [cast("HttpProtocol", each) for each in self._state.connections]

    def _connect(self) -> asyncio.Protocol:
        if self._cuts:
            return _Cutting()
        connection = Connection()
        app_state: dict[str, Any] = {CONNECTION: connection}
        protocol = self._protocol_class(config=self._config, server_state=self._state, app_state=app_state)
        connection.protocol = protocol
        return protocol


class _Cutting(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Cut it."""
        cast("asyncio.Transport", transport).abort()


@asynccontextmanager
async def listening(app: ASGIApp, host: str, port: int) -> AsyncGenerator[tuple[str, Listener]]:
    """Serve `app` by uvicorn's HTTP protocol; yields `http://host:port`, with the port that was taken for 0.

    Installs no signal handlers, no logging, and does not run the app's lifespan. On exit every connection
    is cut and every request in progress is awaited.
    """
    listener = Listener(await asyncio.to_thread(_configured, app))
    address = await listener.listen(host, port)
    try:
        yield address, listener
    finally:
        await listener.close()


async def _end(servers: Sequence[asyncio.Server]) -> None:
    """Listen no longer.

    A connection that asyncio is just taking gets its protocol first: once its server is closed it would be
    forgotten, open as it is.
    """
    loop = asyncio.get_running_loop()
    for server in servers:
        for each in server.sockets:
            loop.remove_reader(each)
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    for server in servers:
        server.close()


async def _bound(family: int, place: Any) -> socket.socket:
    """A socket that is bound and does not listen, at a place where one did until now."""
    held = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    deadline = time.monotonic() + SHUTDOWN_SECONDS
    while True:
        try:
            held.bind(place)
        except OSError:  # uvloop closes the other one in its next turn
            if time.monotonic() > deadline:
                held.close()
                raise
            await asyncio.sleep(0.001)
        else:
            return held


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
