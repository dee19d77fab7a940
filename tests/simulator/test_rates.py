"""Bodies that trickle."""

from __future__ import annotations

import asyncio
import time

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account, Fault, Simulator

from .journeys import download, jsonl, line, upload

CONTENT = jsonl(*[line(str(number)) for number in range(100)])
LARGE = b"{}\n" * 2_000_000


async def test_a_download_trickles(client: AsyncOpenAI, account: Account) -> None:
    file = await upload(client, CONTENT)
    armed = account.add_fault(Fault(call="stream_file", match=file.id, answer_rate=len(CONTENT) / 0.4))
    began = time.monotonic()
    assert await download(client, file.id) == CONTENT
    assert time.monotonic() - began > 0.3
    assert (armed.struck, await download(client, file.id)) == (1, CONTENT)


async def test_a_download_trickles_until_its_fault_is_removed(
    client: AsyncOpenAI, http: httpx2.AsyncClient, account: Account
) -> None:
    file = await upload(client, CONTENT)
    armed = account.add_fault(Fault(call="stream_file", answer_rate=20.0))
    async with http.stream("GET", f"/files/{file.id}/content") as response:
        pieces = response.aiter_raw()
        received = await anext(pieces)
        assert 0 < len(received) < 20
        account.faults.remove(armed.key)
        received += b"".join([piece async for piece in pieces])
    assert received == CONTENT


async def test_any_answer_trickles(client: AsyncOpenAI, account: Account) -> None:
    account.add_foreign_batches(1)
    account.add_fault(Fault(call="list_batches", answer_rate=2000.0))
    began = time.monotonic()
    assert len((await client.batches.list()).data) == 1
    assert time.monotonic() - began > 0.1


async def test_an_upload_trickles(client: AsyncOpenAI, account: Account) -> None:
    armed = account.add_fault(Fault(call="upload_file", request_rate=len(LARGE) / 0.4))
    began = time.monotonic()
    assert (await upload(client, LARGE)).bytes == len(LARGE)
    assert (time.monotonic() - began > 0.3, armed.struck) == (True, 1)


async def test_an_upload_trickles_until_its_fault_is_removed(
    client: AsyncOpenAI, simulator: Simulator, account: Account
) -> None:
    armed = account.add_fault(Fault(call="upload_file", request_rate=1.0, times=None))
    with pytest.raises(openai.APITimeoutError):
        await upload(client.with_options(timeout=0.1), CONTENT)
    sending = asyncio.create_task(upload(client, LARGE))
    await simulator.until(lambda: armed.struck == 2)
    assert account.files == {}
    account.faults.remove(armed.key)
    assert (await sending).bytes == len(LARGE)


async def test_what_trickles_does_not_hold_up_the_end(simulator: Simulator) -> None:
    began = time.monotonic()
    async with simulator.running() as address, httpx2.AsyncClient(verify=False) as http:
        simulator.add_fault(Fault(answer_rate=1.0))
        request = http.build_request("GET", f"{address}/v1/files", headers={"authorization": "Bearer k"})
        response = await http.send(request, stream=True)
    await response.aclose()
    assert time.monotonic() - began < 10
