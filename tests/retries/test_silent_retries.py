"""The stock clients' own retries: they send a create again that had no answer, and no idempotency key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from starlette.types import ASGIApp

from litebatch_asgi.simulator import Fault
from tests.harness import InProcess, lines
from tests.http.forms import CONTENT_TYPE, field, file, form
from tests.middleware.stage import ALICE, Channel, body_messages, http_scope
from tests.retries.proxy import proxied
from tests.retries.requests import batch_bytes, client, create, upload

RETRY = {"x-stainless-retry-count": "1"}


def stock_client(address: str) -> AsyncOpenAI:
    """The stock client with its own retries."""
    return AsyncOpenAI(
        base_url=f"{address}/v1",
        api_key="alice",
        max_retries=3,
        http_client=DefaultAsyncHttpxClient(verify=False),
    )


async def cut_once(
    gateway: InProcess, address: str, fault: Fault, send: Callable[[AsyncOpenAI], Awaitable[Any]]
) -> Any:
    """The answer to what is sent by a client whose first connection breaks while the provider is slow."""
    answers: list[Any] = []
    armed = gateway.simulator.add_fault(fault)

    async def ask() -> None:
        answers.append(await send(stock))

    async with proxied(address) as (proxy, between), stock_client(between) as stock:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await gateway.simulator.until(lambda: armed.struck > 0)
            proxy.cut()
            gateway.simulator.remove_fault(armed)
        assert proxy.connections > 1
    (answer,) = answers
    assert answer.retries_taken > 0
    assert answer.headers["idempotency-replayed"] == "true"
    return answer.parse()


async def test_a_batch_whose_answer_was_cut_off_is_created_once(gateway: InProcess, address: str) -> None:
    """Source: ogx-ai/ogx#3144, retries of a create make duplicates."""
    uploaded = await gateway.upload()
    batch = await cut_once(
        gateway,
        address,
        Fault(call="create_batch", stall=True),
        lambda stock: stock.batches.with_raw_response.create(
            input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"
        ),
    )
    assert [each.id async for each in gateway.client().batches.list()] == [batch.id]
    assert (await gateway.ended(batch.id)).status == "completed"
    assert len(gateway.provider_jobs()) == 1


async def test_a_file_whose_answer_was_cut_off_is_uploaded_once(gateway: InProcess, address: str) -> None:
    """Source: ogx-ai/ogx#3144, retries of a create make duplicates."""
    made = await cut_once(
        gateway,
        address,
        Fault(call="upload_file", stall=True, times=None),
        lambda stock: stock.files.with_raw_response.create(file=("in.jsonl", lines()), purpose="batch"),
    )
    assert [each.id async for each in gateway.client().files.list()] == [made.id]
    assert len(gateway.provider_files("east")) == 1


async def test_deliberate_creates_stay_as_many_as_there_are(gateway: InProcess, address: str) -> None:
    """Equal in everything; and what was answered is nobody's retry."""
    async with client(address) as http:
        made = [await upload(http, headers) for headers in ({}, {"x-stainless-retry-count": "0"}, RETRY)]
        assert len({answer.json()["id"] for answer in made}) == 3
        file_id = made[0].json()["id"]
        made = [await create(http, file_id, headers) for headers in ({}, {}, RETRY)]
        assert len({answer.json()["id"] for answer in made}) == 3
        assert not any("idempotency-replayed" in answer.headers for answer in made)


@pytest.mark.parametrize("count", ["", "0", "00", "-1", "one", "1.0", "²"])
async def test_only_a_count_above_zero_is_a_retry(
    gateway: InProcess, app: ASGIApp, address: str, count: str
) -> None:
    uploaded = await gateway.upload()
    await lost_create(app, uploaded.id, 0)
    async with client(address) as http:
        answer = await create(http, uploaded.id, {"x-stainless-retry-count": count.encode("latin-1")})
    assert answer.status_code == 200
    assert len((await gateway.client().batches.list()).data) == 2


async def lost_create(app: ASGIApp, file_id: str, count: int) -> None:
    """Create a batch for a client that leaves as soon as it has sent the request."""
    headers = [*ALICE, (b"x-stainless-retry-count", b"%d" % count)]
    channel = Channel(*body_messages(batch_bytes(file_id)))
    await app(http_scope("POST", "/v1/batches", headers), channel.receive, channel.send)


async def lost_upload(app: ASGIApp, count: int) -> None:
    """Upload a file for such a client."""
    headers = [
        *ALICE,
        (b"content-type", CONTENT_TYPE.encode()),
        (b"x-stainless-retry-count", b"%d" % count),
    ]
    channel = Channel(*body_messages(form(field("purpose", "batch"), file(lines()))))
    await app(http_scope("POST", "/v1/files", headers), channel.receive, channel.send)


async def test_a_retry_whose_answer_is_lost_too_leads_the_next_to_the_same_batch(
    gateway: InProcess, app: ASGIApp, address: str
) -> None:
    uploaded = await gateway.upload()
    for count in range(3):
        await lost_create(app, uploaded.id, count)
    async with client(address) as http:
        answer = await create(http, uploaded.id, {"x-stainless-retry-count": "3"})
        assert answer.headers["idempotency-replayed"] == "true"
        assert len((await gateway.client().batches.list()).data) == 1
        another = await create(http, uploaded.id, RETRY)
        assert another.json()["id"] != answer.json()["id"]


async def test_a_retry_whose_answer_is_lost_too_leads_the_next_to_the_same_file(
    gateway: InProcess, app: ASGIApp, address: str
) -> None:
    for count in range(3):
        await lost_upload(app, count)
    (kept,) = (await gateway.client().files.list()).data
    async with client(address) as http:
        content = form(field("purpose", "batch"), file(lines()))
        headers = {"content-type": CONTENT_TYPE, "x-stainless-retry-count": "3"}
        answer = await http.post("/files", content=content, headers=headers)
        assert answer.json()["id"] == kept.id
        again = await http.post("/files", content=content, headers=headers)
        assert again.json()["id"] != kept.id


async def test_each_lost_create_is_given_to_a_retry_of_its_own(
    gateway: InProcess, app: ASGIApp, address: str
) -> None:
    """And the oldest first; those of somebody else, or with other parameters, to none of them."""
    uploaded = await gateway.upload()
    for _ in range(2):
        await lost_create(app, uploaded.id, 0)
    newest, oldest = (await gateway.client().batches.list()).data
    async with client(address) as http, client(address, "admin") as admin:
        other = await create(http, uploaded.id, RETRY, metadata={"run": "2"})
        foreign = await create(admin, uploaded.id, RETRY)
        assert len({oldest.id, newest.id, other.json()["id"], foreign.json()["id"]}) == 4
        answers = [await create(http, uploaded.id, RETRY) for _ in range(2)]
    assert [answer.json()["id"] for answer in answers] == [oldest.id, newest.id]


async def test_a_retry_finds_its_batch_though_the_file_is_gone(
    gateway: InProcess, app: ASGIApp, address: str
) -> None:
    """What exists is not refused for what has changed since."""
    uploaded = await gateway.upload()
    await lost_create(app, uploaded.id, 0)
    await gateway.client().files.delete(uploaded.id)
    async with client(address) as http:
        assert (await create(http, uploaded.id, RETRY)).status_code == 200
        assert (await create(http, uploaded.id, RETRY)).status_code == 404
