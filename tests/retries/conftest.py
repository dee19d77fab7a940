"""Creates that come again, on each database, mounted and behind the middleware."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from litebatch_asgi import LiteBatchMiddleware
from tests.database import pairs_with
from tests.harness import InProcess
from tests.http.sockets import served


@pytest.fixture(params=pairs_with(["mounted", "middleware"]))
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    """How the gateway is reached, and its kind of database."""
    kind, backend = request.param
    return kind, backend


@pytest.fixture
def backend(pair: tuple[str, str]) -> str:
    """The kind of database."""
    return pair[1]


@pytest.fixture
def app(pair: tuple[str, str], gateway: InProcess) -> ASGIApp:
    """The gateway as hosts have it, below `/v1`."""
    if pair[0] == "mounted":
        return Starlette(routes=[Mount("/v1", gateway.litebatch.app)])
    return LiteBatchMiddleware(Starlette(), litebatch=gateway.litebatch)


@pytest.fixture
async def address(app: ASGIApp) -> AsyncGenerator[str]:
    """The same app on a socket."""
    async with served(app) as address:
        yield address
