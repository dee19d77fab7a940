"""What becomes of requests at Mistral."""

from __future__ import annotations

import json
from typing import Any

import pytest

from litebatch_asgi.dialects.mistral import MistralDialect, MistralModel
from litebatch_asgi.errors import Problem
from tests.dialects.mistral_rules import check_line
from tests.dialects.requests import CHAT, EMBEDDINGS, HELLO, PIXEL, WEATHER, call, called, line, result

MISTRAL = MistralDialect(MistralModel.named("mistral-small-latest"))
PDF = "data:application/pdf;base64,AAAA"
NAMED = {"type": "function", "function": {"name": "weather"}}


def sent(dialect: MistralDialect = MISTRAL, url: str = CHAT, **body: Any) -> dict[str, Any]:
    encoded = dialect.encode(line(url, **body), 46)
    assert isinstance(encoded, bytes), encoded
    told: dict[str, Any] = check_line(encoded)["body"]
    return told


def problem(dialect: MistralDialect = MISTRAL, url: str = CHAT, **body: Any) -> tuple[str, str]:
    encoded = dialect.encode(line(url, **body), 3)
    assert isinstance(encoded, Problem), encoded
    assert encoded.line == 3
    return str(encoded.param).removeprefix("body."), encoded.message


def test_a_line() -> None:
    encoded = MISTRAL.encode(line(), 46)
    assert isinstance(encoded, bytes)
    assert json.loads(encoded) == {
        "custom_id": "r1a",
        "body": {"messages": [{"role": "user", "content": "Hello"}]},
    }


def test_parameters_have_mistrals_names() -> None:
    body = sent(
        seed=7,
        max_completion_tokens=5,
        temperature=1,
        top_p=0.5,
        stop="END",
        n=2,
        presence_penalty=1,
        frequency_penalty=-1.5,
        logprobs=True,
        top_logprobs=3,
        metadata={"a": "b"},
    )
    del body["messages"]
    assert body == {
        "random_seed": 7,
        "max_tokens": 5,
        "temperature": 1,
        "top_p": 0.5,
        "stop": ["END"],
        "n": 2,
        "presence_penalty": 1,
        "frequency_penalty": -1.5,
        "logprobs": True,
        "top_logprobs": 3,
        "metadata": {"a": "b"},
    }


def test_what_says_nothing_is_left_out() -> None:
    body = sent(
        n=1,
        presence_penalty=0,
        frequency_penalty=0.0,
        logprobs=False,
        parallel_tool_calls=True,
        response_format={"type": "text"},
        user="someone",
        safety_identifier="hash",
        store=True,
        prompt_cache_key="k",
        seed=None,
        stop=[],
    )
    assert body.keys() == {"messages"}


@pytest.mark.parametrize("told", [{}, {"top_p": 0.9}, {"top_p": 1}])
def test_the_likeliest_token_is_asked_for_as_mistral_wants_it(told: dict[str, Any]) -> None:
    assert sent(temperature=0, **told)["top_p"] == 1
    assert "top_p" not in sent(temperature=0.1)


def test_all_roles_and_parts() -> None:
    body = sent(
        messages=[
            {"role": "system", "content": "Be brief."},
            {
                "role": "developer",
                "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "kind"}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": PIXEL}},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a"}},
                    {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
                    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
                ],
            },
            {"role": "assistant", "content": "A pixel."},
            {"role": "user", "content": [{"type": "text", "text": "Try again."}]},
        ]
    )
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "kind"}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": PIXEL},
                {"type": "image_url", "image_url": "https://example.com/a"},
                {"type": "document_url", "document_url": PDF, "document_name": "a.pdf"},
                {"type": "input_audio", "input_audio": "AAAA"},
            ],
        },
        {"role": "assistant", "content": "A pixel."},
        {"role": "user", "content": "Try again."},
    ]


def test_calls_and_results() -> None:
    body = sent(
        tools=[WEATHER],
        messages=[
            *HELLO,
            called(call("ä b"), call("2", arguments=""), content="Let me see."),
            result("2", "rain"),
            result("ä b"),
        ],
    )
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {
                    "id": "000000001",
                    "type": "function",
                    "function": {"name": "weather", "arguments": {"place": "Rome"}},
                },
                {"id": "000000002", "type": "function", "function": {"name": "weather", "arguments": {}}},
            ],
        },
        {"role": "tool", "name": "weather", "tool_call_id": "000000001", "content": "sunny"},
        {"role": "tool", "name": "weather", "tool_call_id": "000000002", "content": "rain"},
    ]


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (None, None),
        ("auto", "auto"),
        ("none", "none"),
        ("required", "any"),
        (NAMED, NAMED),
    ],
)
def test_tools(choice: object, told: object) -> None:
    now: dict[str, Any] = {"type": "function", "function": {"name": "now", "strict": True}}
    body = sent(tools=[WEATHER, now], tool_choice=choice, parallel_tool_calls=False)
    assert body["tools"] == [
        {"type": "function", "function": WEATHER["function"]},
        {
            "type": "function",
            "function": {"name": "now", "strict": True, "parameters": {"type": "object", "properties": {}}},
        },
    ]
    assert body.get("tool_choice") == told
    assert body["parallel_tool_calls"] is False


