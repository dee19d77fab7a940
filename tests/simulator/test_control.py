"""The simulator steered over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account, Simulator

from .azure import azure_client
from .journeys import jsonl, line, plain_http, submit, upload

CONTENT = jsonl(line("a"), line("b"))
EAST = {"account": "east"}


@pytest.fixture
async def control(address: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with plain_http(base_url=f"{address}/_simulator") as control:
        yield control


async def test_the_index_tells_what_can_be_asked(control: httpx2.AsyncClient, client: AsyncOpenAI) -> None:
    await client.files.list()
    index = (await control.get("/")).json()
    assert index["accounts"] == ["east"]
    assert {"method": "POST", "path": "/_simulator/reset", "does": "Forget everything."} in index["calls"]
    assert all(each["does"].endswith(".") for each in index["calls"])
    for each in index["calls"]:
        if each["method"] == "GET":
            answer = await control.get(each["path"].removeprefix("/_simulator"))
            assert answer.status_code == 200


async def test_the_journal_is_read_in_parts(control: httpx2.AsyncClient, client: AsyncOpenAI) -> None:
    file = await upload(client, CONTENT)
    await client.files.list()
    await client.files.retrieve(file.id)

    async def calls(**params: str) -> list[str]:
        return [each["call"] for each in (await control.get("/journal", params=params)).json()["entries"]]

    assert await calls() == ["upload_file", "list_files", "retrieve_file"]
    assert await calls(after="1") == ["list_files", "retrieve_file"]
    assert await calls(call="list_files") == ["list_files"]
    assert await calls(account="west") == []


async def test_calls_are_counted_by_their_kind(
    control: httpx2.AsyncClient, client: AsyncOpenAI, simulator: Simulator, account: Account
) -> None:
    account.add_foreign_batches(5)
    file = await upload(client, CONTENT)
    begun = len(simulator.journal)
    assert len([each async for each in client.batches.list(limit=2)]) == 5
    await client.batches.retrieve(next(iter(account.batches)))
    for _ in range(2):
        await client.files.content(file.id)
    counts = {"list_batches": 3, "retrieve_batch": 1, "stream_file": 2}
    assert simulator.journal.counts(after=begun) == counts
    assert simulator.journal.counts(account="east") == counts | {"upload_file": 1}
    assert simulator.journal.counts(account="west")["list_batches"] == 0
    told = await control.get("/counts", params=EAST | {"after": str(begun)})
    assert told.json() == {"counts": counts, "seq": begun + 6}


async def test_settings_are_read_and_changed(control: httpx2.AsyncClient, account: Account) -> None:
    changed = await control.post("/settings", params=EAST, json={"hold": ["in_progress"], "seed": 4})
    assert changed.json() == (await control.get("/settings", params=EAST)).json()
    assert (list(account.settings.hold), account.settings.seed) == (["in_progress"], 4)
    assert (await control.get("/settings")).json()["seed"] == 0


async def test_faults_are_added_told_and_removed(control: httpx2.AsyncClient, client: AsyncOpenAI) -> None:
    fault = {"call": "list_files", "times": None, "status": 500, "rows": {"lost": 1}}
    added = (await control.post("/faults", json=fault)).json()
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            await client.files.list()
    (shown,) = (await control.get("/faults")).json()["faults"]
    assert (shown["id"], shown["struck"], shown["spent"]) == (added["id"], 2, False)
    assert (shown["fault"]["call"], shown["fault"]["rows"]["lost"]) == ("list_files", 1)
    assert (await control.delete("/faults", params={"id": added["id"]})).json() == {"removed": 1}
    await client.files.list()


async def test_batches_are_advanced_and_shown(
    control: httpx2.AsyncClient, client: AsyncOpenAI, account: Account
) -> None:
    await control.post("/settings", params=EAST, json={"hold": ["validating", "in_progress"]})
    batch = await submit(client, CONTENT)
    other = await submit(client, CONTENT)
    chosen = {"account": "east", "batch_id": batch.id}
    shown = (await control.post("/advance", params=chosen)).json()["batches"]
    assert [each["status"] for each in shown] == ["in_progress", "validating"]
    shown = (await control.post("/advance", params=EAST)).json()["batches"]
    assert shown[1]["status"] == "in_progress"
    assert (await control.post("/expire", params={"account": "east", "batch_id": other.id})).json() == {}
    await account.reached(other.id, "expired")
    await control.post("/release", params=EAST)
    await account.reached(batch.id, "completed")
    state = (await control.get("/state")).json()["east"]
    assert [each["status"] for each in state["batches"]] == ["completed", "expired"]
    assert len(state["files"]) == 5


async def test_azure_accounts_are_steered_too(
    control: httpx2.AsyncClient, address: str, account: Account
) -> None:
    settings = {"flavour": "azure", "hold": ["pending"]}
    assert (await control.post("/settings", params=EAST, json=settings)).json()["flavour"] == "azure"
    async with azure_client(address, "v1") as client:
        file = await upload(client, CONTENT)
    await control.post("/advance", params=EAST | {"file_id": file.id})
    (shown,) = (await control.get("/state")).json()["east"]["files"]
    assert (shown["id"], shown["status"]) == (file.id, "processed")


async def test_foreign_batches_are_added(control: httpx2.AsyncClient, account: Account) -> None:
    made = (await control.post("/foreign", params={"account": "east", "count": "3"})).json()["batches"]
    assert [each["id"] for each in made] == list(account.batches)


async def test_a_reset_forgets_everything(
    control: httpx2.AsyncClient, client: AsyncOpenAI, simulator: Simulator
) -> None:
    await control.post("/settings", params=EAST, json={"hold": ["validating"], "seed": 3})
    await submit(client, CONTENT)
    await control.post("/faults", json={"status": 500})
    await control.post("/reset")
    assert (await control.get("/state")).json() == {}
    assert (len(simulator.journal), simulator.faults.all()) == (0, [])
    assert [each async for each in client.files.list()] == []
    assert simulator.account("east").settings.seed == 0


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("POST", "/settings", {"json": {"sped": 1}}),
        ("POST", "/settings", {"json": {"hold": ["nowhere"]}}),
        ("POST", "/settings", {"json": {"self": 1}}),
        ("POST", "/settings", {"content": b"{"}),
        ("POST", "/faults", {"json": {"call": "fly"}}),
        ("POST", "/advance", {"params": {"batch_id": "batch_x"}}),
        ("POST", "/release", {"params": {"batch_id": "batch_x"}}),
        ("POST", "/expire", {"params": {"batch_id": "batch_x"}}),
        ("POST", "/foreign", {"params": {"count": "many"}}),
        ("GET", "/journal", {"params": {"after": "x"}}),
        ("GET", "/counts", {"params": {"after": "x"}}),
    ],
)
async def test_what_cannot_be_read_is_told(
    control: httpx2.AsyncClient, method: str, path: str, sent: dict[str, Any]
) -> None:
    response = await control.request(method, path, **sent)
    assert response.status_code == 400
    assert response.json()["message"]
