"""One log line a request: who asked for what, and what came of it."""

from __future__ import annotations

import time
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from litebatch_asgi.auth import Authenticator, identify
from litebatch_asgi.models import Principal
from litebatch_asgi.server.logs import RequestLog

_NOTE = "litebatch_asgi.access"
_OFTEN = ("/health/", "/v1/health/", "/metrics", "/v1/metrics")
CLIENT_LEFT = 499
"""logged where no answer was begun because the client had gone, as nginx does"""


class OwnerNoting:
    """An authenticator that tells the access log whom it has let in."""

    def __init__(self, authenticator: Authenticator) -> None:
        self.authenticator = authenticator

    async def __call__(self, connection: HTTPConnection, /) -> Principal | None:
        """The caller, as the authenticator says."""
        principal = await identify(self.authenticator, connection)
        note = connection.scope.get(_NOTE)
        if principal is not None and isinstance(note, _Note):
            note.owner = principal.owner
        return principal


class AccessLog:
    """Middleware that has each request logged once its answer is through.

    Left out are query strings, and what comes again and again while it goes well: health checks, scrapes,
    and what keeps a page up to date.
    """

    def __init__(self, app: ASGIApp, log: RequestLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app for one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        note = _Note(scope, send)
        scope[_NOTE] = note
        error: str | None = None
        try:
            await self._app(scope, receive, note.send)
        except BaseException as exception:
            error = type(exception).__name__
            raise
        finally:
            self._tell(note, error)

    def _tell(self, note: _Note, error: str | None) -> None:
        status = note.status or (CLIENT_LEFT if error is None else 500)
        if status < 400 and (note.is_stream or note.path.startswith(_OFTEN)):
            return
        self._log(
            {
                "method": note.method,
                "path": note.path,
                "status": status,
                "ms": round(1000 * (time.perf_counter() - note.started), 1),
                "owner": note.owner,
                "request_id": note.request_id,
                "error": error,
            }
        )


class _Note:
    """What is to be told about one request."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.started = time.perf_counter()
        self.method: str = scope["method"]
        # spelled anew: a secret in it is found only where nothing is escaped without need
        self.path = quote(scope["path"], safe="/:@!$&'()*+,;=", errors="backslashreplace")
        self.owner: str | None = None
        self.status: int | None = None
        self.request_id: str | None = None
        self.is_stream = False
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            for name, value in message.get("headers", ()):
                if name == b"x-request-id":
                    self.request_id = value.decode("latin-1")
                elif name == b"content-type":
                    self.is_stream = value.startswith(b"text/event-stream")
        await self._send(message)
