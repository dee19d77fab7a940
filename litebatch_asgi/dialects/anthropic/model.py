"""What a Claude model takes, as far as models differ. It is known by a model's exact name, or configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

_OFF: Mapping[str, Any] = {"thinking": {"type": "disabled"}}


def _budget(tokens: int) -> Mapping[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}


def _adaptive(effort: str) -> Mapping[str, Any]:
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}


BUDGETS: Mapping[str, Mapping[str, Any]] = {
    "none": _OFF,
    "minimal": _budget(1024),
    "low": _budget(1024),
    "medium": _budget(8192),
    "high": _budget(24576),
}
"""What each `reasoning_effort` comes to, of models that think by a budget of tokens, of which 1,024 is the
least. Anthropic publishes no such table; the budgets are those that Google publishes for Gemini."""
ADAPTIVE: Mapping[str, Mapping[str, Any]] = {
    "none": _OFF,
    **{effort: _adaptive(effort) for effort in ("low", "medium", "high", "xhigh", "max")},
}
"""The same, of models that choose themselves how much to think, by an effort."""
_BY_BUDGET = (
    "claude-haiku-4-5",
    "claude-haiku-4-5-20251001",
    "claude-opus-4-5",
    "claude-opus-4-5-20251101",
    "claude-sonnet-4-5",
    "claude-sonnet-4-5-20250929",
)
EFFORTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = dict.fromkeys(_BY_BUDGET, BUDGETS)
"""By the exact name of a model: what `reasoning_effort` may be, and what it comes to."""


class ClaudeModel(msgspec.Struct, frozen=True, kw_only=True):
    """What one model takes."""

    name: str
    max_tokens: int | None = None
    """for lines that do not limit their answers, as the provider demands; None: such lines are refused"""
    efforts: Mapping[str, Mapping[str, Any]] = {}
    """for each `reasoning_effort` that the model takes, `thinking` and `output_config`"""
    has_formats: bool = False
    """answers and calls can be made to follow a schema"""
    lacks: Mapping[str, str] = {}
    """parameters of OpenAI's that this model does not take, and why not, for clients"""

    @classmethod
    def named(cls, name: str, *, max_tokens: int | None = None) -> ClaudeModel:
        """What is known of a model by its exact name; of others, what all models have in common."""
        return cls(
            name=name,
            max_tokens=max_tokens,
            efforts=EFFORTS.get(name, {}),
            has_formats=name in EFFORTS,
        )
