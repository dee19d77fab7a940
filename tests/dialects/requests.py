"""Requests of OpenAI's form, plain ones and all sorts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeGuard

from hypothesis import strategies as st

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAA="
HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}},
            "required": ["place"],
            "additionalProperties": False,
        },
    },
}


def line(url: str = CHAT, **body: Any) -> bytes:
    """A line whose body has a model, and for chat completions a message, unless told otherwise."""
    told = {"model": "virtual", **({"messages": HELLO} if url == CHAT else {}), **body}
    return json.dumps({"custom_id": "a", "method": "POST", "url": url, "body": told}).encode()


def call(call_id: str, name: str = "weather", arguments: str = '{"place":"Rome"}') -> dict[str, Any]:
    """A call in an assistant's message."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def called(*calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An assistant's message with calls."""
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **more}


def result(call_id: str, content: Any = "sunny") -> dict[str, Any]:
    """A tool's message."""
    return {"role": "tool", "tool_call_id": call_id, "content": content}


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def some(*choices: Any) -> st.SearchStrategy[Any]:
    """One of the choices, which are values or strategies."""
    return st.one_of(*(one if is_strategy(one) else st.just(one) for one in choices))


def is_strategy(value: object) -> TypeGuard[st.SearchStrategy[Any]]:
    return isinstance(value, st.SearchStrategy)


