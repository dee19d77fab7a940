"""Providers that requests name, in paths such as `/azure/v1/batches` as well."""

from __future__ import annotations

import re

from starlette.requests import HTTPConnection
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi import plugins, wire
from litebatch_asgi.models.variables import USUAL_VARIABLES

PROVIDER = "litebatch_asgi.provider"
"""the key in a scope of the provider that the path names"""
_HEADER = wire.PROVIDER_HEADER.lower().encode()
_PATH = re.compile(r"(/([a-z][a-z0-9_-]*)(?:/v1)?)/(?:files|batches)(?:/.*)?")


def provider_namings(request: HTTPConnection) -> list[wire.Naming]:
    """Where a request names a provider, its body aside."""
    scope = request.scope
    if not scope["query_string"] and PROVIDER not in scope and not _has_header(scope):
        return []  # most do not, and then nothing has to be parsed
    return wire.namings(
        request.scope.get(PROVIDER),
        request.headers.get(wire.PROVIDER_HEADER),
        request.query_params.multi_items(),
    )


def _has_header(scope: Scope) -> bool:
    return any(name == _HEADER for name, _ in scope["headers"])


def named_provider(request: HTTPConnection) -> str | None:
    """The provider that a request without a body names. Raises `InvalidRequest` if these are two."""
    return wire.named_provider(provider_namings(request))


class ProviderPaths:
    """What comes last in a router: a path with a provider before it is that path, and the provider is named.

    Source: LiteLLM's OpenAPI document, `/{provider}/v1/files` and the like; without `/v1` as all other paths.
    Nothing that the router has itself comes here, and no first segment that is no provider's name.
    """

    def __init__(self, unknown: ASGIApp) -> None:
        self._unknown = unknown
        self.router: Router | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        onward = self._unknown
        if scope["type"] == "http" and PROVIDER not in scope and self.router is not None:
            root: str = scope.get("root_path", "")
            found = _PATH.fullmatch(scope["path"].removeprefix(root))
            if found is not None and is_provider(found[2]):
                scope["root_path"], scope[PROVIDER] = root + found[1], found[2]
                onward = self.router
        await onward(scope, receive, send)


def is_provider(name: str) -> bool:
    """Whether a provider is called so, whether or not the gateway has its credentials."""
    return name in USUAL_VARIABLES or name in plugins.offered(plugins.PROVIDERS)
