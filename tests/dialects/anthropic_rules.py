"""A stand-in for Anthropic: takes or refuses an encoded line as the provider's published rules say.

Types and names are those of the `anthropic` package. It no longer knows temperature and top_p, which are of
the version 2023-06-01 of the API; these, and rules between fields, are written here by hand.
"""

from __future__ import annotations

import json
import re
from typing import Any

from anthropic.types.message_create_params import MessageCreateParamsNonStreaming

from tests.dialects.typed_dicts import why_not

CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}


def check_line(line: bytes) -> dict[str, Any]:
    """The line as decoded, which the provider takes."""
    assert b"\n" not in line
    told: dict[str, Any] = json.loads(line)
    assert told.keys() == {"custom_id", "params"}
    assert CUSTOM_ID.fullmatch(told["custom_id"])
    params = dict(told["params"])
    temperature, top_p = params.pop("temperature", None), params.pop("top_p", None)
    assert why_not(params, MessageCreateParamsNonStreaming) is None
    assert temperature is None or (top_p is None and 0 <= temperature <= 1)
    assert top_p is None or 0 <= top_p <= 1
    assert params["max_tokens"] >= 1
    _check_thinking(params, temperature, top_p)
    _check_messages(params)
    assert all(stop and not stop.isspace() for stop in params.get("stop_sequences", ()))
    for tool in params.get("tools", ()):
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", tool["name"])
        assert tool["input_schema"]["type"] == "object"
        if tool.get("strict"):
            check_schema(tool["input_schema"])
    choice = params.get("tool_choice", {})
    assert not choice or params.get("tools")
    if choice.get("type") == "tool":
        assert choice["name"] in {tool["name"] for tool in params["tools"]}
    if "format" in params.get("output_config", {}):
        check_schema(params["output_config"]["format"]["schema"])
    return told


def check_schema(schema: dict[str, Any]) -> None:
    """What the provider's own package would leave as it is."""
    known = {"type", "title", "description", "enum", "anyOf", "properties", "required", "items", "format"}
    assert schema.keys() <= known | {"additionalProperties"}
    assert schema.keys() & {"type", "anyOf", "enum"}
    assert schema.get("format", "uuid") in FORMATS
    if schema.get("type") == "object":
        assert schema.get("additionalProperties") is False
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    for one in [*inner, *([schema["items"]] if "items" in schema else [])]:
        check_schema(one)


def _check_thinking(params: dict[str, Any], temperature: float | None, top_p: float | None) -> None:
    thinking = params.get("thinking", {"type": "disabled"})
    if thinking["type"] == "disabled":
        return
    assert temperature in (None, 1)
    assert top_p is None or top_p >= 0.95
    assert params.get("tool_choice", {}).get("type") not in ("any", "tool")
    if thinking["type"] == "enabled":
        assert 1024 <= thinking["budget_tokens"] < params["max_tokens"]
        assert params["messages"][-1]["content"][0]["type"] != "tool_result"


def _check_messages(params: dict[str, Any]) -> None:
    roles = [message["role"] for message in params["messages"]]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
    called: list[str] = []
    seen: set[str] = set()
    for message in [{"content": params.get("system", [])}, *params["messages"]]:
        blocks = message["content"]
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        assert answered == called
        assert all(block["type"] == "tool_result" for block in blocks[: len(answered)])
        called = [block["id"] for block in blocks if block["type"] == "tool_use"]
        assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", one) and one not in seen for one in called)
        seen.update(called)
        assert all(block["text"].strip() for block in blocks if block["type"] == "text")
        assert "system" not in params or params["system"]
    assert not seen or params.get("tools")
