"""Gateways that need no configuration."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.named.gateways import MASTER, NamedGateway, from_environment


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncGenerator[NamedGateway]:
    """One with the credentials of OpenAI and of Azure, which asks for no key."""
    async with from_environment(tmp_path) as gateway:
        yield gateway


@pytest.fixture
async def keyed(tmp_path: Path) -> AsyncGenerator[NamedGateway]:
    """The same with virtual keys."""
    async with from_environment(tmp_path, LITEBATCH_MASTER_KEY=MASTER) as gateway:
        yield gateway
