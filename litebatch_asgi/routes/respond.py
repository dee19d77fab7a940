"""Answers: JSON, and errors as OpenAI words them. The one place where an exception becomes a response."""

from __future__ import annotations

import logging
import math
import re
import secrets
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from litebatch_asgi.errors import InternalError, RequestError, RequestTimeout, Unauthenticated
from litebatch_asgi.wire import error_body

logger: logging.Logger = logging.getLogger("litebatch_asgi.routes")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_ANSWERED_FOR = "litebatch_asgi.routes.respond"

Answered: TypeAlias = Callable[[Scope, int], None]

_encode = msgspec.json.Encoder(decimal_format="number").encode


class JSONAnswer(Response):
    """Anything that msgspec can encode."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The JSON of `content`."""
        return _encode(content)


def error_answer(error: RequestError, **headers: str) -> Response:
    """The answer that tells a client of an error, with what its own retry logic looks for."""
    if error.retry is not None:
        headers["x-should-retry"] = "true" if error.retry else "false"
    if error.retry_after is not None:
        headers["retry-after"] = str(math.ceil(error.retry_after))
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, RequestTimeout):
        headers["connection"] = "close"  # RFC 9110, section 15.5.9: the rest is not waited for
    return JSONAnswer(error_body(error), error.status, headers)


class Respond:
    """Middleware that gives every response its `x-request-id` and turns what is raised into an answer.

    The client's own id is taken over if it is a sane one. Where several are nested the outermost acts. What
    is raised after the headers went out is passed on: the server then cuts the connection, which is the
    only honest end of half a body. `answered` is told the status of each answer, with the scope.
    """

    def __init__(self, app: ASGIApp, answered: Answered | None = None) -> None:
        self.app = app
        self._answered = answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app for one request."""
        if scope["type"] != "http" or _ANSWERED_FOR in scope:
            await self.app(scope, receive, send)
            return
        scope[_ANSWERED_FOR] = True
        reply = _Reply(send, _request_id(scope))
        try:
            await self.app(scope, receive, reply)
        except Exception as error:
            if reply.status is not None:
                logger.warning("request %s broke off in the middle: %r", reply.request_id, error)
                raise
            if not isinstance(error, ClientDisconnect):
                told = _told(error, scope, reply.request_id)
                await error_answer(told)(scope, receive, reply)
        finally:
            if self._answered is not None and reply.status is not None:
                self._answered(scope, reply.status)


class _Reply:
    """`send`, for one request."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.status: int | None = None
        """None: no answer has begun"""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.request_id.encode())]
        await self._send(message)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return secrets.token_hex(16)


def _told(error: Exception, scope: Scope, request_id: str) -> RequestError:
    """What the client is told; what it is not told goes to the log."""
    where = f"request {request_id}: {scope['method']} {scope['path'][:200]!r}"
    if isinstance(error, RequestError):
        if error.status >= 500:
            logger.warning("%s: %s (%r)", where, error.message, error.__cause__)
        return error
    logger.error("%s failed", where, exc_info=error)
    return InternalError(
        f"The gateway failed on this request; its log tells why, under request id {request_id}."
    )
