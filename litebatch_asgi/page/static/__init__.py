"""The page's own style sheet, script and icon."""

from __future__ import annotations

from hashlib import sha256
from importlib import resources

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from litebatch_asgi.errors import NotFound


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """A file that never changes under its name."""

    name: str
    content: bytes
    media_type: str


def _asset(file: str, media_type: str) -> Asset:
    content = resources.files("litebatch_asgi.page.static").joinpath(file).read_bytes()
    stem, _, suffix = file.partition(".")
    digest = sha256(content).hexdigest()[:12]
    return Asset(name=f"{stem}-{digest}.{suffix}", content=content, media_type=media_type)


STYLE: Asset = _asset("style.css", "text/css")
SCRIPT: Asset = _asset("page.js", "text/javascript")
ICON: Asset = _asset("icon.svg", "image/svg+xml")
_ASSETS = {STYLE.name: STYLE, SCRIPT.name: SCRIPT, ICON.name: ICON}
_KEPT = {"cache-control": "public, max-age=31536000, immutable"}


async def asset(request: Request) -> Response:
    """Answer `GET /static/{name}`. Raises `NotFound`."""
    found = _ASSETS.get(request.path_params["name"])
    if found is None:
        raise NotFound(f"There is no file at {request.scope['path'][:200]}.")
    return Response(found.content, media_type=found.media_type, headers=_KEPT)
