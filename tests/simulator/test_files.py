"""The files endpoints, as the stock client sees them."""

from __future__ import annotations

import hashlib
from typing import Literal

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account, Simulator

from .journeys import download, jsonl, line, plain_http, stock_client, upload

DAY = 86_400
CONTENT = jsonl(line("a"), line("b"))


async def test_an_upload_is_answered_as_the_live_service_does(
    http: httpx2.AsyncClient, account: Account
) -> None:
    response = await http.post("/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", CONTENT)})
    shown = response.json()
    created_at = shown.pop("created_at")
    assert response.status_code == 200
    assert shown == {
        "id": next(iter(account.files)),
        "object": "file",
        "bytes": len(CONTENT),
        "filename": "in.jsonl",
        "purpose": "batch",
        "status": "processed",
        "expires_at": created_at + 30 * DAY,
        "status_details": None,
    }


async def test_content_comes_back_byte_for_byte(client: AsyncOpenAI) -> None:
    content = b'{"a": "\xc3\xa9"}\r\n\r\n{}'
    file = await upload(client, content)
    assert await download(client, file.id) == content


async def test_accounts_know_nothing_of_each_other(client: AsyncOpenAI, address: str) -> None:
    file = await upload(client, CONTENT)
    async with stock_client(address, "west") as other:
        with pytest.raises(openai.NotFoundError, match=f"No such File object: {file.id}") as error:
            await other.files.retrieve(file.id)
        assert error.value.body == {
            "message": f"No such File object: {file.id}",
            "type": "invalid_request_error",
            "param": "id",
            "code": None,
        }
        assert [each async for each in other.files.list()] == []
    assert (await client.files.retrieve(file.id)).id == file.id


async def test_a_deleted_file_is_gone(client: AsyncOpenAI) -> None:
    file = await upload(client, CONTENT)
    assert (await client.files.delete(file.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.files.content(file.id)
    with pytest.raises(openai.NotFoundError):
        await client.files.delete(file.id)


async def test_files_expire_by_the_accounts_clock(client: AsyncOpenAI, account: Account) -> None:
    short = await client.files.create(
        file=("a.jsonl", CONTENT),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    lasting = await client.files.create(file=("a.pdf", b"x"), purpose="user_data")
    assert short.expires_at == short.created_at + 3600
    assert lasting.expires_at is None
    account.configure(clock_offset=3600.0)
    assert list(account.files) == [lasting.id]
    account.configure(clock_offset=400.0 * DAY)
    assert [each.id async for each in client.files.list()] == [lasting.id]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_listing_pages_every_file_exactly_once(
    client: AsyncOpenAI, order: Literal["asc", "desc"]
) -> None:
    made = [(await upload(client, CONTENT)).id for _ in range(7)]
    seen = [each.id async for each in client.files.list(limit=2, order=order)]
    assert seen == (made if order == "asc" else made[::-1])


async def test_lists_can_be_of_one_purpose(client: AsyncOpenAI) -> None:
    await upload(client, CONTENT)
    other = await client.files.create(file=("a.txt", b"x"), purpose="assistants")
    assert [each.id async for each in client.files.list(purpose="assistants")] == [other.id]


async def test_a_list_names_its_ends(http: httpx2.AsyncClient, client: AsyncOpenAI) -> None:
    made = [(await upload(client, CONTENT)).id for _ in range(3)]
    shown = (await http.get("/files", params={"limit": 2})).json()
    assert (shown["object"], shown["first_id"], shown["last_id"]) == ("list", made[2], made[1])
    assert shown["has_more"] is True


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ({"limit": "0"}, "limit", "integer_below_min_value"),
        ({"limit": "10001"}, "limit", "integer_above_max_value"),
        ({"limit": "many"}, "limit", "invalid_type"),
        ({"order": "up"}, "order", "invalid_value"),
        ({"after": "file-unknown"}, "after", "invalid_value"),
    ],
)
async def test_wrong_list_parameters_are_refused(
    http: httpx2.AsyncClient, query: dict[str, str], param: str, code: str
) -> None:
    response = await http.get("/files", params=query)
    error = response.json()["error"]
    assert response.status_code == 400
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({}, "purpose"),
        ({"purpose": "fun"}, "purpose"),
        ({"purpose": "batch", "expires_after[seconds]": "3600"}, "expires_after.anchor"),
        (
            {"purpose": "batch", "expires_after[anchor]": "created_at", "expires_after[seconds]": "60"},
            "expires_after.seconds",
        ),
        (
            {"purpose": "batch", "expires_after[anchor]": "now", "expires_after[seconds]": "3600"},
            "expires_after.anchor",
        ),
    ],
)
async def test_wrong_form_fields_are_refused(
    http: httpx2.AsyncClient, account: Account, form: dict[str, str], param: str
) -> None:
    response = await http.post("/files", data=form, files={"file": ("in.jsonl", CONTENT)})
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert account.files == {}


