"""The simulated accounts, for a test."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.database import Database
from tests.translated.deployed import TRANSLATED
from tests.translated.stage import Stage, staged


@pytest.fixture
async def stage(tmp_path: Path, database: Database) -> AsyncGenerator[Stage]:
    async with staged(tmp_path, database) as stage:
        yield stage


@pytest.fixture(params=TRANSLATED)
def name(request: pytest.FixtureRequest) -> str:
    """A deployment that does not speak OpenAI."""
    return str(request.param)
