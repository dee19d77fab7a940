"""What becomes of the rows of Vertex AI."""

from __future__ import annotations

import json
from typing import Any

import pytest

from litebatch_asgi.dialects.vertex import GeminiModel, VertexDialect
from litebatch_asgi.jsonl.rows import read_rows
from tests.dialects.rows import check_row

DIALECT = VertexDialect(GeminiModel(name="gemini-x"), names={"acme-prod": "the project"})


def row_of(response: Any = None, status: str = "", **more: Any) -> dict[str, Any]:
    told = {"status": status, "custom_id": "r1a", "response": response, **more}
    answer = DIALECT.decode(json.dumps(told).encode())
    assert answer.line == 46
    row = answer.row("my id", job="job_lb0-0-1", line=46, created=1_790_000_000)
    check_row(row, "my id")
    read: dict[str, Any] = json.loads(row)
    return read


def body_of(response: Any, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = row_of(response, **more)["response"]["body"]
    return body


def candidate(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"content": {"role": "model", "parts": list(parts)}, "finishReason": "STOP", **more}


def test_an_answer() -> None:
    usage = {
        "promptTokenCount": 100,
        "toolUsePromptTokenCount": 10,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 5,
        "cachedContentTokenCount": 40,
        "totalTokenCount": 135,
        "promptTokensDetails": [
            {"modality": "AUDIO", "tokenCount": 30},
            {"modality": "IMAGE", "tokenCount": 7},
        ],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 20}],
    }
    response = {
        "candidates": [candidate({"text": "Hmm.", "thought": True}, {"text": "Hel"}, {"text": "lo"})],
        "usageMetadata": usage,
        "modelVersion": "gemini-2.5-flash",
        "responseId": "provider-id",
    }
    row = row_of(response, processed_time="2026-11-01T18:13:16.826+00:00")
    assert "provider-id" not in json.dumps(row)
    body = row["response"]["body"]
    assert body.pop("id").startswith("chatcmpl-")
    assert body == {
        "object": "chat.completion",
        "created": 1793556796,
        "model": "gemini-2.5-flash",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hello",
                    "refusal": None,
                    "reasoning_content": "Hmm.",
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 110,
            "completion_tokens": 25,
            "total_tokens": 135,
            "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 10, "image_tokens": 7},
            "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 0, "image_tokens": 0},
        },
    }
    (read,) = read_rows([json.dumps(row).encode()])
    assert read is not None
    assert read.is_executed


