"""What most tests of the middleware start from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from tests.middleware.stage import Front, running_front


@pytest.fixture
async def front(tmp_path: Path) -> AsyncGenerator[Front]:
    """A recorder behind a running LiteBatch that knows every bearer token."""
    async with running_front(tmp_path) as front:
        yield front


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[None]:
    with blockbuster_ctx("litebatch_asgi.middleware"):
        yield
