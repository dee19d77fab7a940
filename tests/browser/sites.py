"""Pages of the tests' own, over a real socket."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from litebatch_asgi.server.listen import address_of, listen, serving


@asynccontextmanager
async def site(pages: Mapping[str, str], *, policy: str | None = None) -> AsyncGenerator[str]:
    """The address of a server of `pages`, which are the bodies by path; anything else is a 404.

    `policy` is their Content-Security-Policy.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = pages.get(Request(scope).url.path)
        if body is None:
            await Response(status_code=404)(scope, receive, send)
            return
        html = f"<!doctype html><html lang=en><title>A page</title><main><h1>A page</h1>{body}</main></html>"
        headers = {"content-security-policy": policy} if policy else None
        await HTMLResponse(html, headers=headers)(scope, receive, send)

    listener = listen("127.0.0.1", 0)
    async with serving(app, listener):
        yield address_of(listener)
