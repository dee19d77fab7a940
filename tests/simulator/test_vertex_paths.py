"""Accounts of several flavours at one simulator, and paths that are nobody's."""

from __future__ import annotations

import pytest

from litebatch_asgi.simulator import Account, Simulator, SimulatorSettings

from .azure import azure_client
from .journeys import CHAT, by_id, download, jsonl, plain_http, stock_client
from .journeys import finished as finished_at_openai
from .journeys import line as openai_line
from .vertex import BUCKET, JOBS, TEN, at, finished, output, upload, vertex_http


async def test_accounts_of_three_flavours(address: str, simulator: Simulator, account: Account) -> None:
    account.configure(flavour="vertex")
    simulator.account("north").configure(flavour="azure", pending_seconds=0.0)
    async with vertex_http(address, account) as http:
        assert len(await output(http, await finished(http, account, TEN))) == 10
    async with stock_client(address, "west") as client:
        west = simulator.account("west")
        batch = await finished_at_openai(client, west, jsonl(openai_line("a", url=CHAT)))
        assert set(by_id(await download(client, batch.output_file_id))) == {"a"}
    async with azure_client(address, "v1", "north") as client:
        assert [each async for each in client.batches.list()] == []
    assert {name: len(each.batches) for name, each in simulator.accounts.items()} == {
        "east": 1,
        "north": 0,
        "west": 1,
    }
    assert set(simulator.summary().files) == {"a.jsonl", "input.jsonl"}


async def test_an_account_has_no_paths_of_another_flavour(address: str, account: Account) -> None:
    account.configure(flavour="vertex")
    async with vertex_http(address, account) as http:
        for path in ("/v1/files", "/openai/v1/files", "/v1/projects/p", "/storage/v1/b", "/nothing"):
            response = await http.get(path)
            assert (response.status_code, response.json()["error"]["status"]) == (404, "NOT_FOUND")
        response = await http.put(JOBS)
        assert response.status_code == 405
        assert (await http.get(f"{address}/west{JOBS}")).json()["error"]["code"] == "unknown_url"


@pytest.mark.parametrize("flavour", ["vertex", "openai"])
async def test_the_account_without_a_name(flavour: str) -> None:
    simulator = Simulator(settings=SimulatorSettings(running_seconds=0.0).changed({"flavour": flavour}))
    async with simulator.running() as address:
        account = simulator.account("default")
        token = account.tokens.issue(60)
        async with plain_http(base_url=address, headers={"authorization": f"Bearer {token}"}) as http:
            if flavour == "openai":
                assert (await http.get("/v1/files")).status_code == 200
                assert (await http.get(at("a"))).status_code == 404
                return
            told = await upload(http, TEN)
            assert told["selfLink"].startswith(f"{address}/storage/")
            ended = await finished(http, account, TEN)
            assert len(await output(http, ended)) == 10


async def test_a_name_of_a_file_is_the_last_part_of_the_objects(
    address: str, simulator: Simulator, account: Account
) -> None:
    account.configure(flavour="vertex")
    async with vertex_http(address, account) as http:
        await upload(http, b"a", "litebatch/x/in/1/a%2Fb%25.jsonl")
        assert list(simulator.summary().files) == ["a/b%.jsonl"]
        assert (await http.get(at("litebatch/x/in/1/a%2Fb%25.jsonl"))).status_code == 200
    (entry,) = simulator.journal.select("upload_file")
    assert (entry.filename, entry.object_id) == (
        "a/b%.jsonl",
        f"gs://{BUCKET}/litebatch/x/in/1/a%2Fb%25.jsonl",
    )
