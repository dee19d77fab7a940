"""A stand-in for Vertex AI: takes or refuses an encoded line as the provider's published rules say.

Types and names of fields are those of the `google-genai` package, which forbids unknown ones. What is written
here by hand is what those types do not say: how batch files are imported, and rules between fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from google.genai import types

LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
SCHEMA_KEYWORDS = {
    "type",
    "format",
    "title",
    "description",
    "enum",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "anyOf",
    "oneOf",
    "properties",
    "additionalProperties",
    "required",
    "propertyOrdering",
}


def check_line(line: bytes) -> dict[str, Any]:
    """The line as decoded, which the provider takes."""
    assert b"\n" not in line
    told: dict[str, Any] = json.loads(line)
    check_import(told)
    request = told["request"]
    if "content" in request:
        _check_embedding(told)
        return told
    assert told.keys() == {"custom_id", "request"}
    known = {"contents", "systemInstruction", "tools", "toolConfig", "labels", "generationConfig"}
    assert request.keys() <= known
    for key, value in request["labels"].items():
        assert LABEL_KEY.fullmatch(key)
        assert LABEL_VALUE.fullmatch(value)
    _check_config(request.get("generationConfig"))
    _check_tools(request)
    _check_contents(request["contents"])
    if "systemInstruction" in request:
        system = types.Content.model_validate(request["systemInstruction"])
        assert system.parts
        assert all(part.text for part in system.parts)
    return told


def check_import(value: Any, depth: int = 1) -> None:
    """What fails the import, and with it the whole job."""
    assert value is not None
    if isinstance(value, dict):
        assert value, "an empty object"
        assert depth <= 15
        for name, member in cast("dict[str, Any]", value).items():
            assert name
            assert "$" not in name
            assert not re.search(r"\s", name)
            check_import(member, depth + 1)
    if isinstance(value, list):
        assert depth <= 15
        for item in cast("Iterable[Any]", value):
            check_import(item, depth + 1)


def _check_embedding(told: Mapping[str, Any]) -> None:
    assert told.keys() == {"key", "request"}
    request = told["request"]
    assert request.keys() <= {"content", "embed_content_config"}
    parts = types.Content.model_validate(request["content"]).parts
    assert parts is not None
    assert [bool(part.text) for part in parts] == [True]
    if "embed_content_config" in request:
        types.EmbedContentConfig.model_validate(request["embed_content_config"])


def _check_config(config: Mapping[str, Any] | None) -> None:
    if config is None:
        return
    read = types.GenerationConfig.model_validate(config)
    assert read.temperature is None or 0 <= read.temperature <= 2
    assert read.top_p is None or 0 <= read.top_p <= 1
    assert read.candidate_count is None or 1 <= read.candidate_count <= 8
    assert read.max_output_tokens is None or read.max_output_tokens > 0
    assert read.stop_sequences is None or 0 < len(read.stop_sequences) <= 5
    assert read.seed is None or -(2**31) <= read.seed < 2**31
    assert read.logprobs is None or (1 <= read.logprobs <= 20 and read.response_logprobs)
    for penalty in (read.presence_penalty, read.frequency_penalty):
        assert penalty is None or -2 <= penalty <= 2
    if read.response_json_schema is not None:
        assert read.response_mime_type == "application/json"
        check_schema(read.response_json_schema)


def check_schema(schema: Any) -> None:
    """The keywords that the provider's documentation lists."""
    assert isinstance(schema, dict)
    schema = cast("dict[str, Any]", schema)
    assert schema.keys() <= SCHEMA_KEYWORDS
    assert isinstance(schema.get("type", ""), str)
    assert all(isinstance(value, str | int | float) for value in schema.get("enum", ()))
    for inner in _schemas_in(schema):
        check_schema(inner)


def _schemas_in(schema: Mapping[str, Any]) -> Iterator[Any]:
    yield from schema.get("properties", {}).values()
    for keyword in ("anyOf", "prefixItems"):
        yield from schema.get(keyword, ())
    for keyword in ("items", "additionalProperties"):
        if not isinstance(schema.get(keyword, True), bool):
            yield schema[keyword]


def _check_tools(request: Mapping[str, Any]) -> None:
    names: set[str] = set()
    for told in request.get("tools", ()):
        for declaration in types.Tool.model_validate(told).function_declarations or ():
            assert declaration.name
            assert re.fullmatch(r"[a-zA-Z_0-9.:-]{1,128}", declaration.name)
            names.add(declaration.name)
            if declaration.parameters_json_schema is not None:
                check_schema(declaration.parameters_json_schema)
    if "toolConfig" in request:
        config = types.ToolConfig.model_validate(request["toolConfig"]).function_calling_config
        assert config is not None
        assert config.mode is not None
        if config.allowed_function_names:
            assert config.mode.value in ("ANY", "VALIDATED")
            assert set(config.allowed_function_names) <= names


def _check_contents(contents: list[Any]) -> None:
    assert contents
    called: list[str | None] = []
    for told in contents:
        content = types.Content.model_validate(told)
        assert content.role in ("user", "model")
        assert content.parts
        assert all(len(part) == 1 for part in told["parts"])
        answered = [part.function_response.name for part in content.parts if part.function_response]
        assert answered == called, "each call is answered in the next turn, in order"
        called = [part.function_call.name for part in content.parts if part.function_call]
        assert content.role == "model" or not called
        for part in content.parts:
            if part.file_data is not None:
                assert part.file_data.mime_type
                assert re.match(r"(gs|https)://", part.file_data.file_uri or "")
    assert contents[-1]["role"] == "user"
    assert not called
