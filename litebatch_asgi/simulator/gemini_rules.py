"""What Gemini refuses of a request that the import let through.

Beside the schema these are the rules that its reference gives for single fields, and what is known of turns:
roles alternate as the client likes, a call is answered in the next turn, by as many responses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .gemini_schema import DATA_OF_PART, EMBED_CONTENT, GENERATE_CONTENT
from .json_values import JSON, is_array, is_object
from .proto_json import NotTheMessage, canonical

LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
MEDIA_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9.+-]+")
MEDIA_URI = re.compile(r"(gs|https?)://.+")
RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "topP": (0, 1),
    "candidateCount": (1, 8),
    "maxOutputTokens": (1, 2**31 - 1),
    "logprobs": (1, 20),
    "presencePenalty": (-2, 2),
    "frequencyPenalty": (-2, 2),
}
"""least and most of members of `generationConfig`"""
SCHEMA_KEYWORDS = frozenset(
    {
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
)
"""of JSON Schema, as far as `responseJsonSchema` and `parametersJsonSchema` have them without references"""


class Refused(Exception):
    """A request that is answered with 400 INVALID_ARGUMENT; the text is the message."""


def check_request(request: JSON, *, embeds: bool) -> None:
    """Look at a request, for an embedding or for contents. Raises Refused."""
    try:
        (EMBED_CONTENT if embeds else GENERATE_CONTENT)(request, "")
    except NotTheMessage as exc:
        raise Refused(str(exc)) from exc
    told = canonical(request)
    if embeds:
        _check_embedding(told)
        return
    _check_contents(_list(told.get("contents")))
    _check_system(told)
    _check_labels(told.get("labels", {}))
    _check_config(canonical(told.get("generationConfig", {})))
    _check_tools(told)


def _check_embedding(told: Mapping[str, Any]) -> None:
    parts = _list(canonical(told.get("content", {})).get("parts"))
    texts = [canonical(part).get("text") for part in parts]
    if not texts or not all(texts):
        raise Refused("The text content is empty.")
    if len(texts) > 1:
        raise Refused(f"Only one text part is supported, but {len(texts)} were given.")


def _check_contents(contents: Sequence[Any]) -> None:
    if not contents:
        raise Refused("Unable to submit request because at least one contents field is required.")
    calls: list[str] = []
    for number, told in enumerate(contents):
        content = canonical(told)
        role = content.get("role") or ("user" if len(contents) == 1 else None)
        if role not in ("user", "model"):
            raise Refused("Please use a valid role: user, model.")
        parts = [canonical(part) for part in _list(content.get("parts"))]
        if not parts:
            raise Refused(
                "Unable to submit request because it must include at least one parts field, which describes "
                f"the prompt input (contents[{number}])."
            )
        for part in parts:
            _check_part(part)
        calls = _calls_after(calls, role, parts)
    if calls:
        raise Refused("Please ensure that function call turn is followed by a function response turn.")
    if canonical(contents[-1]).get("role") == "model":
        raise Refused("Please ensure that multiturn requests end with a user role.")


def _check_part(part: Mapping[str, Any]) -> None:
    data = part.keys() & DATA_OF_PART.keys()
    if len(data) != 1:
        raise Refused(
            "Unable to submit request because it must have exactly one of the data fields of a part: "
            f"{', '.join(sorted(DATA_OF_PART))}."
        )
    for name in ("inlineData", "fileData"):
        if name in part:
            _check_media(canonical(part[name]))
    for name in ("functionCall", "functionResponse"):
        if name in part and not canonical(part[name]).get("name"):
            raise Refused(f"The name of a {name} must not be empty.")
    if "functionResponse" in part and "response" not in canonical(part["functionResponse"]):
        raise Refused("A functionResponse must have a response.")


def _check_media(media: Mapping[str, Any]) -> None:
    kind = media.get("mimeType")
    if not kind or not MEDIA_TYPE.fullmatch(kind):
        raise Refused(
            f"Unable to submit request because it has a mimeType parameter with value {kind or ''}."
        )
    if "fileUri" in media and not MEDIA_URI.fullmatch(media["fileUri"]):
        raise Refused(f"Unsupported file uri: {media['fileUri']}")
    if not (media.get("data") or media.get("fileUri")):
        raise Refused("Unable to submit request because a media part has no data.")


def _calls_after(calls: Sequence[str], role: str, parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """The functions that this turn calls; those called by the turn before must be answered by it."""
    answered = [canonical(part["functionResponse"])["name"] for part in parts if "functionResponse" in part]
    if len(answered) != len(calls):
        raise Refused(
            "Please ensure that the number of function response parts is equal to the number of function "
            "call parts of the function call turn."
        )
    if sorted(answered) != sorted(calls):
        raise Refused("Please ensure that function responses have the names of the functions called.")
    called = [canonical(part["functionCall"])["name"] for part in parts if "functionCall" in part]
    if called and role != "model":
        raise Refused("Please ensure that function calls are part of a turn of the role model.")
    return called


def _check_system(told: Mapping[str, Any]) -> None:
    if "systemInstruction" not in told:
        return
    parts = _list(canonical(told["systemInstruction"]).get("parts"))
    if not parts or not all(canonical(part).get("text") for part in parts):
        raise Refused("systemInstruction must have text parts, and only such.")


def _check_labels(labels: Mapping[str, str]) -> None:
    if len(labels) > 64:
        raise Refused(f"The number of labels must not exceed 64, but there are {len(labels)}.")
    for key, value in labels.items():
        if not LABEL_KEY.fullmatch(key) or not LABEL_VALUE.fullmatch(value):
            raise Refused(f"Invalid label: '{key}' with the value '{value}'.")


def _check_config(config: Mapping[str, Any]) -> None:
    for name, (least, most) in RANGES.items():
        if name in config and not least <= float(config[name]) <= most:
            raise Refused(
                f"Unable to submit request because it has a {name} value of {config[name]} but the supported "
                f"range is from {least} to {most} inclusive. Update the value and try again."
            )
    if len(_list(config.get("stopSequences"))) > 5:
        raise Refused("Unable to submit request because it has more than 5 stopSequences.")
    if "logprobs" in config and not config.get("responseLogprobs"):
        raise Refused("logprobs is set, but responseLogprobs is not.")
    schemas = config.keys() & {"responseSchema", "responseJsonSchema"}
    if len(schemas) > 1:
        raise Refused("Only one of responseSchema and responseJsonSchema can be set.")
    if schemas and config.get("responseMimeType") != "application/json":
        raise Refused("controlled generation is only supported with response_mime_type application/json")
    if "responseJsonSchema" in config:
        check_schema(config["responseJsonSchema"], "response_json_schema")
    if config.get("responseMimeType") not in (None, "text/plain", "application/json", "text/x.enum"):
        raise Refused(f"Unsupported responseMimeType: {config['responseMimeType']}")


def check_schema(schema: Any, path: str) -> None:
    """Look at a JSON Schema. Raises Refused for a keyword that is not supported, or a value of none."""
    if isinstance(schema, bool):
        return
    if not is_object(schema):
        raise Refused(f"A schema must be an object: {path}")
    unknown = sorted(schema.keys() - SCHEMA_KEYWORDS)
    if unknown:
        raise Refused(f"Unsupported keyword '{unknown[0]}' in the schema: {path}")
    if not isinstance(schema.get("type", ""), str):
        raise Refused(f"The type of a schema must be a string: {path}.type")
    if not all(isinstance(value, str | int | float) for value in _list(schema.get("enum"))):
        raise Refused(f"An enum may only have strings and numbers: {path}.enum")
    for where, inner in _schemas_in(schema, path):
        check_schema(inner, where)


def _schemas_in(schema: JSON, path: str) -> Iterable[tuple[str, Any]]:
    properties = schema.get("properties", {})
    if not is_object(properties):
        raise Refused(f"The properties of a schema must be an object: {path}.properties")
    for name, inner in properties.items():
        yield f"{path}.properties.{name}", inner
    for keyword in ("anyOf", "oneOf", "prefixItems"):
        for index, inner in enumerate(_list(schema.get(keyword))):
            yield f"{path}.{keyword}[{index}]", inner
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield f"{path}.{keyword}", schema[keyword]


def _check_tools(told: Mapping[str, Any]) -> None:
    names: set[str] = set()
    for tool in _list(told.get("tools")):
        for told_declaration in _list(canonical(tool).get("functionDeclarations")):
            declaration = canonical(told_declaration)
            name = declaration.get("name", "")
            if not FUNCTION_NAME.fullmatch(name):
                raise Refused(
                    f"Invalid function name '{name}'. Must start with a letter or an underscore. Must be "
                    "alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), "
                    "with a maximum length of 64."
                )
            if name in names:
                raise Refused(f"Duplicate function declaration found: {name}")
            names.add(name)
            if {"parameters", "parametersJsonSchema"} <= declaration.keys():
                raise Refused("Only one of parameters and parametersJsonSchema can be set.")
            if "parametersJsonSchema" in declaration:
                check_schema(declaration["parametersJsonSchema"], "parameters_json_schema")
    calling = canonical(canonical(told.get("toolConfig", {})).get("functionCallingConfig", {}))
    allowed = _list(calling.get("allowedFunctionNames"))
    if allowed and calling.get("mode", "").upper() not in ("ANY", "VALIDATED"):
        raise Refused("allowed_function_names can only be set with the function calling mode ANY.")
    for name in allowed:
        if name not in names:
            raise Refused(f"Function '{name}' of allowed_function_names is not declared.")


def _list(value: Any) -> Sequence[Any]:
    """A repeated field, which may be told as a single value."""
    return value if is_array(value) else [] if value is None else [value]
