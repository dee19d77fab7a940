"""A site for each test, on its own database."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from litebatch_asgi.simulator import SimulatorSettings
from tests.database import Database
from tests.harness import SWIFT
from tests.replicas.running import Site, site


@pytest.fixture
def provider_settings() -> SimulatorSettings:
    """How the provider behaves."""
    return SWIFT


@pytest.fixture
async def here(
    tmp_path: Path, database: Database, provider_settings: SimulatorSettings
) -> AsyncGenerator[Site]:
    """A simulated provider and a database, for replicas to be started on."""
    async with site(tmp_path, database.url, provider_settings) as running:
        yield running
