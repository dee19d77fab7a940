"""Mistral's flavour, as its stock client meets it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from mistralai.client import Mistral
from mistralai.client.errors import MistralError
from mistralai.client.models import ChatCompletionResponse, EmbeddingResponse

from litebatch_asgi.simulator import Account, Fault, RowFaults

from .journeys import plain_http
from .mistral import CHAT, JSON, MODEL, finished, line, mistral_client, rows, submitted, uploaded

UNKNOWN = "0b1c2d3e-1111-2222-3333-444455556666"


@pytest.fixture
def account(account: Account) -> Account:
    account.configure(flavour="mistral")
    return account


@pytest.fixture
async def client(address: str, account: Account) -> AsyncIterator[Mistral]:
    async with mistral_client(address) as client:
        yield client


@pytest.fixture
async def http(address: str, account: Account) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"authorization": "Bearer key-1"}
    async with plain_http(base_url=f"{address}/east/v1", headers=headers) as client:
        yield client


async def test_a_journey(client: Mistral, account: Account) -> None:
    job = await finished(client, account, line("a") + line("b", "429") + line("c"), metadata={"k": "v"})
    assert (job.status, job.model, job.metadata) == ("SUCCESS", MODEL, {"k": "v"})
    assert job.object == "batch"
    told = (job.total_requests, job.completed_requests, job.succeeded_requests, job.failed_requests)
    assert told == (3, 3, 2, 1)
    assert job.started_at
    assert job.completed_at
    answered = {row["custom_id"]: row["response"] for row in await rows(client, job.output_file)}
    assert answered.keys() == {"a", "c"}
    read = ChatCompletionResponse.model_validate(answered["a"]["body"])
    assert read.model == MODEL
    assert read.choices[0].message is not None
    assert read.choices[0].message.content == "echo: hello a"
    (failed,) = await rows(client, job.error_file)
    assert failed["response"]["status_code"] == 429
    assert json.loads(failed["response"]["body"])["type"] == "rate_limited"


async def test_results_do_not_expire(client: Mistral, account: Account) -> None:
    job = await finished(client, account, line("a"))
    account.configure(clock_offset=10 * 365 * 86_400)
    file = await client.files.retrieve_async(file_id=str(job.output_file))
    assert (file.sample_type, file.source, file.deleted) == ("batch_result", "mistral", False)
    assert file.expires_at is None
    assert len(await rows(client, job.output_file)) == 1


async def test_custom_ids_may_be_missing_and_the_same(client: Mistral, account: Account) -> None:
    without = b'{"body": {"messages": [{"role": "user", "content": "x"}]}}\n'
    job = await finished(client, account, line("a") + line("a") + line(None) + without)
    assert sorted(str(row["custom_id"]) for row in await rows(client, job.output_file)) == [
        "None",
        "None",
        "a",
        "a",
    ]


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        (b'{"custom_id": "x", "method": "POST"}\n', "body.file.1"),
        (b'{"custom_id": 7, "body": {}}\n', "body.file.1.custom_id"),
        (b'{"custom_id": "x", "body": []}\n', "body.file.1.body"),
        (b"[]\n", "body.file.1"),
        (b"no json\n", "body.file.1"),
    ],
)
async def test_one_line_that_breaks_the_schema_refuses_the_file(
    http: httpx2.AsyncClient, account: Account, broken: bytes, place: str
) -> None:
    files = {"file": ("input.jsonl", line("a") + broken + line("b"))}
    answer = await http.post("/files", data={"purpose": "batch"}, files=files)
    assert answer.status_code == 422
    (problem,) = answer.json()["detail"]
    assert ".".join(map(str, problem["loc"])) == place
    assert problem["msg"]
    assert not account.files


USER: JSON = {"role": "user", "content": "x"}
CALL: JSON = {"id": "123456789", "function": {"name": "f", "arguments": "{}"}}
RESULT: JSON = {"role": "tool", "content": "x", "tool_call_id": "123456789"}
TOOL: JSON = {"type": "function", "function": {"name": "f", "parameters": {}}}


WRONG: list[tuple[JSON, int, str]] = [
    ({"seed": 1}, 422, "seed"),
    ({"max_completion_tokens": 1}, 422, "max_completion_tokens"),
    ({"temperature": 1.51}, 422, "1.5"),
    ({"random_seed": -1}, 422, "random_seed"),
    ({"messages": [{**USER, "name": "n"}]}, 422, "name"),
    ({"messages": [{"role": "developer", "content": "x"}]}, 422, "developer"),
    ({"messages": "x"}, 422, "messages"),
    ({"stream": True}, 400, "Streaming"),
    ({"temperature": 0, "top_p": 0.5}, 400, "greedy sampling"),
    ({"messages": []}, 400, "at least one"),
    ({"messages": [USER, {"role": "assistant", "content": "x"}]}, 400, "last role"),
    ({"messages": [RESULT]}, 400, "start with"),
    ({"messages": [USER, RESULT]}, 400, "Unexpected role 'tool' after role 'user'"),
    ({"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}, USER]}, 400, "Not the same number"),
    (
        {"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}, RESULT, USER]},
        400,
        "Unexpected role 'user' after role 'tool'",
    ),
    (
        {"messages": [USER, {"role": "assistant", "tool_calls": [{**CALL, "id": "call_1"}]}, RESULT]},
        400,
        "length of 9",
    ),
    ({"tool_choice": "any"}, 400, "tools"),
    ({"tools": [{**TOOL, "function": {"name": "a b", "parameters": {}}}]}, 400, "Function name"),
]


@pytest.mark.parametrize(("body", "status", "words"), WRONG)
async def test_a_body_that_is_wrong_is_a_row_of_its_own(
    client: Mistral, account: Account, body: JSON, status: int, words: str
) -> None:
    """The body of such a row is a string."""
    job = await finished(client, account, line("a") + line("b", **body))
    assert (job.status, job.succeeded_requests, job.failed_requests) == ("SUCCESS", 1, 1)
    (row,) = await rows(client, job.error_file)
    assert (row["custom_id"], row["response"]["status_code"]) == ("b", status)
    assert isinstance(row["response"]["body"], str)
    told = json.loads(row["response"]["body"])
    assert told["object"] == "error"
    assert words in json.dumps(told["message"])


async def test_all_that_its_schema_knows_is_taken(client: Mistral, account: Account) -> None:
    chunk: JSON = {"type": "image_url", "image_url": "https://example.com/a.png"}
    body: JSON = {
        "messages": [
            {"role": "system", "content": "x"},
            {"role": "user", "content": [{"type": "text", "text": "x"}, chunk]},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            RESULT,
        ],
        "temperature": 1.5,
        "top_p": 0.5,
        "max_tokens": 5,
        "random_seed": 3,
        "stop": "x",
        "n": 1,
        "tools": [TOOL],
        "tool_choice": "auto",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
        "safe_prompt": True,
    }
    job = await finished(client, account, line("a", **body))
    assert job.failed_requests == 0


async def test_thoughts_calls_and_reasons(client: Mistral, account: Account) -> None:
    content = (
        line("thought", reasoning_effort="high")
        + line("called", tools=[TOOL], tool_choice="any")
        + line("long", {"finish_reason": "model_length", "cached_tokens": 2})
    )
    job = await finished(client, account, content)
    read = {
        row["custom_id"]: ChatCompletionResponse.model_validate(row["response"]["body"])
        for row in await rows(client, job.output_file)
    }
    messages: dict[str, Any] = {name: each.choices[0].message for name, each in read.items()}
    assert [chunk.type for chunk in messages["thought"].content] == ["thinking", "text"]
    assert messages["called"].tool_calls[0].function.name == "f"
    assert len(messages["called"].tool_calls[0].id) == 9
    assert read["called"].choices[0].finish_reason == "tool_calls"
    assert read["long"].choices[0].finish_reason == "model_length"
    assert read["long"].usage.model_dump()["prompt_tokens_details"] == {"cached_tokens": 2}


async def test_embeddings(client: Mistral, account: Account) -> None:
    body = {"input": ["a", "b"], "output_dimension": 3}
    content = json.dumps({"custom_id": "a", "body": body}).encode() + b"\n" + line("b")
    job = await finished(client, account, content, endpoint="/v1/embeddings", model="mistral-embed")
    (row,) = await rows(client, job.output_file)
    read = EmbeddingResponse.model_validate(row["response"]["body"])
    assert [len(each.embedding or ()) for each in read.data] == [3, 3]
    assert job.failed_requests == 1


async def test_cancelling(client: Mistral, account: Account) -> None:
    account.configure(hold=["in_progress"])
    job = await submitted(client, line("a") + line("b"))
    assert job.status == "QUEUED"
    await account.reached(job.id, "in_progress")
    assert (await client.batch.jobs.get_async(job_id=job.id)).status == "RUNNING"
    assert (await client.batch.jobs.cancel_async(job_id=job.id)).status == "CANCELLATION_REQUESTED"
    await account.reached(job.id)
    job = await client.batch.jobs.get_async(job_id=job.id)
    assert (job.status, job.total_requests, job.completed_requests) == ("CANCELLED", 2, 1)
    assert len(await rows(client, job.output_file)) == 1
    assert job.error_file is None


async def test_a_job_ends_when_its_hours_are_over(client: Mistral, account: Account) -> None:
    account.configure(hold=["in_progress"])
    job = await submitted(client, line("a"), timeout_hours=2)
    await account.reached(job.id, "in_progress")
    account.configure(clock_offset=3600)
    assert (await client.batch.jobs.get_async(job_id=job.id)).status == "RUNNING"
    account.configure(clock_offset=7201)
    await account.reached(job.id)
    assert (await client.batch.jobs.get_async(job_id=job.id)).status == "TIMEOUT_EXCEEDED"


async def test_lists_have_numbered_pages(client: Mistral, account: Account) -> None:
    made = account.add_foreign_batches(5)
    pages = [await client.batch.jobs.list_async(page=number, page_size=2) for number in range(4)]
    assert [page.total for page in pages] == [5] * 4
    assert [job.id for page in pages for job in page.data or ()] == [each.id for each in reversed(made)]
    ids = [await uploaded(client, line(str(number))) for number in range(3)]
    files = await client.files.list_async(page=1, page_size=2)
    assert ([file.id for file in files.data], files.total) == ([ids[0]], 3)


async def test_deleting(client: Mistral, account: Account) -> None:
    job = await finished(client, account, line("a"))
    assert (await client.batch.jobs.delete_async(job_id=job.id)).deleted
    with pytest.raises(MistralError) as caught:
        await client.batch.jobs.get_async(job_id=job.id)
    assert caught.value.status_code == 404
    file_id = str(job.output_file)
    assert (await client.files.delete_async(file_id=file_id)).deleted
    with pytest.raises(MistralError):
        await client.files.retrieve_async(file_id=file_id)
    account.configure(hold=["in_progress"])
    job = await submitted(client, line("a"))
    with pytest.raises(MistralError):
        await client.batch.jobs.delete_async(job_id=job.id)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"input_files": [UNKNOWN]}, 404),
        ({"input_files": []}, 422),
        ({"input_files": None}, 422),
        ({"endpoint": "/v1/responses"}, 422),
        ({"metadata": {"k" * 33: "v"}}, 422),
        ({"metadata": {"k": ""}}, 422),
        ({"timeout_hours": 0}, 422),
        ({"model": "unknown"}, 400),
    ],
)
async def test_jobs_that_cannot_be(
    client: Mistral, account: Account, http: httpx2.AsyncClient, asked: JSON, status: int
) -> None:
    account.configure(models=[MODEL])
    job = {"input_files": [await uploaded(client, line("a"))], "endpoint": CHAT, "model": MODEL}
    answer = await http.post("/batch/jobs", json=job | asked)
    assert answer.status_code == status
    assert answer.json().keys() == {"detail"}
    assert not account.batches


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", f"/batch/jobs/{UNKNOWN}", 404, "No batch"),
        ("GET", f"/files/{UNKNOWN}", 404, "No such"),
        ("GET", "/batch/jobs/batch_1", 422, "uuid_parsing"),
        ("DELETE", "/files/file-1", 422, "uuid_parsing"),
        ("GET", "/batches", 404, "Not Found"),
        ("PUT", "/files", 405, "Method Not Allowed"),
    ],
)
async def test_errors_are_details(
    http: httpx2.AsyncClient, method: str, path: str, status: int, detail: str
) -> None:
    answer = await http.request(method, path)
    assert answer.status_code == status
    assert answer.json().keys() == {"detail"}
    assert detail in json.dumps(answer.json()["detail"])


async def test_keys(address: str, account: Account) -> None:
    account.configure(api_keys=["right"])
    async with plain_http(base_url=f"{address}/east/v1") as http:
        answer = await http.get("/files", headers={"authorization": "Bearer wrong"})
        assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid API Key"})
        assert (await http.get("/files")).status_code == 401
        assert (await http.get("/files", headers={"authorization": "Bearer right"})).status_code == 200


async def test_faults_strike_here_too(client: Mistral, account: Account) -> None:
    account.add_fault(Fault(call="create_batch", status=429, message="slow down"))
    with pytest.raises(MistralError, match="slow down") as caught:
        await submitted(client, line("a"))
    assert caught.value.status_code == 429
    assert "mistral-correlation-id" in caught.value.headers
    account.add_fault(Fault(call="run_batch", rows=RowFaults(lost=1, doubled=1, foreign=1)))
    job = await finished(client, account, line("a") + line("b") + line("c"))
    ids = [row["custom_id"] for row in await rows(client, job.output_file)]
    assert len(ids) == 4
    assert len(set(ids)) == 3
    assert "foreign-0" in ids
    account.add_fault(Fault(call="validate_batch", no_such_file=True))
    job = await finished(client, account, line("a"))
    assert job.status == "FAILED"
    assert [error.message for error in job.errors] == [f"Input file {job.input_files[0]} not found"]


async def test_the_summary_counts_its_jobs(client: Mistral, account: Account, simulator: Any) -> None:
    for _ in range(2):
        await submitted(client, line("a"), metadata={"litebatch_job": "job-1"})
    summary = simulator.summary()
    assert len(summary.twins()["job-1"]) == 2
    assert len(summary.files["input.jsonl"]) == 2
    entries = simulator.journal.select("create_batch", account="east")
    assert [entry.metadata for entry in entries] == [{"litebatch_job": "job-1"}] * 2
