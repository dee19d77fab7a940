"""The standalone gateway: LiteBatch with and without `/v1`, and its health."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.config import Config
from litebatch_asgi.errors import NotFound, StorageUnavailable
from litebatch_asgi.routes import Respond
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.server.access import AccessLog, OwnerNoting
from litebatch_asgi.server.auth import authenticator_for
from litebatch_asgi.server.logs import RequestLog


def litebatch_for(config: Config, host: str) -> LiteBatch:
    """LiteBatch as `config` says, for a gateway that listens on `host`. Raises `ConfigError`."""
    authenticator = OwnerNoting(authenticator_for(host, config.master_key))
    return LiteBatch.from_config(config, authenticator=authenticator)


def build_gateway(litebatch: LiteBatch, log: RequestLog | None = None) -> ASGIApp:
    """The ASGI app of the gateway, with LiteBatch's lifespan as its own; `log` is told of each request."""
    gateway = Gateway(litebatch)
    return gateway if log is None else AccessLog(gateway, log)


class Gateway:
    """Every path with and without `/v1`. Chosen by hand: a router's matching costs more than the choice."""

    def __init__(self, litebatch: LiteBatch) -> None:
        self._api = litebatch.app
        self._health = Respond(Router(_health_routes(litebatch), redirect_slashes=False, default=_unknown))
        self._lifespan = Router(lifespan=litebatch.lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        path = scope["path"]
        if path.startswith("/v1/"):
            scope["root_path"] = "/v1"
            path = path[3:]
        app = self._health if path.startswith("/health/") else self._api
        await app(scope, receive, send)


def _health_routes(litebatch: LiteBatch) -> list[Route]:
    async def is_alive(_: Request) -> Response:
        return JSONAnswer({"status": "ok"})

    async def is_ready(_: Request) -> Response:
        if not await litebatch.ready():
            raise StorageUnavailable("The database does not answer.")
        return JSONAnswer({"status": "ok"})

    return [
        Route("/health/liveliness", is_alive),
        Route("/health/liveness", is_alive),
        Route("/health/readiness", is_ready),
    ]


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotFound(f"Invalid URL ({scope['method']} {scope['path'][:200]})")