@pytest.mark.parametrize("content", [b"", b"no json\n{}", b"[1]", b"\xef\xbb\xbf{}", b"[" * 100_000])
async def test_a_first_line_that_is_no_object_is_refused(client: AsyncOpenAI, content: bytes) -> None:
    with pytest.raises(openai.BadRequestError):
        await upload(client, content)


async def test_later_lines_are_not_looked_at(client: AsyncOpenAI) -> None:
    assert (await upload(client, b"{}\nno json")).status == "processed"


async def test_another_extension_is_refused_twice_over(http: httpx2.AsyncClient) -> None:
    response = await http.post("/files", data={"purpose": "batch"}, files={"file": ("in.txt", CONTENT)})
    message = "Invalid file format for Batch API. Must be .jsonl"
    assert response.status_code == 400
    assert response.json()["error"]["message"] == message
    assert response.json()["detail"] == {"message": message, "code": None}


@pytest.mark.parametrize("limit", ["max_file_bytes", "max_batch_file_bytes"])
async def test_a_file_that_is_too_large_is_refused(client: AsyncOpenAI, account: Account, limit: str) -> None:
    account.configure(**{limit: len(CONTENT) - 1})
    with pytest.raises(openai.BadRequestError, match=r"File is too large\."):
        await upload(client, CONTENT)
    account.configure(**{limit: len(CONTENT)})
    await upload(client, CONTENT)


async def test_a_key_is_needed_and_may_be_any(address: str, client: AsyncOpenAI, account: Account) -> None:
    async with plain_http(base_url=f"{address}/east/v1") as nobody:
        refused = await nobody.get("/files")
    assert refused.status_code == 401
    assert refused.json()["error"]["code"] == "invalid_api_key"
    await client.files.list()
    account.configure(api_keys=["another"])
    with pytest.raises(openai.AuthenticationError):
        await client.files.list()


async def test_answers_carry_openais_headers(http: httpx2.AsyncClient) -> None:
    first, second = await http.get("/files"), await http.get("/files/file-x")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    for headers in (first.headers, second.headers):
        assert headers["openai-version"] == "2020-10-01"
        assert int(headers["openai-processing-ms"]) >= 0
        assert headers["openai-organization"] == "org-simulator"
        for what in ("requests", "tokens"):
            assert {f"x-ratelimit-{part}-{what}" for part in ("limit", "remaining", "reset")} <= set(headers)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/models", 404), ("PUT", "/files", 405)])
async def test_unknown_paths_and_methods_answer_in_openais_shape(
    http: httpx2.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await http.request(method, path)
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


async def test_the_journal_tells_who_sent_what(
    client: AsyncOpenAI, simulator: Simulator, account: Account
) -> None:
    file = await upload(client, CONTENT)
    await download(client, file.id)
    await client.files.list(limit=5)
    sent, read, listed = simulator.journal
    assert (sent.seq, sent.call, sent.account, sent.object_id) == (1, "upload_file", "east", file.id)
    assert (sent.filename, sent.bytes) == ("input.jsonl", len(CONTENT))
    assert sent.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert sent.request == {"purpose": "batch"}
    assert (sent.status, sent.done, sent.api_key) == (200, True, "key-east")
    assert (read.call, read.object_id, read.bytes) == ("stream_file", file.id, len(CONTENT))
    assert listed.request == {"limit": "5"}
    assert await account.content(file.id) == CONTENT
