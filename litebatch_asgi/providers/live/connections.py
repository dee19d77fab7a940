"""Connections to one server, each of which carries one request at a time.

httpcore's own pool looks at every connection it has twice for each request, and sends the head and the body
of a request as two packets: at short requests that is most of what they cost.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, cast
from urllib.request import getproxies, proxy_bypass

import anyio
import httpcore2
import httpx2

from litebatch_asgi.providers._http import KEEPALIVE_SECONDS
from litebatch_asgi.threads import in_thread

_TOGETHER = 65_536
"""bytes up to which a body goes out with its head"""


class NothingHeard(httpcore2.ReadError):
    """The connection was closed after the request, before the first byte of an answer."""


class Connections:
    """Those to the server at `base`: the last that was used is used first, and what was idle for long is not.

    `most`: how many are kept while they are idle. `connect_seconds`: for a new one, at most.
    """

    def __init__(self, base: httpx2.URL, *, most: int, connect_seconds: float) -> None:
        self.connect_seconds: float = connect_seconds
        self.scheme: bytes = base.raw_scheme
        self.host: bytes = base.raw_host
        self.port: int | None = base.port
        self.authority: bytes = base.netloc
        self._origin = httpcore2.URL(scheme=self.scheme, host=self.host, port=self.port, target=b"/").origin
        self._most = most
        self._opening = anyio.Lock()
        self._factory: httpcore2.AsyncConnectionPool | None = None
        self._idle: list[httpcore2.AsyncConnectionInterface] = []
        self._busy = set[httpcore2.AsyncConnectionInterface]()
        self.is_closed: bool = False

    async def open(self) -> httpcore2.AsyncConnectionPool:
        """What makes connections; nothing is sent yet."""
        if self._factory is not None:
            return self._factory
        async with self._opening:
            if self._factory is None:
                # Certificate authorities are read from disk.
                self._factory = await in_thread(self._make_factory)
            return self._factory

    async def take(self, *, fresh: bool = False) -> tuple[httpcore2.AsyncConnectionInterface, bool]:
        """A connection, to be given back, and whether it was used before; `fresh`: one that was not."""
        while self._idle and not fresh:
            connection = self._idle.pop()
            if not connection.has_expired():
                self._busy.add(connection)
                return connection, True
            await connection.aclose()
        connection = (await self.open()).create_connection(self._origin)
        self._busy.add(connection)
        return connection, False

    async def give_back(self, connection: httpcore2.AsyncConnectionInterface) -> None:
        """It carries no request any more."""
        self._busy.discard(connection)
        if connection.is_closed():
            return
        is_kept = connection.is_idle() and not self.is_closed and len(self._idle) < self._most
        if is_kept and not _has_more(connection):
            self._idle.append(connection)
        else:
            await connection.aclose()

    async def aclose(self) -> None:
        """Close them all; who waits for an answer hears of it."""
        self.is_closed = True
        for connection in (*self._idle, *self._busy):
            await connection.aclose()
        self._idle.clear()

    def _make_factory(self) -> httpcore2.AsyncConnectionPool:
        """What makes connections, through the proxy that the environment names."""
        is_plain = self.scheme == b"http"
        return httpcore2.AsyncConnectionPool(
            ssl_context=None if is_plain else httpx2.create_ssl_context(),
            proxy=_proxy(self.scheme.decode(), self.host.decode(), self.port),
            keepalive_expiry=KEEPALIVE_SECONDS,
            network_backend=_Network(),
        )


def _has_more(connection: httpcore2.AsyncConnectionInterface) -> bool:
    """Whether more has come than one answer: it would be taken for the answer to the next request.

    httpcore looks at the socket alone, and keeps to itself what it has read from there.
    """
    inner: Any = connection
    while hasattr(inner, "_connection"):
        inner = inner._connection
    return hasattr(inner, "_h11_state") and bool(inner._h11_state.trailing_data[0])


def _proxy(scheme: str, host: str, port: int | None) -> httpcore2.Proxy | None:
    proxies = getproxies()
    address = proxies.get(scheme) or proxies.get("all")
    if not address or proxy_bypass(host if port is None else f"{host}:{port}"):
        return None
    proxy = httpx2.Proxy(address if "://" in address else f"http://{address}")
    url = httpcore2.URL(
        scheme=proxy.url.raw_scheme,
        host=proxy.url.raw_host,
        port=proxy.url.port,
        target=proxy.url.raw_path,
    )
    return httpcore2.Proxy(url, auth=proxy.raw_auth, headers=proxy.headers.raw)


class _Network(httpcore2.AsyncNetworkBackend):
    """anyio's, with streams that hold back what is written until something is to be read."""

    def __init__(self) -> None:
        self._network = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """See httpcore."""
        stream = await self._network.connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(stream)


class _Stream(httpcore2.AsyncNetworkStream):
    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream
        self._held = b""
        self._is_heard = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """See httpcore."""
        if self._held:
            held, self._held = self._held, b""
            with suppress(httpcore2.WriteError):  # it may have answered before it closed the connection
                await self._stream.write(held, timeout)
        try:
            received = await self._stream.read(max_bytes, timeout)
        except httpcore2.ReadError as error:
            if self._is_heard:
                raise
            raise NothingHeard(str(error)) from error
        if received:
            self._is_heard = True
        elif not self._is_heard:
            raise NothingHeard("closed")
        return received

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """See httpcore."""
        self._is_heard = False
        if len(buffer) <= _TOGETHER:
            self._held += buffer
            return
        held, self._held = self._held, b""
        await self._stream.write(held, timeout)
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """See httpcore."""
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """See httpcore, which leaves the socket open where it is cancelled in here."""
        try:
            return _Stream(await self._stream.start_tls(ssl_context, server_hostname, timeout))
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()
            if isinstance(error, anyio.ClosedResourceError):
                raise httpcore2.ConnectError("closed in the handshake") from error
            raise

    def get_extra_info(self, info: str) -> Any:
        """See httpcore."""
        return self._stream.get_extra_info(info)
