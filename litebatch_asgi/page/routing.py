"""One route of the page: who is calling, what is answered, and what goes wrong, as a page."""

from __future__ import annotations

import logging
import math
from urllib.parse import urlencode

import htpy as h
from htpy import Node
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi.errors import InternalError, MethodNotAllowed, NotFound, RequestError
from litebatch_asgi.page.context import Context, root_of
from litebatch_asgi.page.layout import bare, document
from litebatch_asgi.page.live import stream
from litebatch_asgi.page.origin import HEADERS, check_origin, is_from_elsewhere, local_path
from litebatch_asgi.page.parts import heading
from litebatch_asgi.page.section import Handler, PageRoute, Section
from litebatch_asgi.page.shown import Moved, Shown
from litebatch_asgi.page.visit import Visit

logger: logging.Logger = logging.getLogger("litebatch_asgi.page")


class View:
    """Answers one path of a section."""

    def __init__(self, context: Context, section: Section, route: PageRoute) -> None:
        self._context = context
        self._section = section
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> ASGIApp:
        context = self._context
        visit: Visit | None = None
        try:
            handler = self._handler(request)
            visit = await context.visit(request)
            if visit is None:
                return sign_in_first(request)
            if self._section.for_admins and not visit.principal.is_admin:
                raise _unknown(request)
            answer = await handler(visit)
        except RequestError as error:
            return self._refusal(error, request, visit)
        except ClientDisconnect:
            raise
        except Exception:
            logger.exception("%s %r failed", request.method, request.url.path[:200])
            told = InternalError("The gateway failed on this request; its log tells why.")
            return self._refusal(told, request, visit)
        if isinstance(answer, Moved):
            return self._moved(answer, visit)
        return self._shown(answer, handler, visit) if isinstance(answer, Shown) else answer

    def _handler(self, request: Request) -> Handler:
        """Raises `MethodNotAllowed`, and `PermissionDenied` for what another site sends."""
        handler = self._route.get if request.method in ("GET", "HEAD") else None
        if request.method == "POST" and self._route.post is not None:
            check_origin(request.scope)
            return self._route.post if self._route.takes_files else _with_form(self._route.post)
        if handler is None:
            raise MethodNotAllowed(f"{request.method} is not allowed here.")
        return handler

    def _shown(self, shown: Shown, handler: Handler, visit: Visit) -> Response:
        if "text/event-stream" in visit.request.headers.get("accept", ""):
            if not shown.is_live:
                return Response(status_code=204, headers=HEADERS)
            return self._followed(shown, handler, visit)
        sessions = self._context.sessions
        notice = sessions.notice_of(visit.request)
        sections = self._context.sections(visit.principal)
        answer = page_answer(document(shown, visit, sections, notice), shown.status)
        if notice is not None:
            sessions.end_notice(answer, cookie_path(visit.root))
        return answer

    def _followed(self, shown: Shown, handler: Handler, visit: Visit) -> Response:
        async def render() -> str | None:
            """The page as it is now; whoever may not see it any more is told to look no longer."""
            try:
                now = await self._context.visit(visit.request)
                answer = await handler(now) if now is not None else None
            except RequestError:
                return None
            return _inner(answer.content) if isinstance(answer, Shown) and answer.is_live else None

        first = _inner(shown.content)
        return stream(visit.request.scope, self._context.streams, visit.principal.owner, first, render)

    def _moved(self, moved: Moved, visit: Visit) -> Response:
        answer = RedirectResponse(visit.root + moved.path, 303, HEADERS)
        if moved.notice is not None:
            path = cookie_path(visit.root)
            self._context.sessions.give_notice(answer, visit.request.scope, path, moved.notice)
        return answer

    def _refusal(self, error: RequestError, request: Request, visit: Visit | None) -> Response:
        content = refusal(error, visit)
        title = "Not found" if error.status == 404 else "Not done"
        if visit is None:
            return refused(bare(title, root_of(request.scope), h.main("#content")[content]), error)
        shown = Shown(title=title, content=content)
        return refused(document(shown, visit, self._context.sections(visit.principal), None), error)


def refusal(error: RequestError, visit: Visit | None) -> Node:
    """What is shown of an error."""
    back = h.p[h.a(href=visit.url("/"))["Go to the batches"]] if visit is not None else None
    return [
        heading("Not found" if error.status == 404 else "This was not done"),
        h.p(role="alert")[error.message],
        back,
    ]


def refused(page: h.Element, error: RequestError) -> Response:
    """The answer that shows an error."""
    answer = page_answer(page, error.status)
    if error.retry_after is not None:
        answer.headers["retry-after"] = str(math.ceil(error.retry_after))
    return answer


def page_answer(page: h.Element, status: int = 200) -> Response:
    """A whole page as an answer."""
    return HTMLResponse(str(page), status, HEADERS)


def sign_in_first(request: Request) -> Response:
    """The answer to somebody who is not known.

    A browser that follows a link of another site has left the session's cookie at home: it is asked to come
    again, from here, once.
    """
    root = root_of(request.scope)
    query = f"?{request.url.query}" if request.url.query else ""
    here = local_path(request.url.path.removeprefix(root) + query)
    if "text/event-stream" in request.headers.get("accept", ""):
        return Response(status_code=204, headers=HEADERS)
    if request.method == "GET" and is_from_elsewhere(request.scope):
        again = h.html(lang="en")[
            h.head[h.meta(http_equiv="refresh", content=f"0;url={root}{here}"), h.title["LiteBatch"]],
            h.body[h.a(href=root + here)["Go on"]],
        ]
        return page_answer(again)
    query = urlencode({"next": here}) if request.method == "GET" and here != "/" else ""
    return RedirectResponse(f"{root}/sign-in{'?' if query else ''}{query}", 303, HEADERS)


def cookie_path(root: str) -> str:
    """The path that cookies of the page are sent to."""
    return f"{root}/"


def _with_form(handler: Handler) -> Handler:
    """`Visit.form` is read before the handler runs: no handler can forget to check its token."""

    async def checked(visit: Visit) -> Shown | Moved | ASGIApp:
        await visit.form()
        return await handler(visit)

    return checked


def _inner(content: Node) -> str:
    return "".join(h.fragment[content].iter_chunks())


def _unknown(request: Request) -> NotFound:
    return NotFound(f"Invalid URL ({request.method} {request.url.path[:200]})")
