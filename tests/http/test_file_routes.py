"""Files over HTTP, with the stock client and without."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest

from tests.harness import MODEL, Gateway, lines
from tests.http.forms import CONTENT_TYPE, field, file, form
from tests.http.recordings import RECORDED
from tests.http.sockets import head, raw_client

CONTENT = lines(3)


async def post_form(http: httpx2.AsyncClient, *parts: bytes, **options: Any) -> httpx2.Response:
    headers = {"content-type": CONTENT_TYPE, **options.pop("headers", {})}
    return await http.post("/files", content=form(*parts), headers=headers, **options)


def told(answer: httpx2.Response) -> tuple[int, str | None, str | None]:
    """Status, parameter and code of an error."""
    error = answer.json()["error"]
    return answer.status_code, error["param"], error["code"]


async def test_the_stock_client_does_everything(gateway: Gateway) -> None:
    async with gateway.client() as client:
        made = await client.files.create(
            file=("my requests.jsonl", CONTENT),
            purpose="batch",
            expires_after={"anchor": "created_at", "seconds": 3600},
            extra_body={"target_model_names": MODEL},
        )
        assert (made.filename, made.bytes, made.purpose) == ("my requests.jsonl", len(CONTENT), "batch")
        assert made.expires_at == made.created_at + 3600
        assert made.model_extra == {"litebatch": {"waiting_for": None}}
        assert (await client.files.retrieve(made.id)).id == made.id
        assert [each.id async for each in client.files.list(purpose="batch", order="asc")] == [made.id]
        content = await client.files.content(made.id)
        assert content.content == CONTENT
        assert (await client.files.delete(made.id)).deleted
        with pytest.raises(openai.NotFoundError) as caught:
            await client.files.retrieve(made.id)
        assert caught.value.request_id


async def test_the_stock_client_pages_through_every_file_once(gateway: Gateway) -> None:
    made = [(await gateway.upload()).id for _ in range(5)]
    async with gateway.client() as client:
        assert [each.id async for each in client.files.list(limit=2)] == made[::-1]
        assert [each.id async for each in client.files.list(limit=2, order="asc")] == made
        page = await client.files.list(limit=2)
        assert page.has_more
        assert page.model_extra == {"object": "list", "first_id": made[4], "last_id": made[3]}


@pytest.mark.parametrize(
    "told_by",
    [
        {"parts": [field("target_model_names", MODEL)]},
        {"parts": [field("target_model_names[]", MODEL)]},
        {"params": {"target_model_names": MODEL}},
        {"headers": {"x-litebatch-target-model-names": f"{MODEL},{MODEL}"}},
    ],
)
async def test_models_are_named_where_it_suits(gateway: Gateway, told_by: dict[str, Any]) -> None:
    parts = [file(CONTENT), field("purpose", "batch"), *told_by.pop("parts", ())]
    async with gateway.http() as http:
        made = await post_form(http, *parts, **told_by)
        assert made.status_code == 200
        listed = await http.get("/files", params={"target_model_names": MODEL})
        assert [each["id"] for each in listed.json()["data"]] == [made.json()["id"]]
        assert (await http.get("/files", params={"target_model_names": "other"})).json()["data"] == []


async def test_what_an_upload_is_refused_for(gateway: Gateway) -> None:
    purpose = field("purpose", "batch")
    async with gateway.http() as http:
        assert told(await post_form(http, purpose)) == (400, "file", "missing_required_parameter")
        assert told(await post_form(http, file(CONTENT))) == (400, "purpose", "missing_required_parameter")
        assert told(await post_form(http, file(CONTENT), field("purpose", "fun"))) == (
            400,
            "purpose",
            "invalid_value",
        )
        assert told(await post_form(http, file(b"no JSON\n"), purpose)) == (400, None, "invalid_json_line")
        assert (await http.post("/files", json={})).status_code == 400
        assert (await http.get("/files")).json()["data"] == []


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=10001", "limit"), ("order=up", "order"), ("after=file-x", "after")],
)
async def test_what_a_list_is_refused_for(gateway: Gateway, query: str, param: str) -> None:
    async with gateway.http() as http:
        answer = await http.get(f"/files?{query}")
    assert told(answer)[:2] == (400, param)


@pytest.mark.parametrize(
    "file_id",
    ["file-x", "..", "%2e%2e", "%00", "x" * 1000, "'%20OR%201=1--", "file-lb%C3%BC", "%F0%9F%9A%80"],
)
@pytest.mark.parametrize("below", ["", "/content"])
async def test_ids_that_cannot_be_are_not_found(gateway: Gateway, file_id: str, below: str) -> None:
    async with raw_client(gateway.address) as client:
        await client.send(head("GET", f"/v1/files/{file_id}{below}", authorization="Bearer alice"))
        answer = await client.answer()
    assert answer.status == 404
    assert answer.json()["error"]["message"].startswith("No such File object: ")


async def test_content_comes_with_its_length_and_name(gateway: Gateway) -> None:
    async with gateway.client() as client:
        made = await client.files.create(file=("日本 語.jsonl", CONTENT), purpose="batch")
    async with gateway.http() as http:
        answer = await http.get(f"/files/{made.id}/content")
        looked = await http.head(f"/files/{made.id}/content")
    assert answer.content == CONTENT
    for each in (answer, looked):
        assert each.headers["content-type"] == "application/octet-stream"
        assert each.headers["content-length"] == str(len(CONTENT))
        assert (
            each.headers["content-disposition"]
            == "attachment; filename*=utf-8''%E6%97%A5%E6%9C%AC%20%E8%AA%9E.jsonl"
        )
        assert each.headers["x-request-id"]


async def test_a_recorded_upload_works_from_end_to_end(gateway: Gateway) -> None:
    for recording in RECORDED.values():
        async with raw_client(gateway.address) as client:
            await client.send(recording)
            answer = await client.answer()
        made = answer.json()
        assert answer.status == 200, made
        assert (made["filename"], made["purpose"]) == ("in.jsonl", "batch")
        assert made["expires_at"] == made["created_at"] + 86_400
