"""What all dialects say of the parameters that no provider but OpenAI has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litebatch_asgi.dialects.rules import Rule, neutral, refused, without_effect

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""what `reasoning_effort` may be at OpenAI"""
ABOUT_THE_USER = "it tells OpenAI who asks, and nothing to the model."
_CACHING = "it makes answers cheaper and faster at OpenAI, not different."

EVERYWHERE: Mapping[str, Rule[Any]] = {
    "metadata": without_effect("it labels the answer at OpenAI."),
    "store": without_effect("it keeps the answer at OpenAI."),
    "prompt_cache_key": without_effect(_CACHING),
    "prompt_cache_options": without_effect(_CACHING),
    "prompt_cache_retention": without_effect(_CACHING),
    "prediction": without_effect("it makes answers faster at OpenAI, not different."),
    "audio": refused("the provider gives no audio in batches. Leave it out."),
    "modalities": neutral(["text"], why="the provider gives text only."),
    "moderation": refused("the provider moderates in its own way and does not tell its results."),
    "function_call": refused("it is deprecated. Use tool_choice."),
    "functions": refused("it is deprecated. Use tools."),
    "logit_bias": neutral({}, why="the provider's tokens are others, and cannot be favoured."),
    "service_tier": neutral("auto", "default", why="a batch runs at the provider's price for batches."),
    "stream": neutral(False, why="a batch does not stream."),
    "stream_options": refused("a batch does not stream. Leave it out."),
    "verbosity": neutral("medium", why="the provider has no such setting. Say in the prompt how long to be."),
    "web_search_options": refused("the provider does not search the web for OpenAI's requests."),
}
"""Rules of chat completions that do not depend on the provider."""
