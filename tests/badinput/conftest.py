"""One gateway for all bad input of a module: whatever it was sent, it must go on serving."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.badinput.probe import Probe, probing


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def probe(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Probe]:
    """What sends bad input to a standalone gateway, and sees that nothing comes of it."""
    async with probing(tmp_path_factory.mktemp("gateway")) as probe:
        yield probe
