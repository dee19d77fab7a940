"""Whatever a line or a row holds: lines become what Mistral takes or a problem, rows become rows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion

from litebatch_asgi.dialects import surrogate
from litebatch_asgi.dialects.mistral import MistralDialect, MistralModel
from litebatch_asgi.errors import Problem
from tests.dialects.mistral_rules import check_line
from tests.dialects.requests import EMBEDDINGS, chats, embeddings, line, values
from tests.dialects.rows import check_row, mistral_rows
from tests.dialects.sorts import ALL_SORTS

MISTRAL = MistralDialect(MistralModel.named("mistral-small-latest"))
NAMES = ["messages", "tools", "response_format", "stop", "metadata", "temperature", "tool_choice", "n"]


def check_encoded(source: bytes, number: int) -> None:
    encoded = MISTRAL.encode(source, number)
    if isinstance(encoded, Problem):
        assert encoded.line == number
        assert encoded.param is not None
        assert encoded.param in encoded.message or encoded.param.removeprefix("body.") in encoded.message
        return
    assert check_line(encoded)["custom_id"] == surrogate(number)


@ALL_SORTS
@given(st.one_of(chats(), embeddings()), st.integers(1, 10**9))
def test_a_request_is_taken_by_the_provider_or_refused_with_a_reason(source: bytes, number: int) -> None:
    check_encoded(source, number)


@ALL_SORTS
@given(st.one_of(st.binary(), values.map(lambda value: json.dumps(value).encode())))
def test_what_is_no_line_is_a_problem(source: bytes) -> None:
    assert isinstance(MISTRAL.encode(source, 1), Problem)


@ALL_SORTS
@given(st.dictionaries(st.sampled_from(NAMES), values))
def test_values_of_any_kind_are_a_problem_or_taken(body: dict[str, Any]) -> None:
    check_encoded(line(**body), 5)


@ALL_SORTS
@given(st.dictionaries(st.sampled_from(["input", "dimensions"]), values))
def test_so_are_those_of_embeddings(body: dict[str, Any]) -> None:
    check_encoded(line(EMBEDDINGS, **body), 5)


@ALL_SORTS
@given(st.one_of(st.binary(), mistral_rows()))
def test_every_row_becomes_a_row(source: bytes) -> None:
    answer = MISTRAL.decode(source)
    row = answer.row("my id", job="job_lb0-0-1", line=3, created=1_790_000_000)
    body = check_row(row, "my id")
    if body is not None:
        if body["object"] == "chat.completion":
            ChatCompletion.model_validate(body)
        else:  # OpenAI always tells a usage; that nothing is known of it is told by leaving it out
            told = {"usage": {"prompt_tokens": 0, "total_tokens": 0}, **body}
            CreateEmbeddingResponse.model_validate(told)
    assert row == answer.row("my id", job="job_lb0-0-1", line=3, created=1_790_000_000)


def call(call_id: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "a", "arguments": "{}"}}


HELLO = {"role": "user", "content": "x"}
WRONG: list[dict[str, Any]] = [
    {"model": "m"},
    {"seed": 1},
    {"temperature": 1.6},
    {"temperature": 0, "top_p": 0.5},
    {"max_tokens": True},
    {"random_seed": -1},
    {"max_completion_tokens": 5},
    {"messages": []},
    {"messages": [{"role": "developer", "content": "x"}]},
    {"messages": [{**HELLO, "name": "x"}]},
    {"messages": [HELLO, {"role": "assistant", "content": "x"}]},
    {"messages": [HELLO, {"role": "assistant", "tool_calls": [call("call_12345")]}]},
    {"messages": [HELLO, {"role": "assistant", "tool_calls": [call("123456789")]}, HELLO]},
    {"messages": [{"role": "user", "content": [{"type": "text", "txt": "x"}]}]},
    {"tool_choice": "any"},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_the_stand_in_is_strict(wrong: dict[str, Any]) -> None:
    body: dict[str, Any] = {"messages": [HELLO]}
    check_line(json.dumps({"custom_id": "r1", "body": body}).encode())
    with pytest.raises((AssertionError, KeyError, IndexError)):
        check_line(json.dumps({"custom_id": "r1", "body": {**body, **wrong}}).encode())
