"""Whether a request that changes something comes from the page itself, as the browser says."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

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
        is_own = origin is None or urlsplit(origin).netloc == headers.get("host")
    if not is_own:
        raise PermissionDenied(
            "Another site has sent this form. Open the page itself, and repeat what you want to do there."
        )


def is_from_elsewhere(scope: Scope) -> bool:
    """Whether a link on another site leads here: then the browser leaves our cookies out."""
    return Headers(scope=scope).get("sec-fetch-site") == "cross-site"


def local_path(path: str | None) -> str:
    """Where to go on after signing in: within the page, whatever the address said."""
    if path is None or not path.startswith("/") or path.startswith("//") or "\\" in path:
        return "/"
    return path if path.isprintable() and not urlsplit(path).netloc else "/"
