"""What comes before a request's body: limits, for which uvicorn has none, and refusals in OpenAI's form."""

from __future__ import annotations

import asyncio
import secrets
from http import HTTPStatus
from typing import Any

import h11
import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol

from litebatch_asgi.errors import InvalidRequest, RequestError, RequestTimeout
from litebatch_asgi.server.unread import ReadAnswers
from litebatch_asgi.wire import error_body

HEAD_SECONDS = 30.0
"""from the start of a connection, or the first byte after an answer, to the end of the next request's head"""


class TimedHeads(asyncio.Protocol):
    """Mixin for uvicorn's protocols: closes a connection on which a head does not come to its end in time.

    What is left of a body when its answer has gone out counts towards that time. An idle connection between
    two requests has uvicorn's own limit, which ends with the first byte that comes.
    """

    head_seconds = HEAD_SECONDS
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    cycle: Any
    """uvicorn's: the newest request whose head has come; None: there was none yet"""
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        super().connection_made(transport)
        self._limit = self.loop.call_later(self.head_seconds, self._head_is_late)

    def data_received(self, data: bytes) -> None:
        """Take the next bytes of the connection."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._cancel_limit()
        elif self._limit is None:
            self._limit = self.loop.call_later(self.head_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._cancel_limit()
        super().connection_lost(exc)

    def has_begun_head(self) -> bool:
        """Whether some of a head has come, and not all of it."""
        raise NotImplementedError

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request, and close the connection; uvicorn itself answers plain text."""
        self._refuse(InvalidRequest(msg))

    def _refuse(self, error: RequestError) -> None:
        self.transport.write(_answer(error))
        self.transport.close()

    def _cancel_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _head_is_late(self) -> None:
        if not self.transport.is_closing():
            if self.has_begun_head():
                told = f"The head of the request took more than {self.head_seconds:g} seconds to arrive."
                self._refuse(RequestTimeout(told))
            else:
                self.transport.close()


class H11Heads(TimedHeads, ReadAnswers, H11Protocol):
    """uvicorn's protocol on h11, which bounds a head's size by itself."""

    def has_begun_head(self) -> bool:
        """Whether some of a head has come, and not all of it."""
        return self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])


def http_protocol() -> type[TimedHeads]:
    """What uvicorn serves with: httptools where it is installed, as uvicorn chooses by itself, else h11."""
    try:
        from litebatch_asgi.server.httptools_heads import HttpToolsHeads
    except ImportError:
        return H11Heads
    return HttpToolsHeads


def _answer(error: RequestError) -> bytes:
    body = msgspec.json.encode(error_body(error))
    head = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
        f"x-request-id: {secrets.token_hex(16)}",
    )
    return "\r\n".join((*head, "", "")).encode() + body
