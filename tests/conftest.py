"""Fixtures that all tests share."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from litebatch_asgi.simulator import Simulator, SimulatorSettings
from tests.harness import InProcess, running_gateway


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncGenerator[InProcess]:
    """A gateway over two simulated deployments, all on real sockets, with SQLite in a real file."""
    async with running_gateway(tmp_path) as running:
        yield running


@pytest.fixture
async def held_gateway(tmp_path: Path) -> AsyncGenerator[InProcess]:
    """The same, with batches that stay in progress until the simulator is told to let them go on."""
    settings = SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"}))
    async with running_gateway(tmp_path, simulator=Simulator(settings=settings)) as running:
        yield running
