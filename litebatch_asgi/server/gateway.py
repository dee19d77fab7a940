"""The standalone gateway: LiteBatch with and without `/v1`, and its health."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.metadata import version

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi.app import LiteBatch, open_storage
from litebatch_asgi.auth import Authenticator
from litebatch_asgi.catalog import Catalog
from litebatch_asgi.config import Config
from litebatch_asgi.errors import NotFound, StorageUnavailable
from litebatch_asgi.keys import keys_of
from litebatch_asgi.routes import Answered, Respond, counting
from litebatch_asgi.routes.openapi import Description
from litebatch_asgi.routes.operations import Operations
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.server.access import AccessLog, OwnerNoting
from litebatch_asgi.server.auth import AnyKey, LoopbackNames, authenticator_for
from litebatch_asgi.server.keys import (
    KEY_OPERATIONS,
    PREFIXES,
    KeyAuthenticator,
    KeyService,
    key_routes,
    no_keys,
)
from litebatch_asgi.server.lazy import LazyApp
from litebatch_asgi.server.logs import RequestLog
from litebatch_asgi.server.metrics import METRICS_OPERATIONS, metrics_route
from litebatch_asgi.server.metrics import PATH as METRICS_PATH
from litebatch_asgi.server.operators import OPERATOR_OPERATIONS, is_for_operators, operator_routes
from litebatch_asgi.server.secret import page_secret_from

_PAGE = "/ui"


def litebatch_for(config: Config, host: str, *, reconciler: bool = True) -> LiteBatch:
    """LiteBatch as `config` says, for a gateway that listens on `host`. Raises `ConfigError`.

    With a master key it has virtual keys too, which are kept in its database.
    """
    authenticator = authenticator_for(host, config.master_key)
    storage = open_storage(config.database_url)
    if config.master_key is not None:
        catalog = Catalog(config.deployments, config.unserved)
        keys = KeyService(keys_of(storage), storage, catalog=catalog)
        authenticator = KeyAuthenticator(authenticator, keys, catalog)
    secret = config.settings.page_secret or page_secret_from(config.master_key)
    config = replace(config, settings=replace(config.settings, page_secret=secret))
    return LiteBatch.from_config(
        config, authenticator=OwnerNoting(authenticator), storage=storage, reconciler=reconciler
    )


def build_gateway(
    litebatch: LiteBatch, log: RequestLog | None = None, *, open_metrics: bool = False
) -> ASGIApp:
    """The ASGI app of the gateway, with LiteBatch's lifespan as its own; `log` is told of each request.

    `open_metrics`: whether anyone may read the metrics, not admins alone.
    """
    takes_any_key = isinstance(_inner(litebatch.authenticator), AnyKey)
    gateway: ASGIApp = Gateway(
        litebatch, open_metrics=open_metrics or takes_any_key, takes_any_key=takes_any_key
    )
    if takes_any_key:
        gateway = LoopbackNames(gateway)
    return gateway if log is None else AccessLog(gateway, log)


class Gateway:
    """Every path with and without `/v1`. Chosen by hand: a router's matching costs more than the choice."""

    def __init__(self, litebatch: LiteBatch, *, open_metrics: bool, takes_any_key: bool) -> None:
        self._api = litebatch.app
        self._health = _answering(_health_routes(litebatch))
        self._metrics = _answering([metrics_route(litebatch, is_open=open_metrics)])
        self._keys = Respond(no_keys)
        keys = _keys_behind(litebatch.authenticator)
        if keys is not None:
            routes = key_routes(litebatch, litebatch.authenticator, keys)
            self._keys = _answering(routes, counting(litebatch))
        self._operators = _answering(operator_routes(litebatch), counting(litebatch))
        more = (METRICS_OPERATIONS, OPERATOR_OPERATIONS, *((KEY_OPERATIONS,) if keys is not None else ()))
        self._described = {
            "/openapi.json": Respond(Description(version("litebatch-asgi"), *more)),
            "/docs": Respond(LazyApp(partial(_docs, more))),
        }
        self._page = LazyApp(partial(_page, litebatch, keys, any_key=takes_any_key))
        self._lifespan = Router(lifespan=litebatch.lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        path, root = scope["path"], ""
        if path.startswith("/v1/"):
            scope["root_path"] = root = "/v1"
            path = path[3:]
        if path == _PAGE or path.startswith(f"{_PAGE}/"):
            scope["root_path"] = f"{root}{_PAGE}"
            await self._page(scope, receive, send)
            return
        app = self._api
        if path.startswith("/health/"):
            app = self._health
        elif path == METRICS_PATH:
            app = self._metrics
        elif path.startswith(PREFIXES):
            app = self._keys
        elif is_for_operators(path):
            app = self._operators
        elif path in self._described:
            app = self._described[path]
        await app(scope, receive, send)


def _answering(routes: list[Route], answered: Answered | None = None) -> Respond:
    return Respond(Router(routes, redirect_slashes=False, default=_unknown), answered)


def _docs(more: Sequence[Operations]) -> ASGIApp:
    from litebatch_asgi.server.docs import DocsPage

    return DocsPage(version("litebatch-asgi"), *more)


def _page(litebatch: LiteBatch, keys: KeyService | None, *, any_key: bool) -> ASGIApp:
    from litebatch_asgi.server.page import page_of

    return page_of(litebatch, keys, any_key=any_key)


def _keys_behind(authenticator: Authenticator) -> KeyService | None:
    authenticator = _inner(authenticator)
    return authenticator.keys if isinstance(authenticator, KeyAuthenticator) else None


def _inner(authenticator: Authenticator) -> Authenticator:
    return authenticator.authenticator if isinstance(authenticator, OwnerNoting) else authenticator


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
