"""One gateway for all bad input of a module: whatever it was sent, it goes on serving.

Most of it never comes near the database, so that PostgreSQL's turn is in the long matrix.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.badinput.probe import Probe, probing
from tests.database import database_on


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
async def probe(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Probe]:
    """What sends bad input to a standalone gateway, and sees that nothing comes of it."""
    folder = tmp_path_factory.mktemp("gateway")
    async with database_on(request.param, folder) as database, probing(folder, database) as probe:
        yield probe
