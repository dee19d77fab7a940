"""What becomes of the rows of Anthropic."""

from __future__ import annotations

import json
from typing import Any

import pytest

from litebatch_asgi.dialects.anthropic import AnthropicDialect, ClaudeModel
from tests.dialects.rows import check_row

DIALECT = AnthropicDialect(ClaudeModel(name="claude-x"))


def row_of(result: Any) -> dict[str, Any]:
    answer = DIALECT.decode(json.dumps({"custom_id": "r1a", "result": result}).encode())
    assert answer.line == 46
    row = answer.row("my id", job="job_lb0-0-1", line=46, created=1_790_000_000)
    check_row(row, "my id")
    read: dict[str, Any] = json.loads(row)
    return read


def body_of(*content: Any, stop_reason: str = "end_turn", **more: Any) -> dict[str, Any]:
    message = {"id": "msg_01", "model": "claude-x-1", "content": list(content), "stop_reason": stop_reason}
    row = row_of({"type": "succeeded", "message": {**message, **more}})
    body: dict[str, Any] = row["response"]["body"]
    return body


def test_an_answer() -> None:
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 30,
        "cache_creation_input_tokens": 5,
        "output_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 8},
        "service_tier": "batch",
    }
    body = body_of(
        {"type": "thinking", "thinking": "Hmm.", "signature": "AA=="},
        {"type": "text", "text": "Hel"},
        {"type": "text", "text": "lo"},
        usage=usage,
    )
    assert body.pop("id").startswith("chatcmpl-")
    assert body == {
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "claude-x-1",
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
            "prompt_tokens": 45,
            "completion_tokens": 20,
            "total_tokens": 65,
            "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 5, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 8, "audio_tokens": 0},
        },
    }


def test_calls_get_ids_of_ours() -> None:
    body = body_of(
        {"type": "tool_use", "id": "toolu_01", "name": "weather", "input": {"place": "Rome"}},
        stop_reason="tool_use",
    )
    (choice,) = body["choices"]
    (told,) = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert told["function"] == {"name": "weather", "arguments": '{"place":"Rome"}'}
    assert told["id"].startswith("call_")
    assert "toolu_" not in json.dumps(body)
    assert "msg_" not in json.dumps(body)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("tool_use", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("refusal", "content_filter"),
        ("something_new", "content_filter"),
    ],
)
def test_finish_reasons(reason: str, finish: str) -> None:
    (choice,) = body_of({"type": "text", "text": "Hi"}, stop_reason=reason)["choices"]
    assert choice["finish_reason"] == finish
    assert choice["message"]["content"] == "Hi"
    assert (choice["message"]["refusal"] is not None) is (reason == "refusal")


@pytest.mark.parametrize(
    ("kind", "status", "type_"),
    [
        ("invalid_request_error", 400, "invalid_request_error"),
        ("rate_limit_error", 429, "requests"),
        ("api_error", 500, "server_error"),
        ("overloaded_error", 529, "server_error"),
        ("new_error", 500, "server_error"),
    ],
)
def test_failures(kind: str, status: int, type_: str) -> None:
    error = {"type": kind, "message": "Batch msgbatch_01HkcTjaV5uDC8jWR4ZsDV8d is odd"}
    row = row_of(
        {"type": "errored", "error": {"type": "error", "error": error, "request_id": "req_011CPrivate"}}
    )
    assert row["response"]["status_code"] == status
    told = row["response"]["body"]["error"]
    assert told["message"] == "Batch [id] is odd"
    assert told["type"] == type_
    assert "req_011" not in json.dumps(row)


@pytest.mark.parametrize(("kind", "code"), [("canceled", "batch_cancelled"), ("expired", "batch_expired")])
def test_what_was_not_run(kind: str, code: str) -> None:
    row = row_of({"type": kind})
    assert row["response"] is None
    assert row["error"]["code"] == code


SENSELESS: list[Any] = [
    None,
    {},
    {"type": "succeeded"},
    {"type": "succeeded", "message": {"content": [{"type": "tool_use", "name": "a", "input": "x"}]}},
    {"type": "succeeded", "message": {"content": [{"type": "tool_use", "input": {}}]}},
    {"type": "succeeded", "message": {"content": [{"type": "server_tool_use"}]}},
]


@pytest.mark.parametrize("result", SENSELESS)
def test_what_makes_no_sense_is_an_error_row(result: Any) -> None:
    assert row_of(result)["response"]["status_code"] == 502


def test_a_row_of_somebody_else() -> None:
    assert DIALECT.decode(b'{"custom_id":"request-1","result":{"type":"expired"}}').line is None
    assert DIALECT.decode(b"no row").line is None
