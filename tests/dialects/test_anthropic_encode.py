"""What becomes of requests at Anthropic."""

from __future__ import annotations

import json
from typing import Any

import pytest

from litebatch_asgi.dialects.anthropic import AnthropicDialect, ClaudeModel
from litebatch_asgi.dialects.anthropic.model import ADAPTIVE
from litebatch_asgi.errors import Problem
from tests.dialects.anthropic_rules import check_line
from tests.dialects.requests import EMBEDDINGS, HELLO, PIXEL, WEATHER, call, called, line, result

CLAUDE = AnthropicDialect(ClaudeModel.named("claude-sonnet-4-5", max_tokens=1000))
PDF = "data:application/pdf;base64,AAAA"
NAMED = {"type": "function", "function": {"name": "weather"}}


def sent(dialect: AnthropicDialect = CLAUDE, **body: Any) -> dict[str, Any]:
    encoded = dialect.encode(line(**body), 46)
    assert isinstance(encoded, bytes), encoded
    params: dict[str, Any] = check_line(encoded)["params"]
    return params


def problem(dialect: AnthropicDialect = CLAUDE, **body: Any) -> tuple[str, str]:
    encoded = dialect.encode(line(**body), 3)
    assert isinstance(encoded, Problem), encoded
    assert encoded.line == 3
    return str(encoded.param).removeprefix("body."), encoded.message


def test_a_line() -> None:
    encoded = CLAUDE.encode(line(), 46)
    assert isinstance(encoded, bytes)
    assert json.loads(encoded) == {
        "custom_id": "r1a",
        "params": {
            "model": "claude-sonnet-4-5",
            "max_tokens": 1000,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        },
    }


def test_how_long_an_answer_may_be_must_be_known() -> None:
    unlimited = AnthropicDialect(ClaudeModel.named("claude-sonnet-4-5"))
    assert problem(unlimited)[0] == "max_completion_tokens"
    assert sent(unlimited, max_tokens=7)["max_tokens"] == 7
    assert sent(max_completion_tokens=7)["max_tokens"] == 7


def test_all_roles_and_parts() -> None:
    params = sent(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": PIXEL}},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a"}},
                    {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
                    {"type": "file", "file": {"file_data": "QUJD", "filename": "a.txt"}},
                ],
            },
            {"role": "user", "content": "Well?"},
            {"role": "assistant", "content": "A pixel."},
            {"role": "user", "content": "Try again."},
        ]
    )
    assert [block["text"] for block in params["system"]] == ["Be brief.", "Be kind."]
    first, second, _ = params["messages"]
    assert first["content"] == [
        {"type": "text", "text": "What is this?"},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": PIXEL.partition(",")[2]},
        },
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
            "title": "a.pdf",
        },
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "ABC"},
            "title": "a.txt",
        },
        {"type": "text", "text": "Well?"},
    ]
    assert second == {"role": "assistant", "content": [{"type": "text", "text": "A pixel."}]}


