"""What a Mistral model takes, as far as models differ. It is known by a model's exact name, or configured."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

ON_OR_OFF = ("none", "high")
LEVELS = ("low", "medium", "high")
EFFORTS: Mapping[str, tuple[str, ...]] = {
    "mistral-small-2603": ON_OR_OFF,
    "mistral-small-latest": ON_OR_OFF,
    "mistral-medium-3-5": ON_OR_OFF,
    "mistral-medium-2604": ON_OR_OFF,
    "mistral-large-4": LEVELS,
    "mistral-large-4-0": LEVELS,
}
"""By the exact name of a model: what `reasoning_effort` may be. Magistral reasons always, and takes none.

Source: Mistral's guide to reasoning, as of November 2026.
"""


class MistralModel(msgspec.Struct, frozen=True, kw_only=True):
    """What one model takes."""

    name: str
    efforts: tuple[str, ...] = ()
    """each `reasoning_effort` that the model takes"""
    lacks: Mapping[str, str] = {}
    """parameters of OpenAI's that this model does not take, and why not, for clients"""

    @classmethod
    def named(cls, name: str) -> MistralModel:
        """What is known of a model by its exact name; of others, what all models have in common."""
        return cls(name=name, efforts=EFFORTS.get(name, ()))
