"""What becomes of the rows of Mistral."""

from __future__ import annotations

import json
from typing import Any

import pytest

from litebatch_asgi.dialects.mistral import MistralDialect, MistralModel
from tests.dialects.rows import check_row

DIALECT = MistralDialect(MistralModel(name="mistral-x"), names={"mistral-x": "virtual"})


def row_of(response: Any, error: Any = None) -> dict[str, Any]:
    told = {"id": "batch-0f", "custom_id": "r1a", "response": response, "error": error}
    answer = DIALECT.decode(json.dumps(told).encode())
    assert answer.line == 46
    row = answer.row("my id", job="job_lb0-0-1", line=46, created=1_790_000_000)
    check_row(row, "my id")
    read: dict[str, Any] = json.loads(row)
    return read


def choice(content: Any = "Hi", reason: str = "stop", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "tool_calls": None, "prefix": False, **more}
    return {"index": 0, "message": message, "finish_reason": reason}


def body_of(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {
        "id": "0f9e8d7c",
        "object": "chat.completion",
        "model": "mistral-x-2603",
        "created": 1_780_000_000,
    }
    row = row_of({"status_code": 200, "body": {**body, "choices": list(choices), **more}})
    told: dict[str, Any] = row["response"]["body"]
    return told


def test_an_answer() -> None:
    usage = {
        "prompt_tokens": 45,
        "completion_tokens": 20,
        "total_tokens": 65,
        "prompt_tokens_details": {"cached_tokens": 30},
        "prompt_audio_seconds": None,
    }
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}, {"type": "text", "text": "m."}]},
        {"type": "text", "text": "Hel"},
        {"type": "reference", "reference_ids": [1]},
        {"type": "text", "text": "lo"},
    ]
    body = body_of(choice(content), usage=usage)
    assert body.pop("id").startswith("chatcmpl-")
    assert body == {
        "object": "chat.completion",
        "created": 1_780_000_000,
        "model": "mistral-x-2603",
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
            "prompt_tokens_details": {"cached_tokens": 30, "audio_tokens": 0},
        },
    }


@pytest.mark.parametrize("arguments", ['{"place":"Rome"}', {"place": "Rome"}])
def test_calls_get_ids_of_ours(arguments: Any) -> None:
    call = {"id": "D681PevKs", "function": {"name": "weather", "arguments": arguments}, "index": 0}
    body = body_of(choice("", "tool_calls", tool_calls=[call]))
    (told,) = body["choices"]
    assert told["finish_reason"] == "tool_calls"
    assert told["message"]["content"] is None
    (made,) = told["message"]["tool_calls"]
    assert made["id"].startswith("call_")
    assert made["function"] == {"name": "weather", "arguments": '{"place":"Rome"}'}
    assert "D681PevKs" not in json.dumps(body)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", "stop"),
        ("tool_calls", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("something_new", "content_filter"),
    ],
)
def test_finish_reasons(reason: str, finish: str) -> None:
    (told,) = body_of(choice("Hi", reason))["choices"]
    assert told["finish_reason"] == finish
    assert told["message"]["content"] == "Hi"


def test_an_answer_that_broke_off_failed() -> None:
    row = row_of({"status_code": 200, "body": {"choices": [choice(), choice("Hal", "error")]}})
    assert row["response"]["status_code"] == 500
    assert "broke off" in row["response"]["body"]["error"]["message"]


def test_probabilities_of_tokens() -> None:
    told = {"token": "é", "logprob": -0.5, "bytes": [195, 169], "token_id": 7}
    (read,) = body_of({**choice(), "logprobs": {"content": [{**told, "top_logprobs": [told]}]}})["choices"]
    one = {"token": "é", "logprob": -0.5, "bytes": [195, 169]}
    assert read["logprobs"] == {"content": [{**one, "top_logprobs": [one]}], "refusal": None}


def test_several_choices_keep_their_order() -> None:
    body = body_of(choice("a"), choice("b"))
    assert [each["message"]["content"] for each in body["choices"]] == ["a", "b"]


