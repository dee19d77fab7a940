"""Groq's flavour: OpenAI's API at `/openai/v1`, with limits of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError

from litebatch_asgi.simulator import Account

from .journeys import by_id, counts, download, jsonl, line, plain_http, upload

DAY = 86_400
TWO = jsonl(line("a"), line("b", simulate="500"))


@pytest.fixture
def account(account: Account) -> Account:
    account.configure(flavour="groq")
    return account


@pytest.fixture
async def client(address: str, account: Account) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=f"{address}/east/openai/v1", api_key="gsk_1", max_retries=0, http_client=plain_http()
    ) as client:
        yield client


async def test_a_journey(client: AsyncOpenAI, account: Account) -> None:
    file = await upload(client, TWO)
    assert file.id.startswith("file_")
    assert file.to_dict().keys() == {"id", "object", "bytes", "created_at", "filename", "purpose"}
    batch = await client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"a": "b"}
    )
    await account.reached(batch.id)
    batch = await client.batches.retrieve(batch.id)
    assert (batch.status, batch.metadata, counts(batch)) == ("completed", {"a": "b"}, (2, 1, 1))
    assert by_id(await download(client, batch.output_file_id)).keys() == {"a"}
    assert by_id(await download(client, batch.error_file_id))["b"]["response"]["status_code"] == 500


@pytest.mark.parametrize(
    ("window", "seconds"), [("24h", DAY), ("2d", 2 * DAY), ("168h", 7 * DAY), ("7d", 7 * DAY)]
)
async def test_windows_are_a_day_to_a_week(
    client: AsyncOpenAI, account: Account, window: str, seconds: int
) -> None:
    account.configure(hold=["in_progress"])
    file = await upload(client, TWO)
    batch = await client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window=window,  # type: ignore[arg-type]
    )
    assert batch.expires_at == batch.created_at + seconds
    account.configure(clock_offset=seconds + 1)
    assert (await account.reached(batch.id)).status == "expired"


@pytest.mark.parametrize(
    "wrong",
    [
        {"completion_window": "23h"},
        {"completion_window": "8d"},
        {"completion_window": "soon"},
        {"endpoint": "/v1/embeddings"},
        {"output_expires_after": {"anchor": "created_at", "seconds": 5}},
    ],
)
async def test_what_it_has_not_is_refused(client: AsyncOpenAI, wrong: dict[str, object]) -> None:
    file = await upload(client, TWO)
    asked = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    with pytest.raises(BadRequestError):
        await client.post("/batches", body=asked | wrong, cast_to=object)


async def test_files_are_for_batches_and_have_no_end(client: AsyncOpenAI, account: Account) -> None:
    with pytest.raises(BadRequestError, match="evals"):
        await client.files.create(file=("a.jsonl", TWO), purpose="evals")
    with pytest.raises(BadRequestError, match="expires_after"):
        await client.files.create(
            file=("a.jsonl", TWO), purpose="batch", expires_after={"anchor": "created_at", "seconds": DAY}
        )
    account.configure(max_batch_file_bytes=len(TWO) - 1)
    with pytest.raises(BadRequestError, match="too large"):
        await upload(client, TWO)


async def test_lists_come_whole(client: AsyncOpenAI, account: Account) -> None:
    file = await upload(client, TWO)
    made = account.add_foreign_batches(120)
    batches = await client.get("/batches", cast_to=dict[str, list[dict[str, object]]])
    assert batches.keys() == {"object", "data"}
    assert [each["id"] for each in batches["data"]] == [each.id for each in reversed(made)]
    files = await client.get("/files", cast_to=dict[str, list[dict[str, object]]])
    assert [each["id"] for each in files["data"]] == [file.id]
    with pytest.raises(BadRequestError, match="limit"):
        await client.batches.list(limit=5)


async def test_errors_leave_out_what_is_not_known(client: AsyncOpenAI) -> None:
    with pytest.raises(NotFoundError) as caught:
        await client.batches.retrieve("batch_1")
    assert caught.value.response.json()["error"].keys() == {"message", "type"}