def record(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Objects with the required members and some of the optional ones."""
    return st.fixed_dictionaries(
        {name: some(value) for name, value in required.items()},
        optional={name: some(value) for name, value in optional.items()},
    )


def wrong_now_and_then(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly what is right."""
    return st.integers(0, 30).flatmap(lambda number: values if number == 0 else strategy)


_schema_leaves = some(
    {"type": "string", "enum": ["a", "b"]},
    {"type": ["string", "null"], "description": "perhaps"},
    {"type": "integer", "minimum": 0},
    {"enum": ["x", None]},
    {"$ref": "#/$defs/Inner"},
    {"const": "c"},
    {"type": "string", "default": None, "title": "T"},
    {"type": "string", "pattern": "^a"},
    {},
    True,
)
schemas: st.SearchStrategy[Any] = st.recursive(
    _schema_leaves,
    lambda inner: st.one_of(
        record(
            {
                "type": "object",
                "properties": st.dictionaries(some("a", "b", "a b", "c_d"), inner, max_size=2),
            },
            {"required": ["a"], "additionalProperties": False},
        ),
        record({"type": "array", "items": inner}, {"minItems": 1}),
        record({"anyOf": st.lists(inner, min_size=1, max_size=2)}, {}),
    ),
    max_leaves=5,
)
root_schemas = record(
    {"type": "object", "properties": st.dictionaries(some("a", "b", "z"), schemas, max_size=3)},
    {
        "$defs": {"Inner": {"type": "object", "properties": {"k": {"type": "string"}}}},
        "additionalProperties": False,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
    },
)
_text_parts = record({"type": "text", "text": some("some text", texts)}, {})
_parts = st.one_of(
    _text_parts,
    record(
        {
            "type": "image_url",
            "image_url": record(
                {
                    "url": some(
                        PIXEL, "https://example.com/a.png", "gs://bucket/b.webp", "http://a.b/c.jpg", texts
                    )
                },
                {"detail": some("auto", "low")},
            ),
        },
        {},
    ),
    record(
        {
            "type": "input_audio",
            "input_audio": record({"data": some("AAAA", texts), "format": some("wav", "mp3")}, {}),
        },
        {},
    ),
    record(
        {
            "type": "file",
            "file": record(
                {"file_data": some("data:application/pdf;base64,AAAA", "QUJD")},
                {"filename": some("a.txt", texts)},
            ),
        },
        {},
    ),
)
_contents = st.one_of(some("some text", texts), st.lists(_text_parts, min_size=1, max_size=2))
_arguments = some('{"place":"Rome"}', "{}", "", '{"a":{}}', '{"a":[{"b":null}]}', values.map(json.dumps))


@st.composite
def _turns(draw: st.DrawFn) -> Sequence[Any]:
    kind = draw(st.integers(0, 9))
    if kind < 5:
        content = draw(st.one_of(_contents, st.lists(_parts, min_size=1, max_size=3)))
        return [draw(record({"role": "user", "content": some(content)}, {}))]
    if kind < 7:
        return [draw(record({"role": "assistant", "content": _contents}, {"refusal": some(None, "no")}))]
    ids = draw(st.lists(some("call_1", "call_2", "c-3", "ä b"), min_size=1, max_size=3, unique=True))
    calls = [call(one, draw(some("weather", "time")), draw(_arguments)) for one in ids]
    answers = [result(one, draw(_contents)) for one in draw(st.permutations(ids))]
    return [called(*calls), *(answers if draw(st.integers(0, 8)) else answers[1:])]


@st.composite
def conversations(draw: st.DrawFn) -> list[Any]:
    """Messages, mostly such as OpenAI takes."""
    system = record({"role": some("system", "developer"), "content": _contents}, {})
    messages: list[Any] = draw(st.lists(system, max_size=2))
    for _ in range(draw(st.integers(0, 3))):
        messages += draw(_turns())
    messages.append({"role": "user", "content": "And now?"})
    return messages


_functions = st.lists(
    record(
        {
            "type": "function",
            "function": record(
                {"name": some("weather", "time", "a b")},
                {
                    "description": texts,
                    "parameters": some(root_schemas, {}, None),
                    "strict": some(True, False, None),
                },
            ),
        },
        {},
    ),
    max_size=2,
)
PARAMETERS: dict[str, Any] = {
    "messages": conversations(),
    "model": some("virtual"),
    "temperature": some(0, 0.5, 1, 1.5, 2, 3),
    "top_p": some(0, 0.5, 1, 2),
    "max_tokens": some(1, 100, 5000, 0),
    "max_completion_tokens": some(1, 100, 5000),
    "n": some(1, 2, 9),
    "seed": some(1, -5, 2**40),
    "stop": some("END", ["a", "b"], [], [" "], [""], ["a"] * 6),
    "presence_penalty": some(0, 1, -2, 2.5),
    "frequency_penalty": some(0, 0.0, 1.5),
    "logprobs": some(True, False),
    "top_logprobs": some(0, 5, 21),
    "reasoning_effort": some("none", "minimal", "low", "medium", "high", "xhigh", "max", "more"),
    "tools": _functions,
    "tool_choice": some(
        "none",
        "auto",
        "required",
        {"type": "function", "function": {"name": "weather"}},
        {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "auto",
                "tools": [{"type": "function", "function": {"name": "weather"}}],
            },
        },
    ),
    "response_format": some(
        {"type": "text"},
        {"type": "json_object"},
        record(
            {
                "type": "json_schema",
                "json_schema": record(
                    {"name": "answer"},
                    {"schema": root_schemas, "strict": some(True, None), "description": texts},
                ),
            },
            {},
        ),
    ),
    "parallel_tool_calls": some(True, False),
    "modalities": some(["text"], ["text", "audio"]),
    "logit_bias": some({}, {"1": 5}),
    "user": some("u", texts),
    "safety_identifier": some("s"),
    "metadata": some({"a": "b"}),
    "store": some(True, False),
    "service_tier": some("auto", "flex"),
    "verbosity": some("low", "medium"),
    "stream": some(False),
    "prediction": some({"type": "content", "content": "x"}),
    "unknown": some(1),
}


@st.composite
def chats(draw: st.DrawFn) -> bytes:
    """Lines of chat completions with a few parameters, sometimes with a value of any kind."""
    names = draw(st.lists(st.sampled_from(sorted(PARAMETERS)), max_size=4, unique=True))
    body = {"model": "virtual", "messages": draw(PARAMETERS["messages"])}
    for name in names:
        body[name] = draw(wrong_now_and_then(PARAMETERS[name]))
    return line(**body)


@st.composite
def embeddings(draw: st.DrawFn) -> bytes:
    """Lines of requests for embeddings."""
    body = draw(
        record(
            {"input": wrong_now_and_then(some("text", ["text"], ["a", "b"], [1, 2], [[1]], ""))},
            {"dimensions": some(1, 768, 0), "encoding_format": some("float", "base64"), "user": some("u")},
        )
    )
    return line(EMBEDDINGS, **body)