def test_embeddings_come_in_the_order_of_their_inputs() -> None:
    data = [
        {"object": "embedding", "embedding": [0.5, 1], "index": 1},
        {"object": "embedding", "embedding": [0.25, 2], "index": 0},
    ]
    body = {"object": "list", "data": data, "model": "mistral-embed", "usage": {"prompt_tokens": 4}}
    read = row_of({"status_code": 200, "body": body})["response"]["body"]
    assert read == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.25, 2]},
            {"object": "embedding", "index": 1, "embedding": [0.5, 1]},
        ],
        "model": "mistral-embed",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }


MESSAGE = "Tool call id was a but must be a-z, A-Z, 0-9, with a length of 9."
DETAIL = [
    {"type": "less_than_equal", "loc": ["body", "temperature"], "msg": "Input should be 1.5", "input": 9},
    {"type": "missing", "loc": ["body", "messages", 0, "user", "content"], "msg": "Field required"},
]
WORDS = "body.temperature: Input should be 1.5; body.messages[0].user.content: Field required"


@pytest.mark.parametrize(
    ("status", "body", "type_", "code", "message"),
    [
        (
            400,
            {"object": "error", "message": MESSAGE, "type": "invalid_function_call", "code": "3280"},
            "invalid_request_error",
            "invalid_function_call",
            MESSAGE,
        ),
        (
            422,
            {"object": "error", "message": {"detail": DETAIL}, "type": "invalid_request_error"},
            "invalid_request_error",
            "invalid_request_error",
            WORDS,
        ),
        (422, {"detail": DETAIL}, "invalid_request_error", "provider_error", WORDS),
        (401, {"detail": "Invalid API Key"}, "authentication_error", "provider_error", "Invalid API Key"),
        (429, {"message": "Requests rate limit exceeded"}, "requests", "provider_error", None),
        (500, {}, "server_error", "provider_error", "The provider tells no reason."),
        (400, {"message": "Model mistral-x is busy"}, "invalid_request_error", "provider_error", None),
    ],
)
def test_failures(status: int, body: Any, type_: str, code: str, message: str | None) -> None:
    """The body of a failed request is a string with the JSON in it."""
    row = row_of({"status_code": status, "body": json.dumps(body)})
    assert row["response"]["status_code"] == status
    error = row["response"]["body"]["error"]
    assert error["type"] == type_
    assert error["code"] == code
    assert message is None or error["message"] == message
    assert row == row_of({"status_code": status, "body": body})


def test_what_is_private_stays_so() -> None:
    text = "Model mistral-x of file 0b1c2d3e-1111-2222-3333-444455556666 at api.mistral.ai is gone"
    row = row_of({"status_code": 400, "body": json.dumps({"message": text})})
    assert row["response"]["body"]["error"]["message"] == "Model virtual of file [id] at [address] is gone"


@pytest.mark.parametrize("error", ["rate limited", {"message": "rate limited"}])
def test_an_error_beside_the_response_counts(error: Any) -> None:
    row = row_of({"status_code": 429, "body": None}, error)
    assert row["response"]["status_code"] == 429
    assert row["response"]["body"]["error"]["message"] == "rate limited"
    assert row_of(None, error)["response"]["status_code"] == 500


def test_words_that_are_no_json() -> None:
    row = row_of({"status_code": 503, "body": "upstream connect error"})
    assert row["response"]["body"]["error"]["message"] == "upstream connect error"


SENSELESS: list[Any] = [
    None,
    {},
    {"status_code": 200, "body": "yes"},
    {"status_code": 200, "body": {"choices": []}},
    {"status_code": 200, "body": {"choices": [choice([{"type": "image_url"}])]}},
    {"status_code": 200, "body": {"choices": [choice([{"type": "text", "text": 1}])]}},
    {"status_code": 200, "body": {"choices": [choice(7)]}},
    {"status_code": 200, "body": {"choices": [choice(tool_calls=[{"function": {"name": "a"}}])]}},
    {"status_code": 200, "body": {"choices": [choice(tool_calls=[{"function": {"arguments": "{}"}}])]}},
    {"status_code": 200, "body": {"data": [{"embedding": ["x"]}]}},
    {"status_code": 200, "body": {"data": []}},
]


@pytest.mark.parametrize("response", SENSELESS)
def test_what_makes_no_sense_is_an_error_row(response: Any) -> None:
    assert row_of(response)["response"]["status_code"] == 502


def test_a_row_of_somebody_else() -> None:
    assert DIALECT.decode(b'{"custom_id":"request-1","response":null}').line is None
    assert DIALECT.decode(b"no row").line is None
