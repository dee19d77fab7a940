"""One route of the page: who is calling, what is answered, and what goes wrong, as a page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import urlencode

import htpy as h
from htpy import Node
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from litebatch_asgi.errors import NotFound, RequestError
from litebatch_asgi.page.addresses import address_in, local_path, root_of
from litebatch_asgi.page.context import Context
from litebatch_asgi.page.layout import document
from litebatch_asgi.page.live import stream
from litebatch_asgi.page.origin import check_origin, is_from_elsewhere
from litebatch_asgi.page.refusing import (
    not_allowed,
    page_answer,
    refusal,
    refused,
    refused_to_anyone,
    title_of,
    told,
)
from litebatch_asgi.page.section import Handler, PageRoute, Section
from litebatch_asgi.page.shown import Moved, Shown
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.threads import in_thread

_SEEN = ("GET", "HEAD")


class Open:
    """Answers one path to anyone, by method."""

    def __init__(self, **handlers: Callable[[Request], Awaitable[Response]]) -> None:
        self._handlers = dict(handlers)
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        handler = self._handlers.get(request.method)
        try:
            if handler is None:
                raise not_allowed(request, *self._handlers)
            if request.method == "POST":
                check_origin(scope)
            answer = await handler(request)
        except ClientDisconnect:
            return
        except Exception as error:
            answer = refused_to_anyone(told(error, request), request)
        if handler is None:
            answer.headers["allow"] = ", ".join(self._handlers)
        await answer(scope, receive, send)


class View:
    """Answers one path of a section."""

    def __init__(self, context: Context, section: Section, route: PageRoute) -> None:
        self._context = context
        self._section = section
        self._handlers: dict[str, Handler] = {}
        if route.get is not None:
            self._handlers |= dict.fromkeys(_SEEN, route.get)
        if route.post is not None:
            self._handlers["POST"] = route.post if route.takes_files else _with_form(route.post)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        sent = _Sent(send)
        visit: Visit | None = None
        try:
            self._check(request)
            visit = await self._context.visit(request)
            answer = sign_in_first(request) if visit is None else await self._answer(request, visit)
            await answer(scope, receive, sent)
        except ClientDisconnect:
            return
        except Exception as error:
            if sent.has_begun:
                raise
            await self._refusal(told(error, request), request, visit)(scope, receive, send)

    def _check(self, request: Request) -> None:
        """Raises `MethodNotAllowed` for a method of no page, `PermissionDenied` for another site's forms."""
        if request.method not in (*_SEEN, "POST"):
            raise not_allowed(request, *self._handlers)
        if request.method == "POST":
            check_origin(request.scope)

    async def _answer(self, request: Request, visit: Visit) -> ASGIApp:
        if self._section.for_admins and not visit.principal.is_admin:
            raise unknown(request)
        handler = self._handlers.get(request.method)
        if handler is None:
            raise not_allowed(request, *self._handlers)
        answer = await handler(visit)
        if isinstance(answer, Moved):
            return self._moved(answer, visit)
        return await self._shown(answer, handler, visit) if isinstance(answer, Shown) else answer

    async def _shown(self, shown: Shown, handler: Handler, visit: Visit) -> ASGIApp:
        scope = visit.request.scope
        if _follows(visit.request):
            return self._followed(shown, handler, visit) if shown.is_live else _nothing()
        sessions = self._context.sessions
        notice = sessions.notice_of(visit.request, visit.token)
        sections = self._context.sections(visit.principal)
        page = document(shown, visit, sections, notice)
        answer = await in_thread(partial(page_answer, page, shown.status))  # large tables take long
        if notice is not None:
            sessions.end_notice(answer, scope)
        return answer

    def _followed(self, shown: Shown, handler: Handler, visit: Visit) -> ASGIApp:
        async def render() -> str | None:
            """The page as it is now; whoever may not see it any more is told to look no longer."""
            try:
                now = await self._context.visit(visit.request)
                if now is None or (self._section.for_admins and not now.principal.is_admin):
                    return None
                answer = await handler(now)
            except RequestError:
                return None
            return _inner(answer.content) if isinstance(answer, Shown) and answer.is_live else None

        first = _inner(shown.content)
        return stream(visit.request.scope, self._context.streams, visit.principal.owner, first, render)

    def _moved(self, moved: Moved, visit: Visit) -> Response:
        """A script is told where to go: if it were sent there, it would take the notice away unseen."""
        is_script = visit.request.headers.get("x-requested-with") == "XMLHttpRequest"
        answer = RedirectResponse(visit.root + local_path(moved.path), 201 if is_script else 303)
        if moved.notice is not None:
            self._context.sessions.give_notice(answer, visit.request.scope, moved.notice, visit.token)
        return answer

    def _refusal(self, error: RequestError, request: Request, visit: Visit | None) -> Response:
        if _follows(request) and error.status < 500:
            return _nothing()
        if visit is None:
            answer = refused_to_anyone(error, request)
        else:
            shown = Shown(title=title_of(error, request), content=refusal(error, request, visit))
            answer = refused(document(shown, visit, self._context.sections(visit.principal), None), error)
        if error.status == 405:
            answer.headers["allow"] = ", ".join(self._handlers)
        return answer


class _Sent:
    """`send`, for one request."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        self.has_begun = True
        await self._send(message)


def sign_in_first(request: Request) -> Response:
    """The answer to somebody who is not known.

    A browser that follows a link of another site has left the session's cookie at home: it is asked to come
    again, from here, once.
    """
    if _follows(request):
        return _nothing()
    root = root_of(request.scope)
    here = local_path(address_in(request.scope)) if request.method in _SEEN else "/"
    if request.method == "GET" and is_from_elsewhere(request.scope):
        again = h.html(lang="en")[
            h.head[
                h.meta(charset="utf-8"),
                h.meta(http_equiv="refresh", content=f"0;url={root}{here}"),
                h.title["LiteBatch"],
            ],
            h.body[h.main[h.a(href=root + here)["Go on to LiteBatch"]]],
        ]
        return page_answer(again)
    asked = {"ended": "1"} if request.method == "POST" else {"next": here} if here != "/" else {}
    return RedirectResponse(f"{root}/sign-in{'?' if asked else ''}{urlencode(asked)}", 303)


def unknown(request: Request) -> NotFound:
    """What is told of a path that there is not."""
    return NotFound(f"There is no page at {request.scope['path'][:200]}.")


def _follows(request: Request) -> bool:
    """Whether a page that is shown already asks what has changed in it."""
    return request.method == "GET" and "text/event-stream" in request.headers.get("accept", "")


def _nothing() -> Response:
    """There is nothing to follow: a browser then asks no more. Source: the HTML standard."""
    return Response(status_code=204)


def _with_form(handler: Handler) -> Handler:
    """`Visit.form` is read before the handler runs: no handler can forget to check its token."""

    async def checked(visit: Visit) -> Shown | Moved | ASGIApp:
        await visit.form()
        return await handler(visit)

    return checked


def _inner(content: Node) -> str:
    return "".join(h.fragment[content].iter_chunks())
