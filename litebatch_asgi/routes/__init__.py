"""HTTP: requests to the services, and what comes of them back."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from litebatch_asgi.auth import Authenticator
from litebatch_asgi.errors import NotFound
from litebatch_asgi.routes.batches import BatchRoutes
from litebatch_asgi.routes.endpoint import Endpoint, Handler
from litebatch_asgi.routes.files import FileRoutes
from litebatch_asgi.routes.models import ModelRoutes
from litebatch_asgi.routes.openapi import Description
from litebatch_asgi.routes.providers import ProviderPaths
from litebatch_asgi.routes.respond import Answered as Answered
from litebatch_asgi.routes.respond import Respond as Respond
from litebatch_asgi.routes.respond import error_answer as error_answer
from litebatch_asgi.routes.services import Services as Services
from litebatch_asgi.routes.spend import SpendRoutes
from litebatch_asgi.routes.uploads import UploadRoutes
from litebatch_asgi.routes.webhooks import WebhookRoutes


def build_routes(services: Services, authenticator: Authenticator) -> list[Route]:
    """The routes of the API, without `/v1`. They raise what `Respond` makes answers of."""
    files, uploads = FileRoutes(services), UploadRoutes(services)
    batches, models = BatchRoutes(services), ModelRoutes(services)
    spend = SpendRoutes(services)
    webhooks = WebhookRoutes(services)

    def route(path: str, **handlers: Handler) -> Route:
        return Route(path, Endpoint(services, authenticator, path, **handlers), name=path)

    return [
        route("/batches/dry_run", POST=batches.dry_run),
        route("/batches/{id}", GET=batches.retrieve),
        route("/batches/{id}/cancel", POST=batches.cancel),
        route("/batches/{id}/retry", POST=batches.retry),
        route("/batches/{id}/events", GET=batches.events),
        route("/batches", GET=batches.list, POST=batches.create),
        route("/files/{id}", GET=files.retrieve, DELETE=files.delete),
        route("/files/{id}/content", GET=files.content),
        route("/files", GET=files.list, POST=files.create),
        route("/uploads", POST=uploads.create),
        route("/uploads/{id}/parts", POST=uploads.add_part),
        route("/uploads/{id}/complete", POST=uploads.complete),
        route("/uploads/{id}/cancel", POST=uploads.cancel),
        route("/models", GET=models.list),
        route("/models/{id:path}", GET=models.retrieve),
        route("/model_group/info", GET=models.groups),
        route("/spend/batches", GET=spend.batches),
        route("/webhook_endpoints", GET=webhooks.list, POST=webhooks.create),
        route(
            "/webhook_endpoints/{id}",
            GET=webhooks.retrieve,
            POST=webhooks.update,
            DELETE=webhooks.delete,
        ),
        route("/webhook_endpoints/{id}/rotate_secret", POST=webhooks.rotate_secret),
        route("/webhook_endpoints/{id}/test", POST=webhooks.test),
        route("/webhook_event_types", GET=webhooks.event_types),
    ]


def build_app(
    services: Services, authenticator: Authenticator, *, lifespan: Lifespan[Any] | None = None
) -> ASGIApp:
    """The API as an ASGI app: every answer in OpenAI's shape, with its `x-request-id`.

    At `/openapi.json` it describes itself, to anyone. `lifespan` is entered when a server runs the app by
    itself.
    """
    description = Route("/openapi.json", Description(version("litebatch-asgi")))
    routes = [*build_routes(services, authenticator), description]
    last = ProviderPaths(_no_such_path)
    last.router = router = Router(routes, redirect_slashes=False, default=last, lifespan=lifespan)
    return Respond(router, counting(services))


def counting(services: Services) -> Answered:
    """Has answers counted, by what they are answers to."""

    def answered(scope: Scope, status: int) -> None:
        endpoint = scope.get("endpoint")
        path = endpoint.path if isinstance(endpoint, Endpoint) else None
        services.metrics.request_answered(path, scope["method"], status)

    return answered


async def _no_such_path(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await WebSocketClose()(scope, receive, send)
        return
    raise NotFound(f"Invalid URL ({scope['method']} {scope['path'][:200]})")
