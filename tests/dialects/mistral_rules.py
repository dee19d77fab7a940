"""A stand-in for Mistral: takes or refuses an encoded line as the provider's published rules say.

Types and names are those of the `mistralai` package. Bounds are Mistral's OpenAPI document's; rules between
fields and of messages are those of `mistral-common` and of Mistral's own error messages. These are written
here by hand.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

from mistralai.client.models.chatcompletionrequest import ChatCompletionRequestTypedDict
from mistralai.client.models.embeddingrequest import EmbeddingRequestTypedDict

from tests.dialects.typed_dicts import why_not

CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
BOUNDS: dict[str, tuple[float, float]] = {
    "temperature": (0, 1.5),
    "top_p": (0, 1),
    "max_tokens": (0, 2**31 - 1),
    "random_seed": (0, 2**63 - 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "n": (1, 128),
    "top_logprobs": (0, 20),
}
FOLLOWERS = {
    "system": {"system", "user", "assistant"},
    "user": {"system", "user", "assistant"},
    "assistant": {"assistant", "user", "tool"},
    "tool": {"assistant", "tool"},
}


def check_line(line: bytes) -> dict[str, Any]:
    """The line as decoded, which the provider takes. The job names the model."""
    assert b"\n" not in line
    told: dict[str, Any] = json.loads(line)
    assert told.keys() == {"custom_id", "body"}
    assert isinstance(told["custom_id"], str)
    body = told["body"]
    assert "model" not in body
    if "input" in body:
        _check_embeddings(body)
    else:
        _check_chat(body)
    return told


def _check_embeddings(body: dict[str, Any]) -> None:
    named = {"inputs" if name == "input" else name: value for name, value in body.items()}
    assert why_not({"model": "m", **named}, EmbeddingRequestTypedDict) is None
    assert body.get("output_dimension", 1) > 0
    assert body["input"]


def _check_chat(body: dict[str, Any]) -> None:
    assert why_not({"model": "m", **_in_python(body)}, ChatCompletionRequestTypedDict) is None
    for name, (low, high) in BOUNDS.items():
        assert low <= body.get(name, low) <= high, name
    assert "top_logprobs" not in body or body.get("logprobs")
    if body.get("temperature") == 0:
        assert body.get("top_p") == 1  # "top_p must be 1 when using greedy sampling."
    functions = {tool["function"]["name"] for tool in body.get("tools", ())}
    assert all(map(NAME.fullmatch, functions))
    choice = body.get("tool_choice", "auto")
    assert choice == "auto" or functions
    assert isinstance(choice, str) or choice["function"]["name"] in functions
    _check_messages(body["messages"])


def _in_python(body: dict[str, Any]) -> dict[str, Any]:
    """The body with the name that the package has for `schema`."""
    format_ = body.get("response_format", {})
    if "json_schema" not in format_:
        return body
    told = dict(format_["json_schema"])
    told["schema_definition"] = told.pop("schema")
    return {**body, "response_format": {**format_, "json_schema": told}}


def _check_messages(messages: list[dict[str, Any]]) -> None:
    roles = [message["role"] for message in messages]
    assert roles[-1] in ("user", "tool")
    assert len(roles) > 1 or roles == ["user"]
    assert roles[0] != "tool"
    for before, after in pairwise(roles):
        assert after in FOLLOWERS[before]
    open_: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] == open_.pop(0)
            assert NAME.fullmatch(message["name"])
            continue
        assert not open_
        if message["role"] == "assistant":
            assert message.get("content") or message.get("tool_calls")
            calls = message.get("tool_calls", ())
            open_ = [call["id"] for call in calls]
            assert all(map(CALL_ID.fullmatch, open_))
            assert all(NAME.fullmatch(call["function"]["name"]) for call in calls)
    assert not open_
