"""What makes a batch fail, in the provider's words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account
from litebatch_asgi.simulator.objects import BatchProblem

from .journeys import CHAT, JSON, finished, jsonl, line, submit


def without(key: str) -> JSON:
    return {name: value for name, value in line("x").items() if name != key}


def problem(code: str, param: str | None, message: str, *, at: int | None = 2) -> BatchProblem:
    return BatchProblem(code=code, line=at, message=message, param=param)


MISSING = "missing_required_parameter"


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (b"{no", problem("invalid_json_line", None, "This line is not parseable as valid JSON.")),
        (b"[]", problem("invalid_json_line", None, "This line is not parseable as valid JSON.")),
        (b'"\xff"', problem("invalid_json_line", None, "This line is not parseable as valid JSON.")),
        (b"[" * 5000, problem("invalid_json_line", None, "This line is not parseable as valid JSON.")),
        *[
            (without(key), problem(MISSING, key, f"Missing required parameter: '{key}'."))
            for key in ("custom_id", "method", "url", "body")
        ],
        (
            line("x", messages=None),
            problem(MISSING, "body.messages", "Missing required parameter: 'body.messages'."),
        ),
        (
            line("first"),
            problem(
                "duplicate_custom_id",
                "custom_id",
                "The custom_id 'first' for this request is a duplicate of another request. "
                "The custom_id parameter must be unique for each request in a batch.",
            ),
        ),
        (
            line("x", url="/v1/responses"),
            problem(
                "invalid_url", "url", "The URL provided for this request does not match the batch endpoint."
            ),
        ),
        (
            line("x", model="gpt-5"),
            problem(
                "mismatched_model",
                "body.model",
                "The model 'gpt-5' for this request does not match the rest of the batch. "
                "Each batch must contain requests for a single model.",
            ),
        ),
        (
            line("x", model="unheard-of"),
            problem(
                "model_not_found",
                "body.model",
                "The provided model 'unheard-of' is not supported by the Batch API.",
            ),
        ),
        (line("x", model=None), problem("invalid_request", "body.model", "Model parameter is required.")),
        (
            line("x", stream=True),
            problem(
                "streaming_unsupported",
                "body.stream",
                "Chat Completions: Streaming is not supported in the Batch API.",
            ),
        ),
        (
            line("x") | {"method": "GET"},
            problem("invalid_value", "method", "Invalid value: 'GET'. Supported values are: 'POST'."),
        ),
        (
            line("x") | {"custom_id": 3},
            problem("invalid_type", "custom_id", "Invalid type for 'custom_id': expected a string."),
        ),
        (
            line("x") | {"body": "?"},
            problem("invalid_type", "body", "Invalid type for 'body': expected an object."),
        ),
    ],
)
async def test_a_bad_line_fails_the_batch(
    client: AsyncOpenAI, account: Account, bad: Any, expected: BatchProblem
) -> None:
    account.configure(models=["gpt-4o-mini", "gpt-5"])
    text = bad if isinstance(bad, bytes) else json.dumps(bad).encode()
    batch = await submit(client, jsonl(line("first")) + text + b"\n" + jsonl(line("last")))
    failed = await account.reached(batch.id)
    assert failed.status == "failed"
    assert failed.errors is not None
    assert failed.errors.data == (expected,)
    assert (failed.request_counts.total, failed.output_file_id, failed.error_file_id) == (0, None, None)


async def test_several_bad_lines_give_several_errors(client: AsyncOpenAI, account: Account) -> None:
    content = jsonl(without("method"), line("a"), without("url"), without("body")) + b"\n\nnope"
    batch = await finished(client, account, content)
    assert batch.errors is not None
    assert batch.errors.object == "list"
    assert [(error.line, error.param) for error in batch.errors.data or []] == [
        (1, "method"),
        (3, "url"),
        (4, "body"),
        (7, None),
    ]


async def test_blank_lines_crlf_and_a_missing_newline_are_accepted(
    client: AsyncOpenAI, account: Account
) -> None:
    lines = [json.dumps(line(name)).encode() for name in "abc"]
    batch = await finished(client, account, lines[0] + b"\r\n\r\n" + lines[1] + b"\n  \n" + lines[2])
    assert batch.request_counts is not None
    assert (batch.status, batch.request_counts.total) == ("completed", 3)


@pytest.mark.parametrize(("most", "status"), [(3, "completed"), (2, "failed")])
async def test_the_number_of_lines_is_limited(
    client: AsyncOpenAI, account: Account, most: int, status: str
) -> None:
    account.configure(max_lines=most)
    batch = await finished(client, account, jsonl(line("a"), line("b"), line("c")))
    assert batch.status == status


async def test_each_wrong_line_has_its_error(client: AsyncOpenAI, account: Account) -> None:
    batch = await finished(client, account, b"{}\n" * 300)
    assert batch.errors is not None
    assert [error.line for error in batch.errors.data or []] == list(range(1, 301))


@pytest.mark.parametrize(("endpoint", "prompt"), [("/v1/embeddings", "input"), ("/v1/completions", "prompt")])
async def test_each_endpoint_needs_its_prompt(
    client: AsyncOpenAI, account: Account, endpoint: str, prompt: str
) -> None:
    assert endpoint != CHAT
    batch = await finished(client, account, jsonl(line("a", url=endpoint)), endpoint=endpoint)
    assert batch.errors is not None
    assert [error.param for error in batch.errors.data or []] == [f"body.{prompt}"]
