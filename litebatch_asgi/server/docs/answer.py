"""What answers `GET /docs`."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib import resources

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi.routes.endpoint import not_allowed
from litebatch_asgi.routes.openapi import describe
from litebatch_asgi.routes.operations import Operations
from litebatch_asgi.server.docs.page import page

STYLE = resources.files("litebatch_asgi.server.docs").joinpath("style.css").read_text(encoding="utf-8")
_STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
"""nothing is loaded and nothing runs: the page has its style sheet in itself, and no script"""


class DocsPage:
    """The API's reference, to anyone, as its description is. It is made for the first one who asks.

    `more` is what is served beside the API.
    """

    def __init__(self, version: str, *more: Operations) -> None:
        self._version = version
        self._more = more
        self._page: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer: ASGIApp
        if scope["method"] in ("GET", "HEAD"):
            self._page = self._page or page(describe(self._version, *self._more), STYLE)
            answer = HTMLResponse(self._page, headers=HEADERS)
        else:
            answer = not_allowed(scope, ("GET", "HEAD"))
        await answer(scope, receive, send)
