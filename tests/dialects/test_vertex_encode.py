"""What becomes of requests at Gemini on Vertex AI."""

from __future__ import annotations

import json
from typing import Any

import pytest

from litebatch_asgi.dialects.vertex import GeminiModel, VertexDialect
from litebatch_asgi.errors import Problem
from tests.dialects.requests import EMBEDDINGS, HELLO, PIXEL, WEATHER, call, called, line, result
from tests.dialects.vertex_rules import check_line

FLASH = VertexDialect(GeminiModel.named("gemini-2.5-flash"))


def sent(dialect: VertexDialect = FLASH, **body: Any) -> dict[str, Any]:
    encoded = dialect.encode(line(**body), 46)
    assert isinstance(encoded, bytes), encoded
    request: dict[str, Any] = check_line(encoded)["request"]
    return request


def problem(
    dialect: VertexDialect = FLASH, url: str = "/v1/chat/completions", **body: Any
) -> tuple[str, str]:
    encoded = dialect.encode(line(url, **body), 3)
    assert isinstance(encoded, Problem), encoded
    assert encoded.line == 3
    return str(encoded.param).removeprefix("body."), encoded.message


def test_a_line_carries_its_number_twice() -> None:
    encoded = FLASH.encode(line(), 46)
    assert isinstance(encoded, bytes)
    assert json.loads(encoded) == {
        "custom_id": "r1a",
        "request": {
            "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
            "labels": {"litebatch_line": "r1a"},
        },
    }


def test_all_roles_and_parts() -> None:
    request = sent(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": PIXEL, "detail": "auto"}},
                    {"type": "image_url", "image_url": {"url": "gs://b/a.JPG"}},
                    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
                    {
                        "type": "file",
                        "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a"},
                    },
                ],
            },
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "I cannot say."}]},
            {"role": "user", "content": "Try."},
        ]
    )
    assert request["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]}
    assert request["contents"] == [
        {
            "role": "user",
            "parts": [
                {"text": "What is this?"},
                {"inlineData": {"mimeType": "image/png", "data": PIXEL.partition(",")[2]}},
                {"fileData": {"mimeType": "image/jpeg", "fileUri": "gs://b/a.JPG"}},
                {"inlineData": {"mimeType": "audio/mpeg", "data": "AAAA"}},
                {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
            ],
        },
        {"role": "model", "parts": [{"text": "I cannot say."}]},
        {"role": "user", "parts": [{"text": "Try."}]},
    ]


def test_results_follow_their_calls_in_order_under_the_functions_names() -> None:
    request = sent(
        messages=[
            *HELLO,
            called(call("a"), call("b", "time", "{}"), content="Let me look."),
            result("b", [{"type": "text", "text": "no"}, {"type": "text", "text": "on"}]),
            result("a"),
        ]
    )
    assert request["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "Let me look."},
                {"functionCall": {"name": "weather", "args": {"place": "Rome"}}},
                {"functionCall": {"name": "time"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "weather", "response": {"output": "sunny"}}},
                {"functionResponse": {"name": "time", "response": {"output": "noon"}}},
            ],
        },
    ]


def test_parameters() -> None:
    request = sent(
        temperature=0,
        top_p=0.5,
        max_completion_tokens=100,
        n=2,
        seed=7,
        stop="END",
        presence_penalty=1,
        frequency_penalty=-0.5,
        logprobs=True,
        top_logprobs=3,
        reasoning_effort="low",
        user="someone",
        store=True,
        metadata={"a": "b"},
        response_format={"type": "json_object"},
    )
    assert request["generationConfig"] == {
        "temperature": 0,
        "topP": 0.5,
        "maxOutputTokens": 100,
        "candidateCount": 2,
        "seed": 7,
        "stopSequences": ["END"],
        "presencePenalty": 1,
        "frequencyPenalty": -0.5,
        "responseLogprobs": True,
        "logprobs": 3,
        "thinkingConfig": {"thinkingBudget": 1024},
        "responseMimeType": "application/json",
    }


def test_what_openai_does_anyway_is_left_out() -> None:
    request = sent(
        n=1,
        presence_penalty=0,
        frequency_penalty=0.0,
        logprobs=False,
        top_logprobs=0,
        stop=[],
        temperature=None,
        parallel_tool_calls=True,
        modalities=["text"],
        verbosity="medium",
        service_tier="auto",
        logit_bias={},
        stream=False,
        response_format={"type": "text"},
    )
    assert "generationConfig" not in request


@pytest.mark.parametrize(
    ("choice", "strict", "told"),
    [
        (None, None, None),
        ("auto", False, None),
        ("auto", True, {"mode": "VALIDATED"}),
        ("none", None, {"mode": "NONE"}),
        ("required", None, {"mode": "ANY"}),
        (
            {"type": "function", "function": {"name": "weather"}},
            None,
            {"mode": "ANY", "allowedFunctionNames": ["weather"]},
        ),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [{"type": "function", "function": {"name": "weather"}}],
                },
            },
            None,
            {"mode": "VALIDATED", "allowedFunctionNames": ["weather"]},
        ),
    ],
)
def test_tools(choice: object, strict: bool | None, told: object) -> None:
    now: dict[str, Any] = {
        "type": "function",
        "function": {"name": "now", "parameters": {"type": "object", "properties": {}}},
    }
    weather = {"type": "function", "function": {**WEATHER["function"], "strict": strict}}
    request = sent(tools=[weather, now], tool_choice=choice)
    declared = request["tools"][0]["functionDeclarations"]
    assert declared[0]["parametersJsonSchema"] == WEATHER["function"]["parameters"]
    assert declared[1] == {"name": "now"}
    assert request.get("toolConfig") == (None if told is None else {"functionCallingConfig": told})


