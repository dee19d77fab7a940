"""All stories, on either database."""

from __future__ import annotations

from typing import Any

import pytest

from litebatch_asgi import engine
from litebatch_asgi.live import LiveRunner
from tests.database import BACKENDS


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    return str(request.param)


@pytest.fixture
def runners(monkeypatch: pytest.MonkeyPatch) -> list[LiveRunner]:
    """The runners of the gateways that start in a test, in the order in which they do."""
    started: list[LiveRunner] = []

    def remembered(*args: Any) -> LiveRunner:
        started.append(LiveRunner(*args))
        return started[-1]

    monkeypatch.setattr(engine, "LiveRunner", remembered)
    return started
