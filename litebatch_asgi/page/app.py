"""The page as an ASGI app."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from litebatch_asgi.auth import Authenticator
from litebatch_asgi.page.addresses import path_in, root_of
from litebatch_asgi.page.batches import batches_section
from litebatch_asgi.page.context import Context
from litebatch_asgi.page.deployments import deployments_section
from litebatch_asgi.page.files import files_section
from litebatch_asgi.page.origin import Guarded
from litebatch_asgi.page.routing import Open, View, unknown
from litebatch_asgi.page.section import PageRoute, Section
from litebatch_asgi.page.signing_in import SigningIn
from litebatch_asgi.page.spend import spend_section
from litebatch_asgi.page.static import asset
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.page.webhooks import webhooks_section
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
        self.sections: Sequence[Section] = every
        context = Context(services, authenticator, every, secret=secret, any_key=any_key)
        signing_in = SigningIn(context)
        routes = [
            Route("/", Open(GET=_home)),
            Route("/sign-in", Open(GET=signing_in.show, POST=signing_in.begin)),
            Route("/sign-out", Open(POST=signing_in.end)),
            Route("/static/{name}", Open(GET=asset)),
            *(
                Route(route.path, View(context, section, route))
                for section in every
                for route in section.routes
            ),
        ]
        nowhere = View(context, _NOWHERE, PageRoute(path="", get=_unknown, post=_unknown))
        router = Router(routes, redirect_slashes=False, default=_only_http(nowhere))
        self._app = Respond(Guarded(_AtItsRoot(router)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)


class _AtItsRoot:
    """Middleware that hands on what is asked for below the place that the page is mounted at, as a path.

    At the place itself the browser would leave the cookies out, which are for what is below it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app for one request."""
        path = path_in(scope)
        if not path and scope["type"] == "http":
            app: ASGIApp = RedirectResponse(f"{root_of(scope)}/", 307)
        else:
            app = self._app
        await app({**scope, "path": scope.get("root_path", "").rstrip("/") + path}, receive, send)


def own_sections() -> Sequence[Section]:
    """What every page has."""
    return (batches_section(), files_section(), deployments_section(), spend_section(), webhooks_section())


_NOWHERE = Section(title="", path="", routes=())


async def _home(request: Request) -> Response:
    return RedirectResponse(f"{root_of(request.scope)}/batches", 303)


async def _unknown(visit: Visit) -> ASGIApp:
    raise unknown(visit.request)


def _only_http(app: ASGIApp) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await (WebSocketClose() if scope["type"] == "websocket" else app)(scope, receive, send)

    return answer
