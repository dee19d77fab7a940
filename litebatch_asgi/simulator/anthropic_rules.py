"""Whether the parameters of a message are good, as Anthropic published what they may be.

`anthropic_params.json` has the types of the `anthropic` package. It no longer knows temperature, top_p and
top_k, which are of the version 2023-06-01 of the API; these, and the rules between parameters, are written
here, from Anthropic's reference of the Messages API.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from .json_values import JSON, is_array, is_object

_TYPES = Path(__file__).with_name("anthropic_params.json")
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_SCHEMA_KEYS = frozenset(
    {
        *("type", "title", "description", "enum", "anyOf", "properties", "required", "items", "format"),
        "additionalProperties",
    }
)
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_NUMBERS = {"temperature": 1.0, "top_p": 1.0, "top_k": float("inf")}
"""Greatest values of what the version 2023-06-01 has beside the types."""
_LEAST_BUDGET = 1024


def why_refused(params: JSON) -> str | None:
    """Why a message with these parameters is refused, in Anthropic's style; None: it is not."""
    typed = {name: value for name, value in params.items() if name not in _NUMBERS}
    wrong = _types().why_not(typed)
    return wrong if wrong is not None else next(_broken_rules(params), None)


def why_no_schema(schema: JSON, place: str) -> str | None:
    """Why Claude does not follow a schema; None: it does.

    Source: what the `anthropic` package leaves of one.
    """
    if unknown := sorted(schema.keys() - _SCHEMA_KEYS):
        return f"{place}: {unknown[0]} is not supported"
    if not schema.keys() & {"type", "anyOf", "enum"}:
        return f"{place}: no type is given"
    if schema.get("format", "uuid") not in _FORMATS:
        return f"{place}.format: it is not supported"
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        return f"{place}: for 'object' type, 'additionalProperties' must be explicitly set to false"
    inner = {f"properties.{name}": one for name, one in schema.get("properties", {}).items()}
    inner |= {f"anyOf.{number}": one for number, one in enumerate(schema.get("anyOf", ()))}
    inner |= {"items": schema["items"]} if "items" in schema else {}
    reasons = (why_no_schema(one, f"{place}.{name}") for name, one in inner.items())
    return next((reason for reason in reasons if reason is not None), None)


class _Types:
    """Says why a value is not of a type. What the types do not have is not permitted."""

    def __init__(self, told: JSON) -> None:
        self._params = told["params"]
        self._objects: dict[str, JSON] = told["objects"]

    def why_not(self, params: JSON) -> str | None:
        """Why these are not the parameters of a message."""
        return self._why_not(params, self._params, "")

    def _why_not(self, value: Any, kind: Any, place: str) -> str | None:
        if isinstance(kind, str):
            is_of, name = _SCALARS[kind]
            return None if is_of(value) else f"{place}: Input should be {name}"
        ((sort, told),) = kind.items()
        if sort == "literal":
            is_among = isinstance(value, str | bool) and value in told
            return None if is_among else f"{place}: Input should be one of {told}"
        if sort == "array":
            return self._why_no_array(value, told, place)
        if sort == "object":
            return self._why_no_object(value, self._objects[told], place)
        return self._why_none_of(value, told, place)

    def _why_none_of(self, value: Any, kinds: list[Any], place: str) -> str | None:
        fitting = [kind for kind in kinds if self._may_be(value, kind)]
        reasons = [self._why_not(value, kind, place) for kind in fitting or kinds]
        if None in reasons:
            return None
        return reasons[0] if len(reasons) == 1 else f"{place}: Input is none of what it may be"

    def _may_be(self, value: Any, kind: Any) -> bool:
        """Whether a value is of the right sort, and of an object whether what tells its type does so."""
        sort = _sort_of(kind)
        if is_array(value):
            return sort == "array"
        if not is_object(value):
            return sort in ("scalar", "literal")
        if sort != "object":
            return kind in ("object", "any")
        members = self._objects[kind["object"]]["members"]
        telling = [name for name in ("type", "role") if name in members]
        return all(self._why_not(value.get(name), members[name], "") is None for name in telling)

    def _why_no_array(self, value: Any, kind: Any, place: str) -> str | None:
        if not is_array(value):
            return f"{place}: Input should be a valid array"
        reasons = (self._why_not(one, kind, _under(place, str(index))) for index, one in enumerate(value))
        return next((reason for reason in reasons if reason is not None), None)

    def _why_no_object(self, value: Any, told: JSON, place: str) -> str | None:
        if not is_object(value):
            return f"{place}: Input should be an object"
        for name in told["required"]:
            if name not in value:
                return f"{_under(place, name)}: Field required"
        for name, member in value.items():
            if name not in told["members"]:
                return f"{_under(place, name)}: Extra inputs are not permitted"
            reason = self._why_not(member, told["members"][name], _under(place, name))
            if reason is not None:
                return reason
        return None


def _sort_of(kind: Any) -> str:
    return "scalar" if isinstance(kind, str) else str(*kind)


