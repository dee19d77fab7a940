"""One gateway for all tests of a module."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.access.standalone import Standalone, standalone
from tests.database import SQLiteDatabase


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Standalone]:
    """A standalone gateway with a master key, whose batches end by themselves."""
    folder = tmp_path_factory.mktemp("page")
    async with standalone(folder, SQLiteDatabase.migrated(folder)) as gateway:
        yield gateway
