"""Batches at Azure: what they look like on their way, and what they leave behind."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account

from .azure import VERSION, Paths, azure_client, finished, submit, uploaded
from .journeys import CHAT, JSON, by_id, download, jsonl, line, plain_http, rows

TEN = jsonl(*[line(str(number), model="mini-batch") for number in range(10)])
BOTH = pytest.mark.parametrize("paths", ["classic", "v1"])
AZURE = {"flavour": "azure", "pending_seconds": 0.0}


@pytest.fixture
def paths() -> Paths:
    return "classic"


@pytest.fixture
def account(account: Account) -> Account:
    account.configure(**AZURE)
    return account


@pytest.fixture
async def client(address: str, account: Account, paths: Paths) -> AsyncIterator[AsyncOpenAI]:
    async with azure_client(address, paths) as client:
        yield client


@pytest.fixture
async def http(address: str, account: Account) -> AsyncIterator[httpx2.AsyncClient]:
    """Plain HTTP to the classic paths."""
    options: dict[str, Any] = {"headers": {"api-key": "k"}, "params": {"api-version": VERSION}}
    async with plain_http(base_url=f"{address}/east/openai", **options) as http:
        yield http


async def test_a_new_batch_leaves_much_open(
    http: httpx2.AsyncClient, client: AsyncOpenAI, account: Account
) -> None:
    account.configure(hold=["validating"])
    file = await uploaded(client, account, TEN)
    asked = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h", "metadata": {"a": "b"}}
    response = await http.post("/batches", json=asked)
    shown = response.json()
    assert response.status_code == 201
    assert UUID(shown["id"].removeprefix("batch_")).version == 4
    assert {key: value for key, value in shown.items() if value is not None} == {
        "id": shown["id"],
        "object": "batch",
        "input_file_id": file.id,
        "completion_window": "24h",
        "metadata": {"a": "b"},
        "status": "validating",
        "output_file_id": "",
        "error_file_id": "",
        "created_at": shown["created_at"],
        "expires_at": shown["expires_at"],
        "request_counts": {"total": None, "completed": None, "failed": None},
    }
    assert "endpoint" in shown
    await account.advance(shown["id"])
    later = (await http.get(f"/batches/{shown['id']}")).json()
    assert (later["endpoint"], later["output_file_id"]) == (CHAT, "")


@BOTH
async def test_a_batch_without_failures_has_an_empty_error_file(
    client: AsyncOpenAI, account: Account
) -> None:
    batch = await finished(client, account, TEN)
    assert (batch.status, batch.endpoint) == ("completed", CHAT)
    assert len(by_id(await download(client, batch.output_file_id))) == 10
    assert batch.error_file_id
    assert (await client.files.retrieve(batch.error_file_id)).bytes == 0
    assert await download(client, batch.error_file_id) == b""
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.total) == (10, 10)


async def test_a_batch_whose_lines_all_fail_has_no_output(client: AsyncOpenAI, account: Account) -> None:
    batch = await finished(client, account, jsonl(line("a", simulate=500)))
    assert (batch.status, batch.output_file_id) == ("completed", "")
    assert list(by_id(await download(client, batch.error_file_id))) == ["a"]


@BOTH
async def test_answers_tell_of_content_filters(client: AsyncOpenAI, account: Account) -> None:
    batch = await finished(client, account, TEN)
    for row in rows(await download(client, batch.output_file_id)):
        body = row["response"]["body"]
        assert body["prompt_filter_results"][0]["content_filter_results"]["hate"]["filtered"] is False
        assert body["choices"][0]["content_filter_results"]["violence"]["severity"] == "safe"


@pytest.mark.parametrize(
    ("url", "body"),
    [("/responses", {"input": "hello"}), ("/v1/responses", {"input": "hello"}), ("/chat/completions", {})],
)
async def test_the_file_decides_the_endpoint(
    client: AsyncOpenAI, account: Account, url: str, body: JSON
) -> None:
    batch = await finished(client, account, jsonl(line("a", url=url, **body)))
    assert (batch.status, batch.endpoint) == ("completed", url)
    assert len(rows(await download(client, batch.output_file_id))) == 1


@pytest.mark.parametrize("endpoint", [CHAT, "/chat/completions"])
async def test_an_endpoint_is_needed_with_or_without_v1(
    client: AsyncOpenAI, account: Account, endpoint: str
) -> None:
    assert (await finished(client, account, TEN, endpoint=endpoint)).status == "completed"
    with pytest.raises(openai.BadRequestError) as refused:
        await submit(client, account, TEN, endpoint="/v1/x")
    assert set(json.loads(refused.value.response.text)["error"]) == {"code", "message"}


async def test_batches_do_not_expire(client: AsyncOpenAI, account: Account) -> None:
    account.configure(hold=["in_progress"])
    batch = await submit(client, account, TEN)
    await account.reached(batch.id, "in_progress")
    account.configure(clock_offset=100.0 * 86_400)
    assert (await client.batches.retrieve(batch.id)).status == "in_progress"
    account.configure(hold=[])
    assert (await account.reached(batch.id)).status == "completed"


@BOTH
async def test_cancelling_is_as_at_openai(client: AsyncOpenAI, account: Account) -> None:
    account.configure(hold=["in_progress", "cancelling"])
    batch = await submit(client, account, TEN)
    await account.reached(batch.id, "in_progress")
    assert (await client.batches.cancel(batch.id)).status == "cancelling"
    await account.advance(batch.id)
    batch = await client.batches.cancel(batch.id)
    assert batch.status == "cancelled"
    done = by_id(await download(client, batch.output_file_id))
    left = by_id(await download(client, batch.error_file_id))
    assert (len(done), len(left), len(done | left)) == (5, 5, 10)
    account.configure(hold=[])
    ended = await finished(client, account, TEN)
    with pytest.raises(openai.ConflictError) as conflict:
        await client.batches.cancel(ended.id)
    assert conflict.value.body == {
        "code": "409",
        "message": "Cannot cancel a batch with status 'completed'.",
    }


@pytest.mark.parametrize("odd", [False, True, None])
async def test_casing_and_times_may_be_odd(
    http: httpx2.AsyncClient, client: AsyncOpenAI, account: Account, odd: bool | None
) -> None:
    account.configure(odd_casing=odd)
    for _ in range(30 if odd is None else 2):  # of so many, chance does not spell all alike
        await finished(client, account, jsonl(line("a")))
    shown = (await http.get("/batches")).json()["data"]
    assert {each["status"] for each in shown} == {
        False: {"completed"},
        True: {"Completed"},
        None: {"completed", "Completed"},
    }[odd]
    for each in shown:
        if each["status"] == "Completed":
            known = account.batches[each["id"]]
            assert datetime.fromisoformat(each["created_at"]) == datetime.fromtimestamp(known.created_at, UTC)
            assert each["failed_at"] is None


async def test_filters_and_orders_of_lists_are_not_minded(
    http: httpx2.AsyncClient, client: AsyncOpenAI, account: Account
) -> None:
    made = [(await submit(client, account, TEN)).id for _ in range(3)]
    query = {"$filter": "created_at gt 0 and status eq 'Completed'", "$orderby": "created_at asc"}
    shown = (await http.get("/batches", params=query | {"limit": "2"})).json()
    assert [each["id"] for each in shown["data"]] == made[:0:-1]
    assert (shown["has_more"], shown["last_id"]) == (True, made[1])
    assert [each.id async for each in client.batches.list(limit=2)] == made[::-1]


async def test_an_unknown_batch_is_not_found(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        await client.batches.retrieve("batch_x")
    assert missing.value.body == {"code": "404", "message": "Resource not found"}


FULL = (
    "The number of enqueued tokens has surpassed the configured limit of {} for the deployment "
    "'mini-batch'. Please either increase the limit or try again once the current jobs have finished."
)


@pytest.mark.parametrize(("most", "limit"), [(30, "30"), (30_000, "30K")])
async def test_a_full_queue_fails_the_batch(
    client: AsyncOpenAI, account: Account, most: int, limit: str
) -> None:
    content = jsonl(line("a", model="mini-batch", messages=[{"content": "x" * 4 * (most - 1)}]))
    account.configure(max_enqueued_tokens=most, hold=["in_progress"])
    first = await submit(client, account, content)
    await account.reached(first.id, "in_progress")
    failed = await finished(client, account, content)
    assert failed.errors is not None
    (error,) = failed.errors.data or []
    assert (error.code, error.message) == ("token_limit_exceeded", FULL.format(limit))


@BOTH
async def test_a_full_queue_may_be_told_at_once(client: AsyncOpenAI, account: Account) -> None:
    account.configure(max_enqueued_tokens=30, hold=["validating", "in_progress"], fail_fast=True)
    first = await submit(client, account, TEN)
    with pytest.raises(openai.BadRequestError) as refused:
        await submit(client, account, TEN)
    assert refused.value.body == {"code": "token_limit_exceeded", "message": FULL.format(30)}
    assert list(account.batches) == [first.id]
    account.configure(hold=[])
    assert (await account.reached(first.id)).status == "completed"
    assert (await finished(client, account, TEN)).status == "completed"


async def test_a_create_tells_how_full_the_queue_is(client: AsyncOpenAI, account: Account) -> None:
    account.configure(hold=["in_progress"])
    first = await submit(client, account, TEN)
    await account.reached(first.id, "in_progress")
    account.configure(max_enqueued_tokens=50)
    file = await uploaded(client, account, TEN)
    response = await client.batches.with_raw_response.create(
        input_file_id=file.id, endpoint=CHAT, completion_window="24h"
    )
    assert response.headers["deployment-enqueued-tokens"] == "20"
    assert response.headers["deployment-maximum-enqueued-tokens"] == "50"


def without(key: str) -> JSON:
    return {name: value for name, value in line("x").items() if name != key}


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"{no", "invalid_json_line"),
        (line("x", url="/v1/responses"), "url_mismatch"),
        (line("x", model="gpt-5"), "model_mismatch"),
        (line("x", model="standard"), "model_not_found"),
        (line("first"), "duplicate_custom_id"),
        (without("method"), "invalid_request"),
        (line("x", messages=None), "invalid_request"),
        (line("x", stream=True), "invalid_request"),
    ],
)
async def test_a_bad_line_fails_the_batch(client: AsyncOpenAI, account: Account, bad: Any, code: str) -> None:
    account.configure(models=["gpt-4o-mini", "gpt-5"])
    text = bad if isinstance(bad, bytes) else json.dumps(bad).encode()
    failed = await finished(client, account, jsonl(line("first")) + text + b"\n" + jsonl(line("last")))
    assert failed.errors is not None
    assert [(each.code, each.line) for each in failed.errors.data or []] == [(code, 2)]
    assert (failed.status, failed.output_file_id, failed.error_file_id) == ("failed", "", "")


@pytest.mark.parametrize(
    ("content", "code", "at"),
    [
        (b"", "empty_file", None),
        (b"\xef\xbb\xbf" + TEN, "invalid_json_line", 1),
        (TEN + jsonl(line("over", model="mini-batch")), "too_many_tasks", None),
        (jsonl(line("a", url="/v1/nowhere")), "url_mismatch", 1),
    ],
)
async def test_a_bad_file_fails_the_batch(
    client: AsyncOpenAI, account: Account, content: bytes, code: str, at: int | None
) -> None:
    account.configure(max_lines=10)
    failed = await finished(client, account, content)
    assert failed.errors is not None
    assert [(each.code, each.line) for each in failed.errors.data or []] == [(code, at)]


async def test_a_file_that_is_deleted_before_validation_fails_the_batch(
    client: AsyncOpenAI, account: Account
) -> None:
    account.configure(hold=["validating"])
    batch = await submit(client, account, TEN)
    await client.files.delete(batch.input_file_id)
    await account.advance(batch.id)
    shown = account.batches[batch.id]
    assert shown.errors is not None
    assert [each.code for each in shown.errors.data] == ["invalid_request"]