def test_a_schema_for_answers() -> None:
    schema = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"$ref": "#/$defs/A"}}}
    told = {
        "name": "n",
        "description": "An answer",
        "schema": {**schema, "$defs": {"A": {"type": "integer"}}},
    }
    request = sent(response_format={"type": "json_schema", "json_schema": told})
    assert request["generationConfig"]["responseJsonSchema"] == {
        "type": "object",
        "properties": {"b": {"type": "string"}, "a": {"type": "integer"}},
        "propertyOrdering": ["b", "a"],
        "description": "An answer",
    }


@pytest.mark.parametrize(
    ("body", "param", "word"),
    [
        ({"temprature": 1}, "temprature", "Unknown"),
        ({"temperature": 3}, "temperature", "from 0 to 2"),
        ({"temperature": True}, "temperature", "a number"),
        ({"n": 9}, "n", "at most 8"),
        ({"seed": 2**40}, "seed", "32 bits"),
        ({"top_logprobs": 2}, "top_logprobs", "logprobs"),
        ({"reasoning_effort": "max"}, "reasoning_effort", "'high'"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls", "several calls"),
        ({"logit_bias": {"1": 1}}, "logit_bias", "tokens"),
        ({"service_tier": "flex"}, "service_tier", "price for batches"),
        ({"web_search_options": {}}, "web_search_options", "search"),
        ({"functions": []}, "functions", "Use tools"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_completion_tokens", "one of them"),
        ({"stop": ["a"] * 6}, "stop", "takes 5"),
        ({"messages": []}, "messages", "a user"),
        ({"messages": None}, "messages", "Missing"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "Missing"),
        ({"messages": [{"role": "user", "content": "x", "name": "Bob"}]}, "messages[0].name", "names"),
        ({"messages": [{"role": "user", "content": "x", "mood": 1}]}, "messages[0].mood", "Unknown"),
        ({"messages": [*HELLO, {"role": "assistant", "content": "Hi"}]}, "messages[1]", "go on"),
        ({"messages": [*HELLO, {"role": "system", "content": "x"}]}, "messages[1]", "before all"),
        ({"messages": [*HELLO, called(call("a"))]}, "messages[1].tool_calls", "none: a"),
        ({"messages": [*HELLO, result("a")]}, "messages[1].tool_call_id", "'a'"),
        (
            {"messages": [*HELLO, called(call("a", arguments="{")), result("a")]},
            "messages[1].tool_calls[0].function.arguments",
            "JSON object",
        ),
        (
            {"messages": [*HELLO, called(call("a", arguments='{"a":{}}')), result("a")]},
            "messages[1].tool_calls[0].function.arguments.a",
            "empty object",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "http://a/b.png"}}],
                    }
                ]
            },
            "messages[0].content[0].image_url.url",
            "https://",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
            "messages[0].content[0].file.file_id",
            "no such file",
        ),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type", "custom"),
        ({"tools": [WEATHER, WEATHER]}, "tools[1].function.name", "twice"),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "x"}}},
            "tool_choice",
            "among the tools",
        ),
    ],
)
def test_what_cannot_be_had(body: dict[str, Any], param: str, word: str) -> None:
    place, message = problem(**body)
    assert place == param
    assert word in message


def test_a_model_may_lack_a_parameter_or_take_more() -> None:
    lacking = GeminiModel(name="gemini-x", lacks={"frequency_penalty": "this model takes no penalties."})
    dialect = VertexDialect(lacking)
    assert "no penalties" in problem(dialect, frequency_penalty=1)[1]
    assert "generationConfig" not in sent(dialect, frequency_penalty=0)
    assert "none that is known" in problem(dialect, reasoning_effort="low")[1]
    levels = VertexDialect(GeminiModel(name="gemini-x", efforts={"low": {"thinkingLevel": "LOW"}}))
    assert sent(levels, reasoning_effort="low")["generationConfig"]["thinkingConfig"] == {
        "thinkingLevel": "LOW"
    }


def test_embeddings() -> None:
    encoded = FLASH.encode(line(EMBEDDINGS, input=["some text"], dimensions=768, user="u"), 46)
    assert isinstance(encoded, bytes)
    assert json.loads(encoded) == {
        "key": "r1a",
        "request": {
            "content": {"parts": [{"text": "some text"}]},
            "embed_content_config": {"output_dimensionality": 768},
        },
    }
    assert "its own line" in problem(url=EMBEDDINGS, input=["a", "b"])[1]
    assert "Give the text" in problem(url=EMBEDDINGS, input=[[1, 2]])[1]
    assert problem(url=EMBEDDINGS, input="a", encoding_format="base64")[0] == "encoding_format"
    assert problem(url=EMBEDDINGS)[0] == "input"


def test_another_endpoint_is_refused() -> None:
    assert problem(url="/v1/responses")[0] == "url"
