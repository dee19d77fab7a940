"""Addresses within the page, of what a request or a form has said. Pure.

Nothing that is made of them leads to another site, or out of where the page is mounted.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from starlette.types import Scope

_IN_PATH = "/:@!$&'()*+,=~"
"""what stands in a path as it is. Source: RFC 3986, section 3.3; `;` would end the path of a cookie"""
_LONGEST = 2048
_NO_PLACE_TO_BE = ("/sign-in", "/sign-out")


def root_of(scope: Scope) -> str:
    """The path that the page is mounted at, as it is written in addresses; no slash is at its end."""
    root = quote(_root(scope).strip("/"), safe=_IN_PATH)
    return f"/{root}" if root else ""


def path_in(scope: Scope) -> str:
    """The path of a request within the page, decoded; empty at the very place that it is mounted at."""
    path: str = scope["path"]
    root = _root(scope)
    # A proxy has taken its prefix off: servers put it before the path again, some hosts tell it alone.
    inner = root.removeprefix(scope.get("app_root_path", ""))
    for prefix in (root, inner):
        if path == prefix or path.startswith(f"{prefix}/"):
            return path[len(prefix) :]
    return path


def address_in(scope: Scope) -> str:
    """What a request has asked for, within the page, with its query, as it is written in addresses."""
    query = quote(scope["query_string"].decode("latin-1"), safe=f"{_IN_PATH}?%;")
    return quote(path_in(scope), safe=_IN_PATH) + (f"?{query}" if query else "")


def local_path(address: str | None) -> str:
    """Where to go on, within the page, whatever the address said: in doubt to the beginning."""
    if address is None or not address.startswith("/") or not address.isprintable() or "\\" in address:
        return "/"
    path = address.partition("#")[0].partition("?")[0]
    # Browsers take `%2e` for a dot, and go up.
    goes_up = any(unquote(part) in (".", "..") for part in path.split("/"))
    if goes_up or path.startswith("//") or path in _NO_PLACE_TO_BE or len(address) > _LONGEST:
        return "/"
    return address


def cookie_path(root: str) -> str:
    """The path that cookies of the page are sent to."""
    return f"{root}/"


def _root(scope: Scope) -> str:
    root: str = scope.get("root_path", "")
    return root.rstrip("/")
