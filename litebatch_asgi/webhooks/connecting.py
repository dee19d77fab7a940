"""Connections to addresses that were checked, and to no others, that give a bounded number of bytes."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence
from typing import Any, cast

import anyio
import httpcore2


class AnswerTooLong(httpcore2.ReadError):
    """More bytes came than may be read."""


class CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to the first of `addresses` that answers, whatever the host of the URL is.

    The name is looked up by nobody else, and TLS still checks the certificate for it. The time to connect is
    shared by the addresses.
    """

    def __init__(self, addresses: Sequence[str], *, most_bytes: int) -> None:
        self._addresses = addresses
        self._most_bytes = most_bytes
        self._network = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to `port`. Raises `ConnectError` or `ConnectTimeout` of the last address."""
        failure: httpcore2.NetworkError | httpcore2.TimeoutException = httpcore2.ConnectError("no address")
        share = None if timeout is None else timeout / len(self._addresses)
        for address in self._addresses:
            try:
                stream = await self._network.connect_tcp(address, port, timeout=share)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _Metered(stream, self._most_bytes)
        raise failure


class _Metered(httpcore2.AsyncNetworkStream):
    """A stream that raises `AnswerTooLong` rather than giving more than `most_bytes`."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream, most_bytes: int) -> None:
        self._stream = stream
        self._left = most_bytes

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read some bytes."""
        if self._left <= 0:
            raise AnswerTooLong("more came than may be read")
        try:
            block = await self._stream.read(min(max_bytes, self._left), timeout)
        except ssl.SSLError as error:  # which the library lets pass once the handshake is over
            raise httpcore2.ReadError("TLS broke") from error
        self._left -= len(block)
        return block

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of `buffer`."""
        try:
            await self._stream.write(buffer, timeout)
        except ssl.SSLError as error:
            raise httpcore2.WriteError("TLS broke") from error

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """The same over TLS, once the certificate was found to be the host's."""
        try:
            stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            with anyio.CancelScope(shield=True):  # the library leaves it open when it is cancelled
                await self._stream.aclose()
            raise
        return _Metered(stream, self._left)

    def get_extra_info(self, info: str) -> Any:
        """What the library wants to know of the stream."""
        return self._stream.get_extra_info(info)
