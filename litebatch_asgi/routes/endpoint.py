"""One path of the API: which methods it has, and who may go on to them."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi.auth import Authenticator
from litebatch_asgi.errors import (
    InvalidRequest,
    LifespanNotEntered,
    MethodNotAllowed,
    RequestError,
    Unauthenticated,
    Unavailable,
)
from litebatch_asgi.models import Principal
from litebatch_asgi.routes.respond import error_answer
from litebatch_asgi.routes.services import Services

logger = logging.getLogger("litebatch_asgi.routes")

Handler: TypeAlias = Callable[[Request, Principal], Awaitable[ASGIApp]]
"""Does what a request asks for and returns the answer."""

MAX_JSON_BYTES = 256 << 10
"""of a body that is no upload: a batch with the largest metadata has less than half of it"""

_ID = re.compile(r"[!-~]{1,256}")
_NOT_ENTERED = (
    "LiteBatch is mounted but not running: enter its lifespan, with FastAPI(lifespan=litebatch.lifespan), "
    "or with `async with litebatch.lifespan(app):` inside the lifespan that the app has."
)


class Endpoint:
    """The handlers of one path by method; `HEAD` is answered by the one for `GET`.

    The caller is authenticated once, before anything of the body is read.
    """

    def __init__(self, services: Services, authenticator: Authenticator, **handlers: Handler) -> None:
        self._services = services
        self._authenticator = authenticator
        self._handlers = dict(handlers)
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        handler = self._handlers.get(scope["method"])
        if handler is None:
            allowed = ", ".join(self._handlers)
            refusal = MethodNotAllowed(f"{scope['method']} is not allowed here, only {allowed}.")
            answer: ASGIApp = error_answer(refusal, allow=allowed)
        elif not self._services.is_entered:
            raise LifespanNotEntered(_NOT_ENTERED)
        else:
            answer = await handler(Request(scope, receive), await self._caller(scope))
        await answer(scope, receive, send)

    async def _caller(self, scope: Scope) -> Principal:
        try:
            principal = await self._authenticator(HTTPConnection(scope))
        except RequestError:
            raise
        except Exception as error:
            logger.exception("the authenticator failed")
            raise Unavailable("Nobody can be authenticated at the moment, try again later.") from error
        if principal is None:
            raise Unauthenticated(
                "No valid API key was given: send one in the header `Authorization: Bearer KEY`."
            )
        return principal


def checked_id(given: str, unknown: Callable[[str], RequestError]) -> str:
    """An id as a request names it; `unknown` makes the error for one that no object can have."""
    if not _ID.fullmatch(given):
        raise unknown(given[:100])
    return given


async def small_body(request: Request) -> bytes:
    """The body of a request that is no upload."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_JSON_BYTES:
            raise InvalidRequest(f"The body of the request has more than {MAX_JSON_BYTES} bytes.")
    return bytes(body)
