"""What is left at the provider, in one look."""

from __future__ import annotations

import httpx2
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account, Simulator

from .journeys import finished, jsonl, line, plain_http, stock_client, submit, upload

CONTENT = jsonl(line("a"))


async def test_one_job_and_one_file_each_is_in_order(
    client: AsyncOpenAI, simulator: Simulator, account: Account
) -> None:
    batch = await finished(client, account, CONTENT, metadata={"litebatch_job": "j-1"})
    await finished(client, account, CONTENT)
    await client.files.create(file=("other.txt", b"x"), purpose="assistants")
    summary = simulator.summary()
    (job,) = summary.batches["j-1"]
    assert (job.account, job.id, job.status, job.kept) == ("east", batch.id, "completed", True)
    inputs = [file.id for file in account.files.values() if file.purpose == "batch"]
    assert {name: [each.id for each in found] for name, found in summary.files.items()} == {
        "input.jsonl": inputs
    }
    assert summary.twins() == {}


async def test_twins_are_told_until_all_but_one_are_cancelled(
    address: str, client: AsyncOpenAI, simulator: Simulator
) -> None:
    for name in ("east", "west"):
        simulator.account(name).configure(hold=["in_progress", "cancelling"])
    first = await submit(client, CONTENT, metadata={"tag": "j-1"})
    async with stock_client(address, "west") as other:
        second = await submit(other, CONTENT, metadata={"tag": "j-1"})
        assert [(each.account, each.id) for each in simulator.summary("tag").twins()["j-1"]] == [
            ("east", first.id),
            ("west", second.id),
        ]
        assert simulator.summary("another").batches == {}
        await other.batches.cancel(second.id)
    summary = simulator.summary("tag")
    assert summary.twins() == {}
    assert [each.kept for each in summary.batches["j-1"]] == [True, False]


async def test_files_of_one_name_in_one_account_are_told(
    address: str, client: AsyncOpenAI, simulator: Simulator
) -> None:
    async with stock_client(address, "west") as other:
        await upload(other, CONTENT)
    once = await upload(client, CONTENT)
    assert simulator.summary().doubled_files() == {}
    twice = await upload(client, CONTENT)
    (found,) = simulator.summary().doubled_files().values()
    assert {each.id for each in found} == {once.id, twice.id}
    await client.files.delete(once.id)
    assert simulator.summary().doubled_files() == {}


async def test_orphans_are_what_nobody_knows(client: AsyncOpenAI, simulator: Simulator) -> None:
    known = await submit(client, CONTENT, metadata={"tag": "j-1"})
    unknown = await submit(client, CONTENT, metadata={"tag": "j-2"})
    found = simulator.summary("tag").orphans({known.id, known.input_file_id})
    assert {each.id for each in found} == {unknown.id, unknown.input_file_id}


async def test_it_is_asked_for_over_http(address: str, client: AsyncOpenAI, account: Account) -> None:
    account.configure(hold=["in_progress"])
    for _ in range(2):
        await submit(client, CONTENT, metadata={"tag": "j-1"})
    async with plain_http(base_url=f"{address}/_simulator") as control:
        response: httpx2.Response = await control.get("/summary", params={"tag": "tag"})
    shown = response.json()
    assert [each["account"] for each in shown["twins"]["j-1"]] == ["east", "east"]
    assert set(shown["doubled_files"]) == set(shown["files"]) == {"input.jsonl"}
    assert set(shown["batches"]) == {"j-1"}
