"""All stories, on each database."""

from __future__ import annotations

import pytest

from tests.database import BACKENDS


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    return str(request.param)
