"""Where things come from: what browsers are told to load, and whether the page itself has sent a request."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from litebatch_asgi.errors import PermissionDenied

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""of every answer: nothing of other sites is loaded, and no script or style runs that stands in a page"""


class Guarded:
    """Middleware that gives every answer these headers; one that it has already stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app for one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def check_origin(scope: Scope) -> None:
    """Raises `PermissionDenied` for a request that another site has made.

    Browsers send `Sec-Fetch-Site`, older ones `Origin`; programs send neither, and have no cookies of others.
    Source: the Fetch standard, "Origin header", and Fetch Metadata Request Headers.
    """
    headers = Headers(scope=scope)
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site is not None:
        is_own = site in ("same-origin", "none")
    else:
        is_own = origin is None or _host_of(origin) == headers.get("host", "").lower()
    if not is_own:
        raise PermissionDenied(
            "Another site has sent this form. Open the page itself, and repeat what you want to do there."
        )


def is_from_elsewhere(scope: Scope) -> bool:
    """Whether a link on another site leads here: then the browser leaves our cookies out."""
    return Headers(scope=scope).get("sec-fetch-site") == "cross-site"


def _host_of(origin: str) -> str | None:
    """Host and port; None: an origin that tells none, such as `null`."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