def _under(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_SCALARS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "string": (lambda value: isinstance(value, str), "a valid string"),
    "integer": (_is_integer, "a valid integer"),
    "number": (lambda value: _is_integer(value) or isinstance(value, float), "a valid number"),
    "boolean": (lambda value: isinstance(value, bool), "a valid boolean"),
    "null": (lambda value: value is None, "null"),
    "object": (is_object, "an object"),
    "any": (lambda _: True, "anything"),
}


@cache
def _types() -> _Types:
    return _Types(msgspec.json.decode(_TYPES.read_bytes()))


def _broken_rules(params: JSON) -> Iterator[str]:
    """What is wrong with parameters that have the right types."""
    for name, most in _NUMBERS.items():
        value = params.get(name, 0)
        if not (_is_integer(value) or isinstance(value, float)) or not 0 <= value <= most:
            yield f"{name}: Input should be a number from 0 to {most:g}"
            return
    if "temperature" in params and "top_p" in params:
        yield "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
    if params["max_tokens"] < 1:
        yield "max_tokens: Input should be greater than or equal to 1"
    if any(not stop or stop.isspace() for stop in params.get("stop_sequences", ())):
        yield "stop_sequences: each stop sequence must contain non-whitespace"
    yield from _broken_tools(params)
    yield from _broken_thinking(params)
    yield from _broken_messages(params)
    if (format_ := params.get("output_config", {}).get("format")) is not None:
        reason = why_no_schema(format_["schema"], "output_config.format.schema")
        if reason is not None:
            yield reason


def _broken_tools(params: JSON) -> Iterator[str]:
    tools = params.get("tools", [])
    for number, tool in enumerate(tools):
        if "input_schema" not in tool:
            continue  # one of Anthropic's own
        if not _TOOL_NAME.fullmatch(tool["name"]):
            yield f"tools.{number}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        if tool["input_schema"].get("type") != "object":
            yield f"tools.{number}.custom.input_schema.type: Field required"
        elif tool.get("strict"):
            reason = why_no_schema(tool["input_schema"], f"tools.{number}.custom.input_schema")
            if reason is not None:
                yield reason
    choice = params.get("tool_choice")
    if choice is not None and not tools:
        yield "tool_choice may only be specified while providing tools"
    elif choice is not None and choice["type"] == "tool":
        name = choice["name"]
        if all(tool.get("name") != name for tool in tools):
            yield f"Tool '{name}' not found in provided tools"


def _broken_thinking(params: JSON) -> Iterator[str]:
    thinking = params.get("thinking", {"type": "disabled"})
    if thinking["type"] == "disabled":
        return
    if params.get("temperature", 1) != 1:
        yield "`temperature` may only be set to 1 when thinking is enabled."
    if params.get("top_p", 1) < 0.95:
        yield "`top_p` must be greater than or equal to 0.95 when thinking is enabled."
    if params.get("tool_choice", {}).get("type") in ("any", "tool"):
        yield "Thinking may not be enabled when tool_choice forces tool use."
    if thinking["type"] != "enabled":
        return
    if thinking["budget_tokens"] < _LEAST_BUDGET:
        yield f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_LEAST_BUDGET}"
    if thinking["budget_tokens"] >= params["max_tokens"]:
        yield "`max_tokens` must be greater than `thinking.budget_tokens`."
    if params["messages"] and any(each["type"] == "tool_result" for each in _blocks(params["messages"][-1])):
        yield "messages: the assistant's turn of a tool call must start with a thinking block"


def _broken_messages(params: JSON) -> Iterator[str]:
    messages = params["messages"]
    if not messages:
        yield "messages: at least one message is required"
        return
    if messages[0]["role"] != "user":
        yield 'messages: first message must use the "user" role'
    called: list[str] = []
    seen: set[str] = set()
    for number, message in enumerate([{"content": params.get("system", [])}, *messages], start=-1):
        place = "system" if number < 0 else f"messages.{number}"
        blocks = _blocks(message)
        if number >= 0 and not message["content"] and number < len(messages) - 1:
            yield f"{place}: all messages must have non-empty content"
        if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            yield f"{place}: text content blocks must contain non-whitespace text"
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if sorted(answered) != sorted(called):
            yield f"{place}: each `tool_use` must have one `tool_result` in the next message"
        if any(block["type"] != "tool_result" for block in blocks[: len(answered)]):
            yield f"{place}: `tool_result` blocks must come first"
        called = [block["id"] for block in blocks if block["type"] == "tool_use"]
        for one in called:
            if not _ID.fullmatch(one):
                yield f"{place}: tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
            if one in seen:
                yield f"{place}: `tool_use` ids must be unique"
            seen.add(one)
    if called:
        yield "messages: `tool_use` ids were found without `tool_result` blocks immediately after"
    if seen and not params.get("tools"):
        yield "tools: Requests which include `tool_use` or `tool_result` blocks must define tools."


def _blocks(message: JSON) -> list[JSON]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