def test_calls_get_ids_of_ours_that_stay_the_same() -> None:
    response = {
        "candidates": [
            candidate(
                {"functionCall": {"id": "theirs", "name": "weather", "args": {"place": "Rome"}}},
                {"functionCall": {"name": "now"}, "thoughtSignature": "AA=="},
            )
        ]
    }
    choice = body_of(response)["choices"][0]
    assert choice == body_of(response)["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    calls = choice["message"]["tool_calls"]
    assert [one["function"] for one in calls] == [
        {"name": "weather", "arguments": '{"place":"Rome"}'},
        {"name": "now", "arguments": "{}"},
    ]
    assert len({one["id"] for one in calls}) == 2
    assert all(one["id"].startswith("call_") for one in calls)


def test_a_blocked_prompt_is_an_answer_with_its_usage() -> None:
    feedback = {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "their words"}
    body = body_of({"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 9}})
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "content_filter"
    assert choice["message"]["content"] is None
    assert choice["message"]["refusal"] == "The provider blocked this prompt: prohibited content."
    assert body["usage"]["prompt_tokens"] == 9
    assert body["model"] == "gemini-x"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("OTHER", "content_filter"),
        ("SPII", "content_filter"),
        ("SOMETHING_NEW", "content_filter"),
    ],
)
def test_finish_reasons(reason: str, finish: str) -> None:
    (choice,) = body_of({"candidates": [candidate({"text": "Hi"}, finishReason=reason)]})["choices"]
    assert choice["finish_reason"] == finish
    assert choice["message"]["content"] == "Hi"


@pytest.mark.parametrize(
    "response",
    [
        {"candidates": [candidate(finishReason="MALFORMED_FUNCTION_CALL")]},
        {"candidates": [candidate({"functionCall": {"args": {}}})]},
        {"candidates": [candidate({"functionCall": {"name": "a", "args": [1]}})]},
        {"candidates": [candidate({"inlineData": {"mimeType": "image/png"}})]},
        {"responseId": "x"},
        {},
        None,
        "text",
    ],
)
def test_what_makes_no_sense_is_an_error_row(response: Any) -> None:
    told = row_of(response)["response"]
    assert told["status_code"] == 502
    assert told["body"]["error"]["code"] == "malformed_answer"


def test_logprobs() -> None:
    result = {
        "chosenCandidates": [{"token": "Hé", "tokenId": 5, "logProbability": -0.25}],
        "topCandidates": [{"candidates": [{"token": "H", "logProbability": -1}]}],
    }
    (choice,) = body_of({"candidates": [candidate({"text": "Hé"}, logprobsResult=result)]})["choices"]
    assert choice["logprobs"] == {
        "content": [
            {
                "token": "Hé",
                "bytes": [72, 195, 169],
                "logprob": -0.25,
                "top_logprobs": [{"token": "H", "bytes": [72], "logprob": -1}],
            }
        ],
        "refusal": None,
    }


def test_several_choices() -> None:
    body = body_of({"candidates": [candidate({"text": "a"}), candidate({"text": "b"}, index=1)]})
    assert [(one["index"], one["message"]["content"]) for one in body["choices"]] == [(0, "a"), (1, "b")]


def test_a_failed_row_tells_status_and_reason_without_what_is_private() -> None:
    error = {
        "code": 400,
        "message": "Invalid model projects/acme-prod/locations/us-central1/models/7 of acme-prod",
        "status": "INVALID_ARGUMENT",
    }
    told = row_of(status=f"Bad Request: {json.dumps({'error': error})}")["response"]
    assert told["status_code"] == 400
    assert told["body"]["error"] == {
        "message": "Invalid model [id] of the project",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_argument",
    }


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("Internal error", 500),
        ("Too Many Requests: slow down", 429),
        ('{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}', 429),
        ('Failed: {"code":3,"message":"no"}', 400),
        ('{"error":{"status":"UNAVAILABLE"}}', 503),
        ('{"error":{"code":"x","status":5}}', 500),
        ("{", 500),
    ],
)
def test_other_failures(status: str, code: int) -> None:
    assert row_of(status=status)["response"]["status_code"] == code


def test_a_request_that_was_not_run() -> None:
    row = row_of(status='{"error":{"code":499,"status":"CANCELLED"}}')
    assert row["response"] is None
    assert row["error"]["code"] == "batch_cancelled"


def test_a_models_resource_name_stays_private() -> None:
    response = {"candidates": [candidate({"text": "a"})], "modelVersion": "projects/1/locations/l/models/2@1"}
    assert body_of(response)["model"] == "gemini-x"


def test_embeddings() -> None:
    response = {"embedding": {"values": [0.5, -1]}, "usageMetadata": {"promptTokenCount": 4}}
    assert body_of(response) == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -1]}],
        "model": "gemini-x",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    assert row_of({"embedding": {"values": []}})["response"]["status_code"] == 502


def test_what_is_no_row() -> None:
    for text in (b"", b"no JSON", b"[1]", b'"x"', b"\xff", b"[" * 10_000):
        answer = DIALECT.decode(text)
        assert answer.line is None
        assert answer.echo is None
        check_row(answer.row("my id", job="j", line=1, created=0), "my id")


def test_half_a_surrogate_pair_and_no_number_do_not_break_a_row() -> None:
    text = (
        rb'{"custom_id":"r1","response":{"candidates":[{"content":{"parts":[{"text":"\ud83d"}]},"n":NaN}]}}'
    )
    row = DIALECT.decode(text).row("my id", job="j", line=1, created=0)
    assert json.loads(row)["response"]["body"]["choices"][0]["message"]["content"] == "\ud83d"
