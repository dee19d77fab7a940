"""What a line costs grows with its length, and no faster: a long one is not to hold a thread for hours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from litebatch_asgi.dialects import Dialect
from litebatch_asgi.dialects.anthropic import AnthropicDialect, ClaudeModel
from litebatch_asgi.dialects.mistral import MistralDialect, MistralModel
from litebatch_asgi.dialects.vertex import GeminiModel, VertexDialect
from tests.effort import effort

from .requests import WEATHER, call, line

DIALECTS: list[Dialect] = [
    AnthropicDialect(ClaudeModel.named("claude-sonnet-4-5"), names={}),
    MistralDialect(MistralModel.named("mistral-small-latest")),
    VertexDialect(GeminiModel.named("gemini-2.5-flash"), names={}),
]
SAID: dict[str, Any] = {"role": "user", "content": "x"}


def instructions(count: int) -> list[Any]:
    return [{"role": "system", "content": "x"}] * count + [SAID]


def turns(count: int) -> list[Any]:
    return [SAID, {"role": "assistant", "content": "y"}] * count + [SAID]


def parts(count: int) -> list[Any]:
    return [{"role": "user", "content": [{"type": "text", "text": "x"}] * count}]


def calls(count: int) -> list[Any]:
    called = {"role": "assistant", "content": None, "tool_calls": [call(f"c{n}") for n in range(count)]}
    results = [{"role": "tool", "tool_call_id": f"c{n}", "content": "r"} for n in reversed(range(count))]
    return [SAID, called, *results]


@pytest.mark.parametrize("messages", [instructions, turns, parts, calls])
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: type(dialect).__name__)
def test_a_longer_conversation_costs_in_proportion(
    dialect: Dialect, messages: Callable[[int], list[Any]]
) -> None:
    short, long = (line(messages=messages(count), tools=[WEATHER], max_tokens=9) for count in (100, 400))
    assert effort(lambda: dialect.encode(long, 1)) < 6 * effort(lambda: dialect.encode(short, 1))
