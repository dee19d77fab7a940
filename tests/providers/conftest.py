"""Every test here fails if an adapter blocks the event loop."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from blockbuster import blockbuster_ctx


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Generator[None]:
    with blockbuster_ctx("litebatch_asgi.providers"):
        yield
