"""Creates that come again, on each database, mounted and behind the middleware."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from litebatch_asgi import LiteBatchMiddleware
from tests.database import BACKENDS
from tests.harness import InProcess
from tests.http.sockets import served


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    return str(request.param)


@pytest.fixture(params=["mounted", "middleware"])
def app(request: pytest.FixtureRequest, gateway: InProcess) -> ASGIApp:
    """The gateway as hosts have it, below `/v1`."""
    if request.param == "mounted":
        return Starlette(routes=[Mount("/v1", gateway.litebatch.app)])
    return LiteBatchMiddleware(Starlette(), litebatch=gateway.litebatch)


@pytest.fixture
async def address(app: ASGIApp) -> AsyncGenerator[str]:
    """The same app on a socket."""
    async with served(app) as address:
        yield address