def test_calls_and_results() -> None:
    params = sent(
        tools=[WEATHER],
        messages=[
            *HELLO,
            called(call("ä b"), call("2", arguments="")),
            result("2", "rain"),
            result("ä b"),
            {"role": "user", "content": "So?"},
        ],
    )
    weather = {"type": "tool_use", "name": "weather"}
    assert params["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {**weather, "id": "call_1", "input": {"place": "Rome"}},
                {**weather, "id": "call_2", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "sunny"},
                {"type": "tool_result", "tool_use_id": "call_2", "content": "rain"},
                {"type": "text", "text": "So?"},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("choice", "parallel", "told"),
    [
        (None, None, None),
        ("auto", True, None),
        ("auto", False, {"type": "auto", "disable_parallel_tool_use": True}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
        ("required", True, {"type": "any"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        (NAMED, True, {"type": "tool", "name": "weather"}),
    ],
)
def test_tools(choice: object, parallel: bool | None, told: object) -> None:
    now: dict[str, Any] = {"type": "function", "function": {"name": "now", "strict": True}}
    params = sent(tools=[WEATHER, now], tool_choice=choice, parallel_tool_calls=parallel)
    assert params["tools"] == [
        {
            "name": "weather",
            "description": "The weather of a place",
            "input_schema": WEATHER["function"]["parameters"],
        },
        {"name": "now", "strict": True, "input_schema": {"type": "object", "additionalProperties": False}},
    ]
    assert params.get("tool_choice") == told


def test_parameters() -> None:
    params = sent(
        temperature=0.5,
        top_p=1,
        stop=["END"],
        user="someone",
        safety_identifier="hash",
        store=True,
        n=1,
        seed=None,
    )
    assert params["temperature"] == 0.5
    assert "top_p" not in params
    assert params["stop_sequences"] == ["END"]
    assert params["metadata"] == {"user_id": "hash"}
    assert params.keys() <= {"model", "max_tokens", "messages", "temperature", "stop_sequences", "metadata"}


def test_reasoning_by_a_budget_or_by_an_effort() -> None:
    assert sent(reasoning_effort="none")["thinking"] == {"type": "disabled"}
    params = sent(reasoning_effort="low", max_tokens=2000)
    assert params["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    assert "Allow more" in problem(reasoning_effort="low", max_tokens=1024)[1]
    adaptive = AnthropicDialect(ClaudeModel(name="claude-x", max_tokens=9, efforts=ADAPTIVE))
    params = sent(adaptive, reasoning_effort="max")
    assert params["thinking"] == {"type": "adaptive"}
    assert params["output_config"] == {"effort": "max"}
    assert problem(adaptive, reasoning_effort="minimal")[0] == "reasoning_effort"
    assert problem(adaptive, reasoning_effort="low", temperature=0.5)[0] == "reasoning_effort"
    assert problem(adaptive, reasoning_effort="low", tools=[WEATHER], tool_choice="required")[0]
    history = [*HELLO, called(call("a")), result("a")]
    assert sent(adaptive, reasoning_effort="low", tools=[WEATHER], messages=history)
    assert (
        "earlier reasoning"
        in problem(reasoning_effort="low", max_tokens=2000, tools=[WEATHER], messages=history)[1]
    )


def test_a_schema_for_answers() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": ["string", "null"]}},
        "required": ["a"],
        "additionalProperties": False,
    }
    told = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}}
    params = sent(response_format=told)
    nullable = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert params["output_config"] == {
        "format": {"type": "json_schema", "schema": {**schema, "properties": {"a": nullable}}}
    }
    other = AnthropicDialect(ClaudeModel.named("claude-x", max_tokens=9))
    assert problem(other, response_format=told)[0] == "response_format.type"
    open_ = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    place = "response_format.json_schema.schema.additionalProperties"
    assert problem(response_format=open_)[0] == place


@pytest.mark.parametrize(
    ("body", "param", "word"),
    [
        ({"temperature": 1.5}, "temperature", "end at 1"),
        ({"temperature": 0.5, "top_p": 0.5}, "top_p", "either"),
        ({"n": 2}, "n", "more lines"),
        ({"seed": 1}, "seed", "repeated"),
        ({"logprobs": True}, "logprobs", "probabilities"),
        ({"frequency_penalty": 1}, "frequency_penalty", "penalise"),
        ({"response_format": {"type": "json_object"}}, "response_format.type", "json_schema"),
        ({"stop": [" "]}, "stop", "blank"),
        ({"user": "u" * 300}, "user", "256"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages[0].content", "blank"),
        ({"messages": [{"role": "assistant", "content": "x"}, *HELLO]}, "messages", "first"),
        ({"messages": [*HELLO, called(call("a")), result("a")]}, "tools", "Missing"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "gs://a/b.png"}}]}
                ]
            },
            "messages[0].content[0].image_url.url",
            "https://",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
                        ],
                    }
                ]
            },
            "messages[0].content[0].input_audio.data",
            "audio/wav",
        ),
        (
            {
                "tools": [WEATHER],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}},
            },
            "tool_choice",
            "limit",
        ),
    ],
)
def test_what_cannot_be_had(body: dict[str, Any], param: str, word: str) -> None:
    place, message = problem(**body)
    assert place == param
    assert word in message


def test_embeddings_are_refused() -> None:
    encoded = CLAUDE.encode(line(EMBEDDINGS, input="a"), 3)
    assert isinstance(encoded, Problem)
    assert encoded.param == "url"
