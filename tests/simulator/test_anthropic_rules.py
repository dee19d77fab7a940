"""What the simulated Anthropic says of a message's parameters."""

from __future__ import annotations

from typing import Any

import pytest

from litebatch_asgi.simulator.anthropic_rules import why_no_schema, why_refused

from .anthropic_types import KEPT, text

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
CALL: dict[str, Any] = {"type": "tool_use", "id": "c1", "name": "weather", "input": {}}
RESULT: dict[str, Any] = {"type": "tool_result", "tool_use_id": "c1", "content": "sun"}
TOOL: dict[str, Any] = {"name": "weather", "input_schema": {"type": "object"}}
THINKING: dict[str, Any] = {"type": "enabled", "budget_tokens": 1024}


def params(**changes: Any) -> dict[str, Any]:
    return {"model": "claude-x", "max_tokens": 2000, "messages": HELLO, **changes}


def said(*blocks: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


def test_the_types_are_those_of_the_package() -> None:
    """After a new version of it: `python -m tests.simulator.anthropic_types`."""
    assert KEPT.read_text() == text()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"temperature": 0.5, "top_k": 40, "stop_sequences": ["END"], "metadata": {"user_id": "u"}},
        {"system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]},
        {"messages": [*HELLO, said({"type": "text", "text": "Yes"}, role="assistant"), *HELLO, *HELLO]},
        {"messages": [*HELLO, {"role": "assistant", "content": "{"}]},
        {"messages": [*HELLO, said(CALL, role="assistant"), said(RESULT)], "tools": [TOOL]},
        {"tools": [TOOL, {"type": "web_search_20250305", "name": "web_search"}]},
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "weather"}},
        {"thinking": THINKING, "temperature": 1},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
        {"stream": False, "service_tier": "auto"},
    ],
)
def test_good_parameters_pass(changes: dict[str, Any]) -> None:
    assert why_refused(params(**changes)) is None


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"stream": True}, "stream: Input should be one of [False]"),
    ({"seed": 1}, "seed: Extra inputs are not permitted"),
    ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
    ({"max_tokens": True}, "max_tokens: Input should be a valid integer"),
    ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
    ({"messages": []}, "messages: at least one message is required"),
    ({"messages": {}}, "messages: Input should be a valid array"),
    ({"messages": ["hello"]}, "messages.0: Input is none of what it may be"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0: Input is none of what it may be"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, 'first message must use the "user" role'),
    ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
    ({"messages": [said({"type": "text"})]}, "messages.0.content.0.text: Field required"),
    ({"messages": [said({"type": "text", "text": " "})]}, "must contain non-whitespace text"),
    ({"messages": [said({"type": "text", "text": "x", "y": 1})]}, "content.0.y: Extra inputs"),
    ({"messages": [{"role": "user", "content": ""}, *HELLO]}, "messages.0"),
    ({"messages": [*HELLO, said(CALL, role="assistant")], "tools": [TOOL]}, "immediately after"),
    (
        {"messages": [*HELLO, said(CALL, role="assistant"), *HELLO], "tools": [TOOL]},
        "in the next message",
    ),
    ({"messages": [said(RESULT)], "tools": [TOOL]}, "messages.0: each `tool_use`"),
    ({"messages": [*HELLO, said(CALL, role="assistant"), said(RESULT)]}, "must define tools"),
    ({"messages": [*HELLO, said(CALL, CALL, role="assistant"), said(RESULT, RESULT)]}, "must be unique"),
    ({"messages": [*HELLO, said(CALL | {"id": "a.b"}, role="assistant"), said(RESULT)]}, "tool_use.id"),
    ({"temperature": 1.5}, "temperature: Input should be a number from 0 to 1"),
    ({"temperature": 0.5, "top_p": 0.5}, "cannot both be specified"),
    ({"stop_sequences": [" "]}, "must contain non-whitespace"),
    ({"tools": [TOOL | {"name": "two words"}]}, "tools.0.custom.name: String should match pattern"),
    ({"tools": [TOOL | {"input_schema": {}}]}, "tools.0.custom.input_schema.type: Field required"),
    ({"tools": [TOOL | {"strict": True}]}, "'additionalProperties' must be explicitly set to false"),
    ({"tool_choice": {"type": "auto"}}, "only be specified while providing tools"),
    ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "x"}}, "Tool 'x' not found"),
    ({"thinking": THINKING | {"budget_tokens": 3}}, "greater than or equal to 1024"),
    ({"thinking": THINKING, "max_tokens": 1024}, "must be greater than `thinking.budget_tokens`"),
    ({"thinking": THINKING, "temperature": 0.5}, "only be set to 1"),
    ({"thinking": THINKING, "top_p": 0.5}, "0.95"),
    ({"thinking": THINKING, "tools": [TOOL], "tool_choice": {"type": "any"}}, "forces tool use"),
    (
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        "set to false",
    ),
]


@pytest.mark.parametrize(("changes", "why"), WRONG)
def test_wrong_parameters_are_told(changes: dict[str, Any], why: str) -> None:
    told = why_refused(params(**changes))
    assert told is not None
    assert why in told


@pytest.mark.parametrize("missing", ["model", "max_tokens", "messages"])
def test_what_every_message_needs(missing: str) -> None:
    told = params()
    del told[missing]
    assert why_refused(told) == f"{missing}: Field required"


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "string", "format": "email"}, None),
        ({"type": "array", "items": {"type": "string"}}, None),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, None),
        ({"type": "string", "format": "phone"}, "s.format: it is not supported"),
        ({"type": "integer", "minimum": 1}, "s: minimum is not supported"),
        ({"type": "array", "items": {}}, "s.items: no type is given"),
        ({"anyOf": [{"type": "string"}, {}]}, "s.anyOf.1: no type is given"),
    ],
)
def test_schemas_that_can_be_followed(schema: dict[str, Any], why: str | None) -> None:
    assert why_no_schema(schema, "s") == why
