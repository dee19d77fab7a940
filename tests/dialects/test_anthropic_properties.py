"""Whatever a line or a row holds: lines become what Anthropic takes or a problem, rows become rows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion

from litebatch_asgi.dialects import surrogate
from litebatch_asgi.dialects.anthropic import AnthropicDialect, ClaudeModel
from litebatch_asgi.dialects.anthropic.model import ADAPTIVE
from litebatch_asgi.errors import Problem
from litebatch_asgi.simulator.anthropic_rules import why_no_schema
from tests.dialects.anthropic_rules import check_line
from tests.dialects.requests import chats, line, values
from tests.dialects.rows import anthropic_rows, check_row
from tests.dialects.sorts import ALL_SORTS

BUDGETS = AnthropicDialect(ClaudeModel.named("claude-sonnet-4-5", max_tokens=30_000))
EFFORTS = AnthropicDialect(ClaudeModel(name="claude-x", max_tokens=500, efforts=ADAPTIVE))


def check_encoded(dialect: AnthropicDialect, source: bytes, number: int) -> None:
    encoded = dialect.encode(source, number)
    if isinstance(encoded, Problem):
        assert encoded.line == number
        assert encoded.param is not None
        assert encoded.param in encoded.message or encoded.param.removeprefix("body.") in encoded.message
        return
    assert check_line(encoded)["custom_id"] == surrogate(number)


@ALL_SORTS
@given(st.sampled_from([BUDGETS, EFFORTS]), chats(), st.integers(1, 10**9))
def test_a_chat_is_taken_by_the_provider_or_refused_with_a_reason(
    dialect: AnthropicDialect, source: bytes, number: int
) -> None:
    check_encoded(dialect, source, number)


@ALL_SORTS
@given(st.one_of(st.binary(), values.map(lambda value: json.dumps(value).encode())))
def test_what_is_no_line_is_a_problem(source: bytes) -> None:
    assert isinstance(BUDGETS.encode(source, 1), Problem)


@ALL_SORTS
@given(st.dictionaries(st.sampled_from(["messages", "tools", "response_format", "stop", "user"]), values))
def test_values_of_any_kind_are_a_problem_or_taken(body: dict[str, Any]) -> None:
    check_encoded(BUDGETS, line(**body), 5)


@ALL_SORTS
@given(st.one_of(st.binary(), anthropic_rows()))
def test_every_row_becomes_a_row(source: bytes) -> None:
    answer = BUDGETS.decode(source)
    row = answer.row("my id", job="job_lb0-0-1", line=3, created=1_790_000_000)
    body = check_row(row, "my id")
    if body is not None:
        ChatCompletion.model_validate(body)
    assert row == answer.row("my id", job="job_lb0-0-1", line=3, created=1_790_000_000)


WRONG: list[dict[str, Any]] = [
    {"max_tokens": True},
    {"foo": 2},
    {"messages": [{"role": "tool", "content": []}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "txt": "x"}]}]},
    {"tool_choice": {"type": "tool"}},
    {"stop_sequences": "x"},
    {"system": None},
    {"temperature": 1.5},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_the_stand_in_is_strict(wrong: dict[str, Any]) -> None:
    hello = [{"role": "user", "content": [{"type": "text", "text": "x"}]}]
    params: dict[str, Any] = {"model": "m", "max_tokens": 1, "messages": hello}
    check_line(json.dumps({"custom_id": "r1", "params": params}).encode())
    with pytest.raises(AssertionError):
        check_line(json.dumps({"custom_id": "r1", "params": {**params, **wrong}}).encode())


def test_its_schemas_are_strict() -> None:
    assert why_no_schema({"type": "object"}, "here") is not None
