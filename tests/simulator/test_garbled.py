"""Objects whose text is no Unicode, in lists that are sound otherwise."""

from __future__ import annotations

import json

import httpx2
import msgspec
import pytest
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account, Fault, Garble

from .journeys import JSON, jsonl, line, submit, upload

CONTENT = jsonl(line("a"))
SPELLED = {"bad_utf8": b"\xff", "lone_surrogate": b"\\ud800"}
HOWS: list[Garble] = ["bad_utf8", "lone_surrogate"]
hows = pytest.mark.parametrize("how", HOWS)


def read(content: bytes, how: Garble) -> JSON:
    """The answer, which only a lenient reader can read."""
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        msgspec.json.decode(content)
    assert content.count(SPELLED[how]) == 1
    read: JSON = json.loads(content.replace(SPELLED[how], b"?"))
    return read


@hows
async def test_one_file_of_a_list_is_garbled(
    client: AsyncOpenAI, http: httpx2.AsyncClient, account: Account, how: Garble
) -> None:
    made = [await upload(client, CONTENT, f"{name}.jsonl") for name in ("one", "two", "three")]
    armed = account.add_fault(Fault(call="list_files", garbled=how, match="two", times=2))
    for _ in range(2):
        shown = read((await http.get("/files")).content, how)
        assert [each["id"] for each in shown["data"]] == [each.id for each in made[::-1]]
        assert [each["filename"] for each in shown["data"]] == ["three.jsonl", "two.jsonl?", "one.jsonl"]
    assert armed.spent
    assert [each.filename async for each in client.files.list()][1] == "two.jsonl"


@hows
async def test_one_batch_of_a_list_is_garbled(
    client: AsyncOpenAI, http: httpx2.AsyncClient, account: Account, how: Garble
) -> None:
    own = await submit(client, CONTENT, metadata={"job": "j-1"})
    account.add_foreign_batches(1)
    bare = await submit(client, CONTENT)
    account.add_fault(Fault(call="list_batches", garbled=how, match="foreign", times=None))
    shown = read((await http.get("/batches")).content, how)
    assert [each["metadata"] for each in shown["data"]] == [
        None,
        {"project": "foreign", "garbled": "?"},
        {"job": "j-1"},
    ]
    assert [each["id"] for each in shown["data"][::2]] == [bare.id, own.id]


@hows
async def test_a_list_without_what_is_garbled_does_not_count(
    client: AsyncOpenAI, http: httpx2.AsyncClient, account: Account, how: Garble
) -> None:
    account.add_foreign_batches(1)
    await submit(client, CONTENT)
    armed = account.add_fault(Fault(call="list_batches", garbled=how, match="foreign"))
    assert (await http.get("/batches", params={"limit": "1"})).json()["has_more"]
    assert armed.struck == 0


@hows
async def test_a_single_look_may_be_garbled(
    client: AsyncOpenAI, http: httpx2.AsyncClient, account: Account, how: Garble
) -> None:
    batch = await submit(client, CONTENT)
    account.add_fault(Fault(garbled=how, match=batch.id))
    account.add_fault(Fault(garbled=how, match=batch.input_file_id))
    shown = read((await http.get(f"/batches/{batch.id}")).content, how)
    assert (shown["id"], shown["metadata"]) == (batch.id, {"garbled": "?"})
    shown = read((await http.get(f"/files/{batch.input_file_id}")).content, how)
    assert shown["filename"] == "input.jsonl?"
    assert (await client.batches.retrieve(batch.id)).metadata is None


@hows
async def test_other_calls_are_not_garbled(client: AsyncOpenAI, account: Account, how: Garble) -> None:
    armed = account.add_fault(Fault(garbled=how, times=None))
    batch = await submit(client, CONTENT)
    assert (await client.batches.cancel(batch.id)).id == batch.id
    assert (await client.files.content(batch.input_file_id)).content == CONTENT
    assert armed.struck == 0
