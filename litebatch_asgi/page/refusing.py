"""What is shown of an error."""

from __future__ import annotations

import logging
import math

import htpy as h
from htpy import Element, Node
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from litebatch_asgi.errors import InternalError, MethodNotAllowed, RequestError, RequestTimeout
from litebatch_asgi.page.addresses import root_of
from litebatch_asgi.page.layout import bare
from litebatch_asgi.page.parts import heading, visible
from litebatch_asgi.page.visit import Visit

logger: logging.Logger = logging.getLogger("litebatch_asgi.page")


def page_answer(page: Element, status: int = 200) -> Response:
    """A whole page as an answer."""
    return HTMLResponse(str(page), status)


def refused(page: Element, error: RequestError) -> Response:
    """The answer that shows an error."""
    answer = page_answer(page, error.status)
    if error.retry_after is not None:
        answer.headers["retry-after"] = str(math.ceil(error.retry_after))
    if isinstance(error, RequestTimeout):
        answer.headers["connection"] = "close"  # RFC 9110, section 15.5.9: the rest is not waited for
    return answer


def refused_to_anyone(error: RequestError, request: Request) -> Response:
    """The same for somebody who is not known."""
    root = root_of(request.scope)
    back = h.p[h.a(href=f"{root}/")["Go to LiteBatch"]]
    content = h.main("#content")[refusal(error, request), back]
    return refused(bare(title_of(error, request), root, content), error)


def refusal(error: RequestError, request: Request, visit: Visit | None = None) -> Node:
    """What went wrong, and for somebody who has signed in a way on."""
    back = h.p[h.a(href=visit.url("/"))["Go to the batches"]] if visit is not None else None
    return [heading(title_of(error, request)), h.p(role="alert")[visible(error.message)], back]


def title_of(error: RequestError, request: Request) -> str:
    """In a few words."""
    if error.status == 404:
        return "Not found"
    return "This cannot be shown" if request.method in ("GET", "HEAD") else "This was not done"


def told(error: Exception, request: Request) -> RequestError:
    """What somebody is told of an error; what nobody foresaw goes to the log."""
    if isinstance(error, RequestError):
        return error
    logger.error("%s %r failed", request.method, request.scope["path"][:200], exc_info=error)
    return InternalError("The gateway failed on this request; its log tells why.")


def not_allowed(request: Request, *allowed: str) -> MethodNotAllowed:
    """What a path refuses that has these methods alone."""
    if request.method in ("GET", "HEAD"):
        return MethodNotAllowed("This address takes what a form sends, and has nothing to show.")
    return MethodNotAllowed(f"{request.method} is not allowed here, only {', '.join(allowed)}.")
