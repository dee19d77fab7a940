"""The page as an ASGI app."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from litebatch_asgi.auth import Authenticator
from litebatch_asgi.errors import NotFound
from litebatch_asgi.page.batches import batches_section
from litebatch_asgi.page.context import Context, root_of
from litebatch_asgi.page.origin import HEADERS
from litebatch_asgi.page.routing import View
from litebatch_asgi.page.section import PageRoute, Section
from litebatch_asgi.page.signing_in import SigningIn
from litebatch_asgi.page.static import asset
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.routes.respond import Respond
from litebatch_asgi.routes.services import Services


class Page:
    """The web page; mount it anywhere, and not where untrusted pages have the same origin.

    Args:
        services: a `LiteBatch`.
        authenticator: says whom a key stands for, and who comes with a cookie or header of the host's own.
        sections: what is in the navigation behind what every page has.
        secret: what cookies are encrypted and signed with, the same in all processes; None: a random one.
        any_key: whether the authenticator takes every key.

    """

    def __init__(
        self,
        services: Services,
        authenticator: Authenticator,
        *,
        sections: Sequence[Section] = (),
        secret: str | None = None,
        any_key: bool = False,
    ) -> None:
        every = (*own_sections(), *sections)
        context = Context(services, authenticator, every, secret=secret, any_key=any_key)
        signing_in = SigningIn(context)
        routes = [
            Route("/", _home, methods=["GET"]),
            Route("/sign-in", signing_in.sign_in, methods=["GET", "POST"]),
            Route("/sign-out", signing_in.sign_out, methods=["GET", "POST"]),
            Route("/static/{name}", asset, methods=["GET"]),
            *(
                Route(route.path, View(context, section, route))
                for section in every
                for route in section.routes
            ),
        ]
        unknown = View(context, _NOWHERE, PageRoute(path="", get=_unknown, post=_unknown))
        self._app = Respond(Router(routes, redirect_slashes=False, default=_only_http(unknown)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)


def own_sections() -> Sequence[Section]:
    """What every page has."""
    return (batches_section(),)


_NOWHERE = Section(title="", path="", routes=())


async def _home(request: Request) -> Response:
    return RedirectResponse(f"{root_of(request.scope)}/batches", 303, HEADERS)


async def _unknown(visit: Visit) -> ASGIApp:
    raise NotFound(f"There is no page at {visit.request.url.path[:200]}.")


def _only_http(app: ASGIApp) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await (WebSocketClose() if scope["type"] == "websocket" else app)(scope, receive, send)

    return answer
