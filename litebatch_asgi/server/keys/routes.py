"""`/key/...`, `/team/...` and `/user/...`."""

from __future__ import annotations

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from litebatch_asgi.auth import Authenticator
from litebatch_asgi.errors import PermissionDenied
from litebatch_asgi.routes.endpoint import Endpoint, Handler
from litebatch_asgi.routes.services import Services
from litebatch_asgi.server.keys.calls import for_admins
from litebatch_asgi.server.keys.key_calls import KeyCalls
from litebatch_asgi.server.keys.operations import KEY_OPERATIONS
from litebatch_asgi.server.keys.service import KeyService
from litebatch_asgi.server.keys.team_calls import TeamCalls
from litebatch_asgi.server.keys.user_calls import UserCalls

PREFIXES = ("/key/", "/team/", "/user/")
NO_MASTER_KEY = (
    "This gateway has no master key, and so no keys of its own: set general_settings.master_key in the "
    "configuration (or LITEBATCH_MASTER_KEY, if there is none)."
)


def key_routes(services: Services, authenticator: Authenticator, service: KeyService) -> list[Route]:
    """The routes, without `/v1`. They raise what `Respond` makes answers of."""
    keys, teams, users = KeyCalls(service), TeamCalls(service), UserCalls(service)

    def route(path: str, handler: Handler) -> Route:
        (method,) = KEY_OPERATIONS[path]
        return Route(path, Endpoint(services, authenticator, path, **{method.upper(): handler}))

    for_admins_only: dict[str, Handler] = {
        "/key/generate": keys.generate,
        "/key/update": keys.update,
        "/key/regenerate": keys.regenerate,
        "/key/{key}/regenerate": keys.regenerate_named,
        "/key/block": keys.block,
        "/key/unblock": keys.unblock,
        "/key/delete": keys.delete,
        "/key/list": keys.list,
        "/team/new": teams.new,
        "/team/update": teams.update,
        "/team/block": teams.block,
        "/team/unblock": teams.unblock,
        "/team/delete": teams.delete,
        "/team/info": teams.info,
        "/team/list": teams.list,
        "/user/new": users.new,
        "/user/update": users.update,
        "/user/block": users.block,
        "/user/unblock": users.unblock,
        "/user/delete": users.delete,
        "/user/info": users.info,
        "/user/list": users.list,
    }
    guarded = (route(path, for_admins(handler)) for path, handler in for_admins_only.items())
    return [route("/key/info", keys.info), *guarded]


async def no_keys(scope: Scope, receive: Receive, send: Send) -> None:
    """What stands at these paths without a master key."""
    raise PermissionDenied(NO_MASTER_KEY)
