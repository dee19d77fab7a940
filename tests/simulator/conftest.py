"""A running simulator, and the stock client in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account, Simulator, SimulatorSettings

from .journeys import plain_http, stock_client

QUICK = SimulatorSettings(
    validating_seconds=0.0, running_seconds=0.01, finalizing_seconds=0.0, cancelling_seconds=0.01
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def simulator() -> Simulator:
    return Simulator(settings=QUICK)


@pytest.fixture
async def address(simulator: Simulator) -> AsyncIterator[str]:
    async with simulator.running() as address:
        yield address


@pytest.fixture
def account(simulator: Simulator) -> Account:
    return simulator.account("east")


@pytest.fixture
async def client(address: str) -> AsyncIterator[AsyncOpenAI]:
    """The stock client of the account `east`, which does not retry."""
    async with stock_client(address) as client:
        yield client


@pytest.fixture
async def http(address: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Plain HTTP to the account `east`."""
    headers = {"authorization": "Bearer key-east"}
    async with plain_http(base_url=f"{address}/east/v1", headers=headers) as client:
        yield client
