"""Sends one event to one endpoint, whoever that is: nothing that it does costs more than a bounded time.

Each try looks the name up, checks every address and connects to one of those very addresses, by a connection
of its own: the pool of a client would reuse one that TLS has checked for another name. No proxy, no redirect,
nothing of the environment but certificate authorities.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing, suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpcore2
import httpx2
import msgspec

from litebatch_asgi.webhooks.addresses import refusal_of
from litebatch_asgi.webhooks.connecting import AnswerTooLong, CheckedBackend
from litebatch_asgi.webhooks.outcomes import Delivery, answered, failed
from litebatch_asgi.webhooks.resolving import Resolver, SystemResolver, to_try
from litebatch_asgi.webhooks.signing import SignedEvent

logger: logging.Logger = logging.getLogger(__name__)

_HEADERS = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": "litebatch"}
_FAILURES = (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException)


class SenderLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one try may take."""

    seconds: float = 15.0
    """for all of it"""
    lookup_seconds: float = 4.0
    connect_seconds: float = 4.0
    """for a connection, and as many for TLS"""
    addresses: int = 3
    """of a name, that are tried"""
    head_bytes: int = 49_152
    headers: int = 100
    body_bytes: int = 16_384


class _NotSent(Exception):
    """Why nothing was sent, as a clause."""


class WebhookSender:
    """Sends events. `url`s are those that `webhook_url` gave.

    Args:
        threads: for lookups of names, and for reading certificate authorities from disk.
        to_private: whether loopback and private addresses are allowed.
        resolve: looks names up; None: the system does, in `threads`.
        tls: makes what certificates are checked with, in a thread.
        limits: what one try may take.

    """

    def __init__(
        self,
        threads: ThreadPoolExecutor,
        *,
        to_private: bool = False,
        resolve: Resolver | None = None,
        tls: Callable[[], ssl.SSLContext] = httpx2.create_ssl_context,
        limits: SenderLimits | None = None,
    ) -> None:
        self._threads = threads
        self._to_private = to_private
        self._resolve = resolve or SystemResolver(threads)
        self._tls = tls
        self._context: ssl.SSLContext | None = None
        self._limits = limits or SenderLimits()

    async def send(self, url: str, event: SignedEvent) -> Delivery:
        """Try once. Raises nothing for what the receiver does, or its servers of names."""
        deadline = asyncio.get_running_loop().time() + self._limits.seconds
        try:
            delivery = await self._sent(url, event, deadline)
        except _NotSent as error:
            delivery = failed(str(error))
        except TimeoutError:
            delivery = failed(f"it gave no answer within {self._limits.seconds:g} seconds")
        except _FAILURES as error:
            delivery = failed(_told(error))
        logger.debug(
            "webhook tried",
            extra={
                "host": urlsplit(url).hostname,
                "event": event.headers["webhook-id"],
                "outcome": delivery.outcome.value,
                "reason": delivery.reason,
            },
        )
        return delivery

    async def _sent(self, url: str, event: SignedEvent, deadline: float) -> Delivery:
        limits = self._limits
        async with AsyncExitStack() as stack:
            async with asyncio.timeout_at(deadline):
                addresses = await self._addresses(url)
                most_bytes = limits.head_bytes + limits.body_bytes
                pool = httpcore2.AsyncConnectionPool(
                    ssl_context=await self._certificates(),
                    max_connections=1,
                    max_keepalive_connections=0,
                    network_backend=CheckedBackend(addresses, most_bytes=most_bytes),
                )
                await stack.enter_async_context(pool)
                request = pool.stream(
                    "POST",
                    url,
                    headers=[*_HEADERS.items(), *event.headers.items()],
                    content=event.body,
                    extensions={"timeout": {"connect": limits.connect_seconds}},
                )
                response = await stack.enter_async_context(request)
            if len(response.headers) > limits.headers:
                return failed(f"its answer has {len(response.headers)} headers")
            with suppress(TimeoutError, *_FAILURES):  # the status has told all there is to know
                async with asyncio.timeout_at(deadline):
                    await self._read(response)
            return answered(response.status, response.headers, datetime.now(UTC))

    async def _read(self, response: httpcore2.Response) -> None:
        """Take the body, so that the receiver sees a client that listens; too much of it is left unread."""
        read = 0
        async with aclosing(response.aiter_stream()) as blocks:
            async for block in blocks:
                read += len(block)
                if read >= self._limits.body_bytes:
                    return

    async def _addresses(self, url: str) -> list[str]:
        """Those to connect to. One bad address among good ones is a trap, and refuses all of them."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        is_address = refusal_of(host, to_private=self._to_private) != "is no address"
        found = [host] if is_address else await self._lookup(host, port)
        for address in found:
            refusal = refusal_of(address, to_private=self._to_private)
            if refusal is not None:
                logger.info("no webhook goes to %s: %s %s", host, address, refusal)
                raise _NotSent("its name leads to an address that is not on the Internet")
        return to_try(found, self._limits.addresses)

    async def _lookup(self, host: str, port: int) -> list[str]:
        try:
            async with asyncio.timeout(self._limits.lookup_seconds):
                found = list(await self._resolve(host, port))
        except TimeoutError as error:
            raise _NotSent(
                f"its name was not found within {self._limits.lookup_seconds:g} seconds"
            ) from error
        except OSError as error:
            raise _NotSent("its name was not found") from error
        if not found:
            raise _NotSent("its name has no address")
        return found

    async def _certificates(self) -> ssl.SSLContext:
        if self._context is not None:
            return self._context
        context = await asyncio.wrap_future(self._threads.submit(self._tls))
        self._context = context
        return context


def _told(error: Exception) -> str:
    """A failure in words of ours: the receiver chooses what those of the libraries say."""
    if isinstance(error, httpcore2.ConnectTimeout):
        return "it took no connection in time"
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "its certificate is not valid for its name"
    if isinstance(cause, ssl.SSLError):
        return "it speaks no TLS that we do"
    if isinstance(error, httpcore2.ConnectError):
        return "it took no connection"
    if isinstance(error, AnswerTooLong):
        return "its answer is too long"
    if isinstance(error, httpcore2.ProtocolError):
        return "its answer is no HTTP"
    return "the connection broke off"
