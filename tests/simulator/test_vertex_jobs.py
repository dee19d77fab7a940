"""Batch prediction jobs: what they look like on their way, and what they leave behind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from litebatch_asgi.simulator import Account

from .vertex import TEN, finished, output, vertex_http


@pytest.fixture
def account(account: Account) -> Account:
    account.configure(flavour="vertex")
    return account


@pytest.fixture
async def http(address: str, account: Account) -> AsyncIterator[httpx2.AsyncClient]:
    async with vertex_http(address, account) as http:
        yield http


async def test_a_journey(http: httpx2.AsyncClient, account: Account) -> None:
    ended = await finished(http, account, TEN)
    assert ended["state"] == "JOB_STATE_SUCCEEDED"
    rows = await output(http, ended)
    assert {row["custom_id"] for row in rows} == {f"r{number}" for number in range(10)}