def test_formats_of_answers() -> None:
    assert sent(response_format={"type": "json_object"})["response_format"] == {"type": "json_object"}
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    told = {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": schema, "strict": True, "description": "d"},
    }
    assert sent(response_format=told)["response_format"] == told
    del told["json_schema"]["schema"]  # type: ignore[attr-defined]
    assert problem(response_format=told)[0] == "response_format.json_schema.schema"


def test_reasoning_is_known_by_the_model() -> None:
    assert sent(reasoning_effort="high")["reasoning_effort"] == "high"
    assert "'none', 'high'" in problem(reasoning_effort="low")[1]
    large = MistralDialect(MistralModel.named("mistral-large-4"))
    assert sent(large, reasoning_effort="low")["reasoning_effort"] == "low"
    other = MistralDialect(MistralModel.named("open-mistral-nemo"))
    assert "none that is known" in problem(other, reasoning_effort="high")[1]


def test_embeddings() -> None:
    assert sent(url=EMBEDDINGS, input="a", encoding_format="float") == {"input": "a"}
    body = sent(url=EMBEDDINGS, input=["a", "b"], dimensions=256)
    assert body == {"input": ["a", "b"], "output_dimension": 256}


@pytest.mark.parametrize(
    ("body", "param", "word"),
    [
        ({"input": [1, 2]}, "input[0]", "tokens"),
        ({"input": [[1]]}, "input[0]", "tokens"),
        ({"input": ["a", ""]}, "input[1]", "empty"),
        ({"input": []}, "input", "empty"),
        ({"input": True}, "input", "string"),
        ({}, "input", "Missing"),
        ({"input": "a", "encoding_format": "base64"}, "encoding_format", "numbers"),
    ],
)
def test_what_cannot_be_embedded(body: dict[str, Any], param: str, word: str) -> None:
    place, message = problem(url=EMBEDDINGS, **body)
    assert place == param
    assert word in message


def user(part: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [part]}]}


@pytest.mark.parametrize(
    ("body", "param", "word"),
    [
        ({"temperature": 1.6}, "temperature", "end at 1.5"),
        ({"temperature": 3}, "temperature", "from 0 to 2"),
        ({"seed": -1}, "seed", "begin at 0"),
        ({"top_logprobs": 3}, "top_logprobs", "logprobs"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_completion_tokens", "one of them"),
        ({"random_seed": 1}, "random_seed", "Unknown"),
        ({"safe_prompt": True}, "safe_prompt", "Unknown"),
        ({"logit_bias": {"1": 5}}, "logit_bias", "tokens are others"),
        ({"audio": {"voice": "a"}}, "audio", "audio"),
        ({"web_search_options": {}}, "web_search_options", "search"),
        (
            {"tools": [WEATHER], "messages": [*HELLO, called(call("a")), result("a"), *HELLO]},
            "messages[3]",
            "assistant's message",
        ),
        (
            user({"type": "image_url", "image_url": {"url": "gs://a/b.png"}}),
            "messages[0].content[0].image_url.url",
            "https",
        ),
        (
            user({"type": "file", "file": {"file_data": "QUJD", "filename": "a.txt"}}),
            "messages[0].content[0].file.file_data",
            "text/plain",
        ),
        (
            {
                "tools": [WEATHER],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}},
            },
            "tool_choice",
            "limit",
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "string"}}}]},
            "tools[0].function.parameters",
            "object",
        ),
    ],
)
def test_what_cannot_be_had(body: dict[str, Any], param: str, word: str) -> None:
    place, message = problem(**body)
    assert place == param
    assert word in message


def test_what_a_model_lacks_is_refused() -> None:
    dialect = MistralDialect(MistralModel(name="m", lacks={"tools": "this model calls no functions."}))
    assert "calls no functions" in problem(dialect, tools=[WEATHER])[1]
    assert sent(dialect, tools=None)
