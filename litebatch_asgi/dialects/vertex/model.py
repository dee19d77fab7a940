"""What a Gemini model takes, as far as models differ. It is known by a model's exact name, or configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

BUDGETS: Mapping[str, Mapping[str, Any]] = {
    "none": {"thinkingBudget": 0},
    "minimal": {"thinkingBudget": 1024},
    "low": {"thinkingBudget": 1024},
    "medium": {"thinkingBudget": 8192},
    "high": {"thinkingBudget": 24576},
}
"""`thinkingConfig` for each `reasoning_effort`, of models that think by a budget of tokens.

Source: Google's guide to the Gemini API for users of OpenAI's libraries.
"""
LEVELS: Mapping[str, Mapping[str, Any]] = {
    "minimal": {"thinkingLevel": "MINIMAL"},
    "low": {"thinkingLevel": "LOW"},
    "medium": {"thinkingLevel": "MEDIUM"},
    "high": {"thinkingLevel": "HIGH"},
}
"""The same, of models that think by levels."""


def _but(efforts: Mapping[str, Mapping[str, Any]], *names: str) -> Mapping[str, Mapping[str, Any]]:
    return {effort: told for effort, told in efforts.items() if effort not in names}


EFFORTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "gemini-2.5-flash": BUDGETS,
    "gemini-2.5-flash-lite": BUDGETS,
    "gemini-2.5-pro": _but(BUDGETS, "none"),
    "gemini-3-flash-preview": LEVELS,
    "gemini-3-pro-preview": _but(LEVELS, "minimal", "medium"),
}
"""By the exact name of a model: what `reasoning_effort` may be, and what it comes to."""


class GeminiModel(msgspec.Struct, frozen=True, kw_only=True):
    """What one model takes."""

    name: str
    """as in `publishers/google/models/…`"""
    efforts: Mapping[str, Mapping[str, Any]] = {}
    """`thinkingConfig` for each `reasoning_effort` that the model takes"""
    lacks: Mapping[str, str] = {}
    """parameters of OpenAI's that this model does not take, and why not, for clients"""

    @classmethod
    def named(cls, name: str) -> GeminiModel:
        """What is known of a model by its exact name; of others, what all models have in common."""
        return cls(name=name, efforts=EFFORTS.get(name, {}))
