"""A simulated provider that the environment names, as a caller's own does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

import pytest
from blockbuster import blockbuster_ctx

from litebatch_asgi.simulator import Simulator
from tests.harness import SWIFT

VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_ORGANIZATION", "AZURE_API_KEY")


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Generator[None]:
    """Every test here fails if a function blocks the event loop, unless it is there to do so."""
    meant_to = ["litebatch_asgi.sdk.content", "litebatch_asgi.sdk.synchronous"]
    with blockbuster_ctx("litebatch_asgi.sdk", excluded_modules=meant_to):
        yield


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def simulator() -> Simulator:
    return Simulator(settings=SWIFT)


@pytest.fixture
async def address(
    simulator: Simulator, bare_environment: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[str]:
    """Where it listens. The environment names it as OpenAI."""
    async with simulator.running() as address:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{address}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-simulated")
        yield address
