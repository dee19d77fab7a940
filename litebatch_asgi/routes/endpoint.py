"""One path of the API: which methods it has, and who may go on to them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi.auth import Authenticator, identify
from litebatch_asgi.errors import (
    InvalidRequest,
    LifespanNotEntered,
    MethodNotAllowed,
    RequestTimeout,
    Unauthenticated,
)
from litebatch_asgi.models import Principal
from litebatch_asgi.routes.respond import error_answer
from litebatch_asgi.routes.services import Services

Handler: TypeAlias = Callable[[Request, Principal], Awaitable[ASGIApp]]
"""Does what a request asks for and returns the answer."""

MAX_JSON_BYTES = 256 << 10
"""of a body that is no upload: a batch with the largest metadata has less than half of it"""
JSON_SECONDS = 60.0
"""how long such a body may take to arrive"""

CALLER = "litebatch_asgi.caller"
"""the key in a scope of the principal that whoever passes the request on has found out already"""
STOPPING = "litebatch_asgi.stopping"
"""the key in a scope of a call that says whether the server is to stop: what would go on then ends"""


class Endpoint:
    """The handlers of one path by method; `HEAD` is answered by the one for `GET`.

    The caller is authenticated once, before anything of the body is read. `path` is its name in metrics.
    """

    def __init__(
        self, services: Services, authenticator: Authenticator, path: str, **handlers: Handler
    ) -> None:
        self.path = path
        self._services = services
        self._authenticator = authenticator
        self._handlers = dict(handlers)
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        handler = self._handlers.get(scope["method"])
        if handler is None:
            answer: ASGIApp = not_allowed(scope, self._handlers)
        elif not self._services.is_entered:
            raise LifespanNotEntered
        else:
            answer = await handler(Request(scope, receive), await self._caller(scope))
        await answer(scope, receive, send)

    async def _caller(self, scope: Scope) -> Principal:
        principal: Principal | None = scope.get(CALLER)
        if principal is None:
            principal = await identify(self._authenticator, HTTPConnection(scope))
        if principal is None:
            raise Unauthenticated(
                "No valid API key was given: send one in the header `Authorization: Bearer KEY`."
            )
        return principal


def not_allowed(scope: Scope, methods: Iterable[str]) -> ASGIApp:
    """The answer to a method that a path does not have; it has these."""
    allowed = ", ".join(methods)
    refusal = MethodNotAllowed(f"{scope['method']} is not allowed here, only {allowed}.")
    return error_answer(refusal, allow=allowed)


async def small_body(request: Request, *, within_seconds: float = JSON_SECONDS) -> bytes:
    """The body of a request that is no upload.

    Raises `InvalidRequest` for more than `MAX_JSON_BYTES` and `RequestTimeout` for a client that is too slow.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(within_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_JSON_BYTES:
                    raise InvalidRequest(f"The body of the request has more than {MAX_JSON_BYTES} bytes.")
    except TimeoutError as error:
        raise RequestTimeout(f"The body of the request took more than {within_seconds:g} seconds.") from error
    return bytes(body)
