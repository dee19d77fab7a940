"""Batches over HTTP, with the stock client and without."""

from __future__ import annotations

from functools import partial
from typing import Any

import httpx2
import openai
import pytest

from litebatch_asgi import Principal
from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models import BatchOptions
from tests.harness import ENDPOINT, MODEL, Gateway, InProcess, lines
from tests.http.sockets import head, raw_client
from tests.retries.requests import batch_body


def told(answer: httpx2.Response) -> tuple[int, str | None, str | None]:
    """Status, parameter and code of an error."""
    error = answer.json()["error"]
    return answer.status_code, error["param"], error["code"]


async def test_the_stock_client_does_everything(held_gateway: Gateway) -> None:
    file = await held_gateway.upload()
    async with held_gateway.client() as client:
        made = await client.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"team": "search"},
            output_expires_after={"anchor": "created_at", "seconds": 3600},
        )
        assert made.model_extra == {
            "litebatch": {
                "waiting_for": None,
                "cost": None,
                "cost_is_final": False,
                "unpriced_requests": 0,
                "lines": {"done": 0, "failed": 0, "left": 3},
            }
        }
        assert (made.object, made.model, made.input_file_id) == ("batch", MODEL, file.id)
        assert made.metadata == {"team": "search"}
        assert made.request_counts is not None
        assert made.request_counts.total == 3
        assert (await client.batches.retrieve(made.id)).id == made.id
        assert [each.id async for each in client.batches.list(limit=1)] == [made.id]
        cancelled = await client.batches.cancel(made.id)
        assert cancelled.status in ("cancelling", "cancelled")
        with pytest.raises(openai.NotFoundError, match="No batch found with id 'batch_x'"):
            await client.batches.retrieve("batch_x")


async def test_the_stock_client_pages_through_every_batch_once(held_gateway: Gateway) -> None:
    file = await held_gateway.upload()
    made = [(await held_gateway.create(file.id)).id for _ in range(5)]
    async with held_gateway.client() as client:
        assert [each.id async for each in client.batches.list(limit=2)] == made[::-1]


@pytest.mark.parametrize(
    ("given", "equal", "kept"),
    [
        (
            {"rescue": False, "row_retries": 0, "at_expiry": "stop"},
            {"at_expiry": "stop", "row_retries": 0.0, "rescue": False, "max_cost": None},
            BatchOptions(rescue=False, row_retries=0, at_expiry="stop"),
        ),
        ({"rescue": None}, None, None),
    ],
)
async def test_a_batch_keeps_what_it_does_in_its_own_way(
    held_gateway: InProcess, given: dict[str, Any], equal: dict[str, Any] | None, kept: BatchOptions | None
) -> None:
    """And is another request than one that does otherwise."""
    file = await held_gateway.upload()
    async with held_gateway.http() as http:

        async def create(litebatch: dict[str, Any] | None) -> httpx2.Response:
            body = batch_body(file.id, litebatch=litebatch)
            return await http.post("/batches", json=body, headers={"idempotency-key": "k"})

        made = (await create(given)).json()["id"]
        assert (await create(equal)).json()["id"] == made
        for other in ({"rescue": True}, {"row_retries": 1}, {"at_expiry": "wait"}):
            assert told(await create(given | other)) == (422, None, "idempotency_key_in_use")
    batch = await held_gateway.storage.get_batch(made)
    assert batch is not None
    assert batch.options == kept


async def test_calls_in_process_say_it_too(held_gateway: InProcess) -> None:
    file = await held_gateway.upload()
    caller = Principal(owner="alice", key_id="key-alice")
    create = partial(
        held_gateway.litebatch.batches.create,
        caller,
        input_file_id=file.id,
        endpoint=ENDPOINT,
        completion_window="24h",
    )
    assert (await create(row_retries=2)).options == BatchOptions(row_retries=2)
    assert (await create()).options is None
    with pytest.raises(InvalidRequest, match=r"^Invalid 'litebatch\.row_retries': integer above maximum"):
        await create(row_retries=11)


async def test_lines_are_told_as_they_ended(gateway: Gateway) -> None:
    failing = lines(3) + b"\n" + lines(5, metadata={"simulate": "400"}).split(b"\n", 3)[3]
    batch = await gateway.ended((await gateway.create((await gateway.upload(failing)).id)).id)
    assert batch.model_extra is not None
    assert batch.model_extra["litebatch"]["lines"] == {"done": 3, "failed": 2, "left": 0}


@pytest.mark.parametrize(
    ("changes", "status", "param", "code"),
    [
        ({"input_file_id": "file-x"}, 404, "input_file_id", None),
        ({"input_file_id": "file-\0"}, 404, "input_file_id", None),
        ({"input_file_id": None}, 400, "input_file_id", "invalid_type"),
        ({"endpoint": "/v1/x"}, 400, "endpoint", "invalid_value"),
        ({"completion_window": "1h"}, 400, "completion_window", "invalid_value"),
        ({"metadata": {"tags": ["a"]}}, 400, "metadata.tags", "invalid_type"),
        ({"priority": 1}, 400, "priority", "unknown_parameter"),
    ],
)
async def test_what_a_batch_is_refused_for(
    gateway: Gateway, changes: dict[str, Any], status: int, param: str, code: str | None
) -> None:
    body = {"input_file_id": "file-x", "endpoint": ENDPOINT, "completion_window": "24h"} | changes
    async with gateway.http() as http:
        assert told(await http.post("/batches", json=body)) == (status, param, code)
        assert (await http.get("/batches")).json()["data"] == []


async def test_a_body_that_is_no_json(gateway: Gateway) -> None:
    async with gateway.http() as http:
        assert told(await http.post("/batches", content=b"{")) == (400, None, None)
        assert told(await http.post("/batches")) == (400, None, None)


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("after=batch_x", "after")],
)
async def test_what_a_list_is_refused_for(gateway: Gateway, query: str, param: str) -> None:
    async with gateway.http() as http:
        assert told(await http.get(f"/batches?{query}"))[:2] == (400, param)


@pytest.mark.parametrize("batch_id", ["batch_x", "..", "%00", "x" * 1000, "batch_lb%C3%BC"])
@pytest.mark.parametrize(("method", "below"), [("GET", ""), ("POST", "/cancel")])
async def test_ids_that_cannot_be_are_not_found(
    gateway: Gateway, batch_id: str, method: str, below: str
) -> None:
    request = head(method, f"/v1/batches/{batch_id}{below}", authorization="Bearer alice", content_length=0)
    async with raw_client(gateway.address) as client:
        await client.send(request)
        answer = await client.answer()
    assert answer.status == 404
    assert answer.json()["error"]["message"].startswith("No batch found with id ")


async def test_a_conflict_that_stays_is_not_to_be_tried_again(gateway: Gateway) -> None:
    batch = await gateway.ended((await gateway.create((await gateway.upload()).id)).id)
    assert batch.status == "completed"
    async with gateway.http() as http:
        answer = await http.post(f"/batches/{batch.id}/cancel")
    assert answer.status_code == 409
    assert answer.headers["x-should-retry"] == "false"
