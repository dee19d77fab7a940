"""Ten thousand batches in one account, and more."""

from __future__ import annotations

import time

import httpx2
import pytest
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account, Simulator

from .journeys import counts, download, finished, jsonl, line, plain_http, rows, submit, upload

MANY, FEW = 10_000, 100
CONTENT = jsonl(line("a"), line("b"))


async def cheapest(http: httpx2.AsyncClient, *paths: str) -> list[float]:
    """Processor seconds of a call of each path, the cheapest of many, by turns: load is then fair to all."""
    seconds: list[list[float]] = [[] for _ in paths]
    for _ in range(40):
        for path, spent in zip(paths, seconds, strict=True):
            began = time.process_time()
            (await http.get(path)).raise_for_status()
            spent.append(time.process_time() - began)
    return [min(spent) for spent in seconds]


async def test_a_page_costs_the_same_however_many_there_are(
    address: str, simulator: Simulator, account: Account
) -> None:
    simulator.account("few").add_foreign_batches(FEW)
    middle = account.add_foreign_batches(2 * MANY)[MANY].id
    headers = {"authorization": "Bearer k"}
    async with plain_http(base_url=address, headers=headers) as http:
        few, first, second, single = await cheapest(
            http,
            f"/few/v1/batches?limit={FEW}",
            f"/east/v1/batches?limit={FEW}",
            f"/east/v1/batches?limit={FEW}&after={middle}",
            f"/east/v1/batches/{middle}",
        )
    assert max(first, second, single) < 3 * few


async def test_running_batches_are_added_for_given_metadata(client: AsyncOpenAI, account: Account) -> None:
    account.configure(hold=["in_progress"])
    file = await upload(client, CONTENT)
    before = await submit(client, CONTENT)
    added = await account.add_running_batches(file.id, [{"job": "j-1"}, {"job": "j-2"}, None])
    listed = [each async for each in client.batches.list()]
    assert [each.id for each in listed] == [each.id for each in added[::-1]] + [before.id]
    assert [each.metadata for each in listed[:3]] == [None, {"job": "j-2"}, {"job": "j-1"}]
    for each in listed[:3]:
        assert (each.status, each.model, each.input_file_id) == ("in_progress", "gpt-4o-mini", file.id)
        assert counts(each) == (2, 1, 0)


async def test_running_batches_go_on_as_others_do(client: AsyncOpenAI, account: Account) -> None:
    account.configure(hold=["in_progress"])
    file = await upload(client, CONTENT)
    ended, cancelled, expired = await account.add_running_batches(file.id, [None] * 3)
    assert await account.delete_file(file.id)
    await client.batches.cancel(cancelled.id)
    account.expire(expired.id)
    account.release(ended.id)
    for each, status in ((cancelled, "cancelled"), (expired, "expired"), (ended, "completed")):
        batch = await account.reached(each.id)
        assert batch.status == status
        assert batch.output_file_id is not None
        assert len(rows(await download(client, batch.output_file_id))) == (2 if each is ended else 1)


async def test_running_batches_hold_their_tokens(client: AsyncOpenAI, account: Account) -> None:
    account.configure(hold=["in_progress"], max_enqueued_tokens=10)
    file = await upload(client, CONTENT)
    await account.add_running_batches(file.id, [None] * 5)
    refused = await finished(client, account, CONTENT)
    assert refused.errors is not None
    assert [each.code for each in refused.errors.data or []] == ["token_limit_exceeded"]


@pytest.mark.parametrize("content", [b"{}\n", b""])
async def test_batches_of_a_bad_input_do_not_run(
    client: AsyncOpenAI, account: Account, content: bytes
) -> None:
    file = await client.files.create(file=("a.jsonl", content), purpose="user_data")
    with pytest.raises(ValueError, match="cannot be run"):
        await account.add_running_batches(file.id, [None])
    with pytest.raises(KeyError):
        await account.add_running_batches("file-none", [None])
    assert account.batches == {}


async def test_ten_thousand_running_batches_are_added_over_http(
    address: str, http: httpx2.AsyncClient, client: AsyncOpenAI, account: Account
) -> None:
    account.configure(hold=["in_progress"])
    file = await upload(client, CONTENT)
    asked = {"input_file_id": file.id, "metadata": [{"job": str(number)} for number in range(MANY)]}
    began = time.process_time()
    async with plain_http(base_url=f"{address}/_simulator") as control:
        answer = await control.post("/running", params={"account": "east"}, json=asked)
        wrong = await control.post("/running", params={"account": "east"}, json={"metadata": []})
    assert time.process_time() - began < 10
    assert wrong.status_code == 400
    ids = answer.json()["ids"]
    shown = (await http.get("/batches?limit=100")).json()["data"]
    assert [each["id"] for each in shown] == ids[:-101:-1]
    assert [each["metadata"]["job"] for each in shown[:2]] == [str(MANY - 1), str(MANY - 2)]
