"""What the simulated Gemini refuses of a request, and what the import refuses of a line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.simulator.gemini_rules import Refused, check_request
from litebatch_asgi.simulator.proto_json import camel, snake
from litebatch_asgi.simulator.vertex_import import ImportFailed, imported

from .journeys import JSON
from .vertex import request

USER: JSON = {"role": "user", "parts": [{"text": "a"}]}
CALL: JSON = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]}
RESULT: JSON = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": 1}}}]}
DECLARED: JSON = {"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}


def part(**data: Any) -> JSON:
    return {"contents": [{"role": "user", "parts": [data]}]}


def config(**told: Any) -> JSON:
    return request("a", generationConfig=told)


def calling(**told: Any) -> JSON:
    return request("a", tools=[DECLARED], toolConfig={"functionCallingConfig": told})


def schema(**told: Any) -> JSON:
    return config(responseMimeType="application/json", responseJsonSchema=told)


GOOD: list[JSON] = [
    request("a"),
    {"contents": [{"parts": [{"text": "a"}]}]},
    {"contents": {"parts": {"text": "a"}}},
    {"contents": [USER, {"role": "model", "parts": [{"text": "b"}]}, USER]},
    {"contents": [USER, CALL, RESULT]},
    {"contents": [USER, CALL, {"role": "user", "parts": [*RESULT["parts"], {"text": "and"}]}]},
    part(inlineData={"mimeType": "image/png", "data": "AAAA"}),
    part(fileData={"mimeType": "image/png", "fileUri": "gs://b/a.png"}),
    part(text="a", thought=True, thoughtSignature="AA=="),
    request("a", system_instruction={"parts": [{"text": "b"}]}),
    request("a", labels={"a": "", "b_c": "d-1"}),
    config(temperature=0, topP="0.5", topK=40, candidateCount=8, seed=-(2**31), stopSequences=["a"] * 5),
    config(max_output_tokens=1, response_logprobs=True, logprobs=20, thinkingConfig={"thinkingLevel": "LOW"}),
    config(responseMimeType="application/json", responseSchema={"type": "OBJECT", "nullable": True}),
    schema(type="object", properties={"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}),
    calling(mode="ANY", allowedFunctionNames=["f"]),
    calling(mode="NONE"),
    request("a", safetySettings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]),
]
BAD: list[tuple[str, JSON]] = [
    ("at least one contents", {}),
    ("at least one contents", {"contents": []}),
    ('Unknown name "messages"', {"messages": []}),
    ("Unknown name \"content\" at 'contents[0]'", {"contents": [{"role": "user", "content": "a"}]}),
    ("Invalid value at 'contents[0].parts[0].text' (TYPE_STRING), 5", part(text=5)),
    ("valid role", {"contents": [{"role": "assistant", "parts": [{"text": "a"}]}]}),
    ("valid role", {"contents": [USER, {"parts": [{"text": "a"}]}]}),
    ("at least one parts", {"contents": [{"role": "user", "parts": []}]}),
    ("exactly one", part()),
    ("exactly one", part(text="a", inlineData={"mimeType": "image/png", "data": "AAAA"})),
    ("Base64", part(inlineData={"mimeType": "image/png", "data": "a b"})),
    ("mimeType", part(inlineData={"data": "AAAA"})),
    ("no data", part(inlineData={"mimeType": "image/png"})),
    ("file uri", part(fileData={"mimeType": "image/png", "fileUri": "/a.png"})),
    ('Unknown name "id"', {"contents": [USER, {"role": "model", "parts": [{"functionCall": {"id": "1"}}]}]}),
    ("must not be empty", {"contents": [USER, {"role": "model", "parts": [{"functionCall": {}}]}]}),
    ("must have a response", part(functionResponse={"name": "f"})),
    ("function call turn is followed", {"contents": [USER, CALL]}),
    ("number of function response parts", {"contents": [USER, CALL, USER]}),
    ("number of function response parts", {"contents": [USER, RESULT]}),
    ("number of function response parts", {"contents": [USER, CALL, USER, RESULT]}),
    (
        "names of the functions",
        {"contents": [USER, CALL, json.loads(json.dumps(RESULT).replace('"f"', '"g"'))]},
    ),
    ("role model", {"contents": [USER, {**CALL, "role": "user"}, RESULT]}),
    ("end with a user role", {"contents": [USER, {"role": "model", "parts": [{"text": "a"}]}]}),
    ("systemInstruction", request("a", systemInstruction={"parts": [{"text": ""}]})),
    ("systemInstruction", request("a", systemInstruction={"parts": []})),
    ("Invalid label", request("a", labels={"A": "b"})),
    ("Invalid label", request("a", labels={"1": "b"})),
    ("Invalid label", request("a", labels={"a": "B"})),
    ("Invalid label", request("a", labels={"a": "b" * 64})),
    ("64", request("a", labels={f"a{number}": "" for number in range(65)})),
    ("TYPE_STRING", request("a", labels={"a": 1})),
    ("temperature value of 2.1", config(temperature=2.1)),
    ("topP", config(topP=-0.1)),
    ("candidateCount", config(candidateCount=9)),
    ("maxOutputTokens", config(maxOutputTokens=0)),
    ("logprobs", config(responseLogprobs=True, logprobs=21)),
    ("responseLogprobs", config(logprobs=1)),
    ("presencePenalty", config(presencePenalty=2.5)),
    ("stopSequences", config(stopSequences=["a"] * 6)),
    ("TYPE_INT32", config(seed=2**31)),
    ("TYPE_INT32", config(seed=1.5)),
    ("TYPE_INT32", config(maxOutputTokens=True)),
    ("TYPE_FLOAT", config(temperature="warm")),
    ("TYPE_BOOL", config(responseLogprobs="yes")),
    ("TYPE_ENUM", config(thinkingConfig={"thinkingLevel": "TOO_HIGH"})),
    ("TYPE_ENUM", config(responseModalities=["SMELL"])),
    ("TYPE_MESSAGE", config(thinkingConfig=5)),
    ("Duplicate field", config(topP=1, top_p=1)),
    ("application/json", config(responseJsonSchema={"type": "object"})),
    ("application/json", config(responseSchema={"type": "OBJECT"}, responseMimeType="text/plain")),
    (
        "Only one of",
        config(responseMimeType="application/json", responseSchema={}, responseJsonSchema={"type": "object"}),
    ),
    ("responseMimeType", config(responseMimeType="text/html")),
    ('Unknown name "const"', config(responseMimeType="application/json", responseSchema={"const": 1})),
    ("'const'", schema(const=1)),
    ("'$ref'", schema(**{"$ref": "#/a"})),
    ("'pattern'", schema(properties={"a": {"pattern": "b"}})),
    ("type of a schema", schema(type=["string", "null"])),
    ("enum", schema(enum=["a", None])),
    ("properties of a schema", schema(properties=[])),
    ("must be an object", schema(items=5)),
    ("Invalid function name", request("a", tools=[{"functionDeclarations": [{"name": "a b"}]}])),
    ("Invalid function name", request("a", tools=[{"functionDeclarations": [{"name": "a" * 65}]}])),
    ("Duplicate function", request("a", tools=[DECLARED, DECLARED])),
    (
        "Only one of",
        request(
            "a",
            tools=[
                {"functionDeclarations": [{"name": "f", "parameters": {}, "parametersJsonSchema": {"a": 1}}]}
            ],
        ),
    ),
    ('Unknown name "type"', request("a", tools=[{"type": "function"}])),
    ("mode ANY", calling(mode="AUTO", allowedFunctionNames=["f"])),
    ("not declared", calling(mode="ANY", allowedFunctionNames=["g"])),
    ("TYPE_ENUM", calling(mode="SOMETIMES")),
]


@pytest.mark.parametrize("good", GOOD, ids=str)
def test_what_gemini_takes(good: JSON) -> None:
    check_request(good, embeds=False)


@pytest.mark.parametrize(("why", "bad"), BAD, ids=[f"{number}" for number in range(len(BAD))])
def test_what_gemini_refuses(why: str, bad: JSON) -> None:
    with pytest.raises(Refused) as refused:
        check_request(bad, embeds=False)
    assert why in str(refused.value)


EMBEDDED: JSON = {"content": {"parts": [{"text": "a"}]}}


def test_what_the_embedding_model_takes() -> None:
    check_request(EMBEDDED, embeds=True)
    options = {"output_dimensionality": 3, "task_type": "RETRIEVAL_QUERY"}
    check_request({**EMBEDDED, "embed_content_config": options}, embeds=True)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        request("a"),
        {"content": {"parts": [{"text": ""}]}},
        {"content": {"parts": [{"text": "a"}, {"text": "b"}]}},
        {**EMBEDDED, "embed_content_config": {"output_dimensionality": "many"}},
        {**EMBEDDED, "embed_content_config": {"task_type": "GUESS"}},
    ],
    ids=str,
)
def test_what_the_embedding_model_refuses(bad: JSON) -> None:
    with pytest.raises(Refused):
        check_request(bad, embeds=True)


# the import


def deep(levels: int) -> JSON:
    """An object in which, itself counted, so many are in each other."""
    told: Any = 1
    for _ in range(levels):
        told = {"a": told}
    return {"a": told}


def as_line(**told: Any) -> bytes:
    return json.dumps({"custom_id": "r1", "request": {"contents": [], **told}}).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"custom_id": "a"}',
        b'{"request": "a"}',
        b'{"request": {}}',
        as_line(a={}),
        as_line(a=[{}]),
        as_line(a=deep(13)),
        as_line(**{"$ref": "a"}),
        as_line(a={"a b": 1}),
        as_line(a={"": 1}),
        as_line(a=[1, None]),
        as_line(responseJsonSchema={"default": None}),
        as_line(parameters={"properties": {"a": {"type": ["string", "null"]}}}),
    ],
    ids=str,
)
def test_a_line_that_cannot_be_imported(line: bytes) -> None:
    with pytest.raises(ImportFailed):
        imported(line)


def test_a_line_that_can() -> None:
    assert imported(as_line(a=deep(12), b=None, c={"type": ["a"]})) == {
        "custom_id": "r1",
        "request": {"a": deep(12), "c": {"type": ["a"]}, "contents": []},
    }


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("000000", 0),
        ("-5", -5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("r1", "r1"),
        ("1 2", "1 2"),
        ("", ""),
        ("NaN", "NaN"),
        ("1_000", "1_000"),
        ([1, "2"], [1, "2"]),
    ],
)
def test_texts_that_look_like_numbers(told: object, kept: object) -> None:
    row = imported(json.dumps({"custom_id": told, "request": {"a": "000000"}}).encode())
    assert (row["custom_id"], type(row["custom_id"])) == (kept, type(kept))
    assert row["request"] == {"a": "000000"}


members = st.dictionaries(
    st.text("abc_$ ", max_size=3),
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 9) | st.text("1ab", max_size=2),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner),
        max_leaves=5,
    ),
    max_size=4,
)


@given(members)
def test_what_was_imported_once_is_imported_unchanged(told: JSON) -> None:
    try:
        once = imported(json.dumps({"request": told}).encode())
        assert imported(json.dumps(once).encode()) == once
    except ImportFailed:
        return
    assert list(once["request"]) == sorted(once["request"])


@pytest.mark.parametrize("name", ["topP", "fileUri", "responseJsonSchema", "seed"])
def test_names_in_either_case(name: str) -> None:
    assert camel(snake(name)) == camel(name) == name
