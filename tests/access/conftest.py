"""One gateway for all tests of a module, on each database."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.access.standalone import Standalone, standalone
from tests.access.worlds import WORLDS, World
from tests.database import BACKENDS, database_on, pairs_with


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=BACKENDS)
async def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Standalone]:
    """A standalone gateway, whose batches end by themselves."""
    folder = tmp_path_factory.mktemp("gateway")
    async with database_on(request.param, folder) as database, standalone(folder, database) as gateway:
        yield gateway


@pytest.fixture(scope="module", params=pairs_with(WORLDS))
async def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[World]:
    """A gateway with every kind of caller, whose batches end when they are let go on."""
    name, backend = request.param
    folder = tmp_path_factory.mktemp("world")
    async with database_on(backend, folder) as database, WORLDS[name](folder, database) as world:
        yield world
