"""Sends one request and reads its answer, or says what became of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias

import anyio
import httpcore2
import httpx2

from litebatch_asgi import tracing
from litebatch_asgi.errors import AnswerTooLarge, NoAnswer, ProviderError, ServerAway
from litebatch_asgi.models import NO_HINTS, RateHints
from litebatch_asgi.models.rate_hints import rate_hints
from litebatch_asgi.provider import AnswerRoom, LiveAnswer, LiveRequest
from litebatch_asgi.providers._answers import hide
from litebatch_asgi.providers._http import TokenSource
from litebatch_asgi.providers.live.bodies import Broken, Received, body_of
from litebatch_asgi.providers.live.connections import Connections, NothingHeard

RACE_SECONDS = 1.0
"""A server that closes a connection which was idle, just as a request comes, does so within this time.

That request is sent once more, over a new connection: it is no sign that the server cannot bear it. One that
is closed later, or on a connection of its own, counts as cut. Where nobody answers any more when it is to be
sent again, it may have been what ended the server, and counts as cut as well.
"""

_NOTHING_SENT = (
    httpcore2.ConnectError,
    httpcore2.ConnectTimeout,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
)
_FAILED = (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, OSError)
"""the last is of TLS, where it is not translated"""
_LONGEST_ID = 200

Header: TypeAlias = tuple[bytes, bytes]
Target: TypeAlias = Callable[[str, str], bytes]
"""the path and query for a line's url and a model"""


class HTTPServer:
    """A `LiveServer` that speaks OpenAI over HTTP/1.1. Redirects are answers: they are not followed.

    `headers`: of every request. `hidden`: words that no message may show. `tokens`: what each request proves
    itself with, in place of a key among the headers.
    """

    def __init__(
        self,
        connections: Connections,
        *,
        target: Target,
        headers: httpx2.Headers,
        hidden: Sequence[str],
        tokens: TokenSource | None = None,
    ) -> None:
        own = {"Host": connections.authority.decode("ascii"), "Accept": "*/*", "User-Agent": "litebatch"}
        sent = httpx2.Headers(own)
        sent.update(headers)
        sent.update({"Accept-Encoding": "identity", "Content-Type": "application/json"})
        self._connections = connections
        self._target = target
        self._headers: Sequence[Header] = sent.raw
        self._hidden = hidden
        self._tokens = tokens

    async def aclose(self) -> None:
        """Close the connections; requests under way end with `NoAnswer`."""
        await self._connections.aclose()
        if self._tokens is not None:
            await self._tokens.aclose()

    async def send(self, request: LiveRequest) -> LiveAnswer:
        """See `LiveServer.send`."""
        await self._connections.open()
        with anyio.move_on_after(request.timeout_seconds) as limit:
            return await self._send(request, partial(_received, request.room, limit))
        raise NoAnswer(f"no whole answer within {request.timeout_seconds:g} s", was_silent=True)

    async def _send(self, request: LiveRequest, received: Received) -> LiveAnswer:
        connections = self._connections
        if connections.is_closed:
            raise ServerAway("the deployment's connections are closed")
        connect_seconds = min(connections.connect_seconds, request.timeout_seconds / 3)
        exchange = httpcore2.Request(
            b"POST",
            httpcore2.URL(
                scheme=connections.scheme,
                host=connections.host,
                port=connections.port,
                target=self._target(request.path, request.model),
            ),
            headers=[*self._headers, *await self._more_headers(len(request.body), connect_seconds)],
            content=request.body,
            extensions={
                "timeout": {"connect": min(connections.connect_seconds, request.timeout_seconds / 3)}
            },
        )
        began_at = time.monotonic()
        connection, is_reused = await connections.take()
        try:
            return await self._over(connection, exchange, request.most_bytes, received)
        except NothingHeard as error:
            if not is_reused or connections.is_closed or time.monotonic() - began_at > RACE_SECONDS:
                raise self._cut(error) from error
        except _NOTHING_SENT as error:
            raise ServerAway(f"no connection: {self._told(error)}") from error
        if request.resent is not None:
            request.resent()
        connection, _ = await connections.take(fresh=True)
        try:
            return await self._over(connection, exchange, request.most_bytes, received)
        except (NothingHeard, *_NOTHING_SENT) as error:
            raise self._cut(error) from error

    async def _over(
        self,
        connection: httpcore2.AsyncConnectionInterface,
        exchange: httpcore2.Request,
        most_bytes: int,
        received: Received,
    ) -> LiveAnswer:
        try:
            response = await connection.handle_async_request(exchange)
            try:
                told = _told_in(response.headers)
                body = await body_of(response, told, most_bytes, received)
            finally:
                await response.aclose()
        except (NothingHeard, *_NOTHING_SENT):
            raise
        except (Broken, *_FAILED) as error:
            raise self._cut(error) from error
        finally:
            await self._connections.give_back(connection)
        if body is None:
            raise AnswerTooLarge(f"the answer has more than {most_bytes} bytes", status=response.status)
        request_id = told.get("x-request-id", "")[:_LONGEST_ID] or None
        return LiveAnswer(status=response.status, body=body, request_id=request_id, limits=_hints(told))

    async def _more_headers(self, size: int, seconds: float) -> list[Header]:
        """Those of one request; a token has so long to come."""
        more = [(b"Content-Length", b"%d" % size)]
        more += ((name.encode(), value.encode()) for name, value in tracing.outgoing().items())
        if self._tokens is not None:
            try:
                with anyio.fail_after(seconds):
                    token = await self._tokens.value()
            except ProviderError as error:
                raise ServerAway(error.message, status=error.status) from error
            except TimeoutError as error:
                raise ServerAway(f"no access token within {seconds:g} s") from error
            more.append((b"Authorization", b"Bearer " + token.encode()))
        return more

    def _cut(self, error: Exception) -> NoAnswer:
        return NoAnswer(f"the connection was cut: {self._told(error)}", was_silent=False)

    def _told(self, error: Exception) -> str:
        return hide(f"{type(error).__name__} {error}".strip(), self._hidden)


async def _received(room: AnswerRoom | None, limit: anyio.CancelScope, size: int) -> None:
    """Wait until more of an answer may be read, for which time no limit runs."""
    if room is None or room.add(size):
        return
    left = limit.deadline - anyio.current_time()
    limit.deadline = math.inf
    try:
        await room.room()
    finally:
        limit.deadline = anyio.current_time() + left


_READ = (b"content-encoding", b"content-length", b"x-request-id")
_OF_LIMITS = (b"retry-after", b"x-ratelimit-")


def _told_in(headers: Sequence[Header]) -> dict[str, str]:
    """Those of an answer's headers that count, in lower case; of several the first."""
    told: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in _READ or lower.startswith(_OF_LIMITS):
            told.setdefault(lower.decode("ascii"), value.decode("latin-1"))
    return told


def _hints(told: Mapping[str, str]) -> RateHints:
    if not any(name.startswith(("retry-after", "x-ratelimit-")) for name in told):
        return NO_HINTS
    return rate_hints(told, datetime.now(UTC))
