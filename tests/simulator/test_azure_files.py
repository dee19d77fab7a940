"""Files at Azure: keys, paths, errors, and waiting until a file is processed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI

from litebatch_asgi.simulator import Account, Fault, Simulator

from .azure import VERSION, Paths, azure_client, uploaded
from .journeys import CHAT, download, jsonl, line, plain_http, stock_client, upload

CONTENT = jsonl(line("a"), line("b"))
DAY = 86_400
NOT_FOUND = {"error": {"code": "404", "message": "Resource not found"}}
BOTH = pytest.mark.parametrize("paths", ["classic", "v1"])


@pytest.fixture
def account(simulator: Simulator) -> Account:
    account = simulator.account("east")
    account.configure(flavour="azure", pending_seconds=0.0)
    return account


@pytest.fixture
async def client(address: str, account: Account, paths: Paths) -> AsyncIterator[AsyncOpenAI]:
    async with azure_client(address, paths) as client:
        yield client


@pytest.fixture
async def http(address: str, account: Account) -> AsyncIterator[httpx2.AsyncClient]:
    """Plain HTTP to the resource, with its key."""
    async with plain_http(base_url=f"{address}/east/openai", headers={"api-key": "k"}) as http:
        yield http


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/files", f"?api-version={VERSION}", 201),
        ("/files", "?api-version=2025-04-01-preview", 201),
        ("/v1/files", "", 200),
        ("/v1/files", "?api-version=preview", 200),
    ],
)
async def test_an_upload_is_pending_and_tells_where_it_is(
    http: httpx2.AsyncClient, account: Account, path: str, query: str, status: int
) -> None:
    account.configure(hold=["pending"])
    response = await http.post(path + query, data={"purpose": "batch"}, files={"file": ("in.jsonl", CONTENT)})
    shown = response.json()
    assert response.status_code == status
    assert (shown["status"], shown["expires_at"], shown["bytes"]) == ("pending", None, len(CONTENT))
    if status == 200:
        assert "location" not in response.headers
        return
    location = response.headers["location"]
    assert location == f"{http.base_url}files/{shown['id']}{query}"
    assert (await http.get(location)).json() == shown


@BOTH
async def test_a_file_is_processed_after_a_while(client: AsyncOpenAI, account: Account) -> None:
    account.configure(hold=["pending"])
    held, released = await upload(client, CONTENT), await upload(client, CONTENT)
    await account.advance(released.id)
    assert (await client.files.retrieve(released.id)).status == "processed"
    assert account.files[held.id].status == "pending"
    await account.advance()
    assert (await client.files.retrieve(held.id)).status == "processed"
    account.configure(hold=[])
    assert (await uploaded(client, account, CONTENT)).status == "processed"
    other = await client.files.create(file=("a.txt", b"x"), purpose="assistants")
    assert other.status == "processed"


@BOTH
async def test_files_are_listed_and_read_and_deleted(client: AsyncOpenAI, account: Account) -> None:
    made = [(await upload(client, CONTENT)).id for _ in range(3)]
    assert [each.id async for each in client.files.list(limit=2)] == made[::-1]
    assert await download(client, made[0]) == CONTENT
    await client.files.delete(made[0])
    with pytest.raises(openai.NotFoundError) as gone:
        await client.files.retrieve(made[0])
    assert gone.value.body == NOT_FOUND["error"]


@BOTH
async def test_a_batch_of_a_pending_file_is_refused(
    client: AsyncOpenAI, account: Account, simulator: Simulator
) -> None:
    account.configure(hold=["pending"])
    file = await upload(client, CONTENT)
    with pytest.raises(openai.BadRequestError) as refused:
        await client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    assert refused.value.body == {
        "code": "400",
        "message": f"The input file '{file.id}' is in 'pending' state. "
        "Only files with status 'Processed' are accepted for batch inferencing. "
        "Please check the file status and try again",
    }
    assert account.batches == {}
    await account.advance(file.id)
    batch = await client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    assert list(account.batches) == [batch.id]


@pytest.mark.parametrize("paths", ["v1"])
async def test_a_file_may_turn_bad(client: AsyncOpenAI, account: Account) -> None:
    armed = account.add_fault(Fault(call="check_file", match="input", file_status="error", stall=True))
    file = await upload(client, CONTENT)
    assert account.files[file.id].status == "pending"
    account.faults.remove(armed.key)
    assert (await account.file_reached(file.id)).status == "error"
    with pytest.raises(openai.BadRequestError, match="is in 'error' state"):
        await client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    assert (await uploaded(client, account, CONTENT)).status == "processed"


@pytest.mark.parametrize("paths", ["classic"])
async def test_an_unknown_file_is_refused_at_once(client: AsyncOpenAI, account: Account) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.batches.create(input_file_id="file-x", endpoint=CHAT, completion_window="24h")


@BOTH
@pytest.mark.parametrize("fail_fast", [False, True])
async def test_a_file_that_goes_away_meanwhile_is_not_found(
    client: AsyncOpenAI, account: Account, fail_fast: bool
) -> None:
    account.configure(fail_fast=fail_fast)
    file = await uploaded(client, account, CONTENT)
    stored = account.file_store.find(file.id)
    assert stored is not None
    await account.disk.run(stored.path.unlink)
    with pytest.raises(openai.NotFoundError):
        await client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")


@pytest.mark.parametrize("paths", ["classic"])
async def test_a_pending_file_can_be_deleted(client: AsyncOpenAI, account: Account) -> None:
    account.configure(hold=["pending"])
    file = await upload(client, CONTENT)
    await client.files.delete(file.id)
    account.configure(hold=[])
    assert account.files == {}


async def test_a_deployment_in_the_client_changes_no_path(
    address: str, account: Account, simulator: Simulator
) -> None:
    async with AsyncAzureOpenAI(
        azure_endpoint=f"{address}/east",
        azure_deployment="gpt",
        api_version=VERSION,
        api_key="k",
        http_client=plain_http(),
    ) as client:
        await client.files.list()
    assert simulator.journal[0].path == f"/east/openai/files?api-version={VERSION}"


@pytest.mark.parametrize("headers", [{"api-key": "k"}, {"authorization": "Bearer k"}])
async def test_both_kinds_of_key_pass(
    http: httpx2.AsyncClient, account: Account, simulator: Simulator, headers: dict[str, str]
) -> None:
    del http.headers["api-key"]
    account.configure(api_keys=["k"])
    response = await http.get("/v1/files", headers=headers)
    assert (response.status_code, simulator.journal[0].api_key) == (200, "k")
    assert response.headers["x-request-id"] != response.headers["apim-request-id"]


@pytest.mark.parametrize("headers", [{}, {"api-key": "other"}, {"authorization": "Basic k"}])
async def test_any_other_key_is_refused(
    http: httpx2.AsyncClient, account: Account, headers: dict[str, str]
) -> None:
    del http.headers["api-key"]
    account.configure(api_keys=["k"])
    response = await http.get("/v1/files", headers=headers)
    assert response.status_code == 401
    assert set(response.json()["error"]) == {"code", "message"}
    assert response.json()["error"]["code"] == "401"


@pytest.mark.parametrize("query", ["", "?api-version=", "?api-version=latest"])
async def test_classic_paths_need_a_dated_version(http: httpx2.AsyncClient, query: str) -> None:
    response = await http.get(f"/files{query}")
    assert (response.status_code, response.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize("version", [VERSION, "2025-04-01-preview"])
async def test_v1_refuses_a_dated_version(http: httpx2.AsyncClient, version: str) -> None:
    response = await http.get("/v1/files", params={"api-version": version})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    "path",
    [
        "/east/v1/files",
        f"/east/openai/deployments/gpt/files?api-version={VERSION}",
        "/west/openai/v1/files",
        f"/openai/files?api-version={VERSION}",
    ],
)
async def test_a_path_of_another_kind_is_not_there(address: str, account: Account, path: str) -> None:
    async with plain_http(base_url=address, headers={"authorization": "Bearer k"}) as http:
        response = await http.get(path)
    assert response.status_code == 404
    assert (response.json() == NOT_FOUND) is path.startswith("/east")


@BOTH
async def test_the_default_account_can_be_azures(address: str, simulator: Simulator, paths: Paths) -> None:
    account = simulator.account()
    account.configure(flavour="azure", pending_seconds=0.0)
    options: dict[str, Any] = {"api_key": "k", "http_client": plain_http()}
    client = (
        AsyncOpenAI(base_url=f"{address}/openai/v1/", **options)
        if paths == "v1"
        else AsyncAzureOpenAI(azure_endpoint=address, api_version=VERSION, **options)
    )
    async with client:
        file = await upload(client, CONTENT)
    assert list(account.files) == [file.id]


async def test_an_account_may_be_called_openai(address: str, simulator: Simulator) -> None:
    async with stock_client(address, "openai") as client:
        file = await upload(client, CONTENT)
    assert list(simulator.account("openai").files) == [file.id]


@BOTH
async def test_a_life_is_of_two_weeks_at_least(client: AsyncOpenAI, account: Account) -> None:
    for seconds, works in ((14 * DAY, True), (30 * DAY, True), (14 * DAY - 1, False), (30 * DAY + 1, False)):
        creating = client.files.create(
            file=("a.jsonl", CONTENT),
            purpose="batch",
            expires_after={"anchor": "created_at", "seconds": seconds},
        )
        if works:
            file = await creating
            assert file.expires_at == file.created_at + seconds
            continue
        with pytest.raises(openai.BadRequestError):
            await creating


@pytest.mark.parametrize("paths", ["v1"])
async def test_files_without_an_end_are_few(client: AsyncOpenAI, account: Account) -> None:
    account.configure(max_unexpiring_files=2, max_expiring_files=1)
    first, _ = await upload(client, CONTENT), await upload(client, CONTENT)
    with pytest.raises(openai.BadRequestError) as full:
        await upload(client, CONTENT)
    assert full.value.code == "quotaExceeded"
    expiring: dict[str, Any] = {"expires_after": {"anchor": "created_at", "seconds": 14 * DAY}}
    await client.files.create(file=("a.jsonl", CONTENT), purpose="batch", **expiring)
    with pytest.raises(openai.BadRequestError):
        await client.files.create(file=("a.jsonl", CONTENT), purpose="batch", **expiring)
    await client.files.create(file=("a.txt", CONTENT), purpose="assistants")
    await client.files.delete(first.id)
    await upload(client, CONTENT)


@pytest.mark.parametrize("paths", ["classic"])
async def test_faults_speak_azures_language(client: AsyncOpenAI, account: Account) -> None:
    account.add_fault(Fault(status=429, headers={"retry-after": "7"}))
    with pytest.raises(openai.RateLimitError) as refused:
        await client.files.list()
    assert refused.value.body == {"code": "429", "message": "Asked for by a fault: 429."}
    account.add_fault(Fault(status=400, code="token_limit_exceeded", message="Full."))
    with pytest.raises(openai.BadRequestError) as full:
        await client.files.list()
    assert full.value.body == {"code": "token_limit_exceeded", "message": "Full."}
