"""Makes OpenAI's usage of Gemini's."""

from __future__ import annotations

from typing import Any

from litebatch_asgi.dialects.reading import items, tokens
from litebatch_asgi.dialects.values import Object
from litebatch_asgi.jsonl.answers import members


def read_usage(told: Object) -> Object | None:
    """OpenAI's `usage`; None if nothing is told.

    Of the input count also the results of tools, of the output also thoughts. What is audio or an image is
    counted apart from what came from a cache, so that the details share no token.
    """
    if not told:
        return None
    sent = _count(told, "promptTokenCount") + _count(told, "toolUsePromptTokenCount")
    thoughts = _count(told, "thoughtsTokenCount")
    made = _count(told, "candidatesTokenCount") + thoughts
    inputs = ("promptTokensDetails", "toolUsePromptTokensDetails")
    output = "candidatesTokensDetails"
    return {
        "prompt_tokens": sent,
        "completion_tokens": made,
        "total_tokens": sent + made,
        "prompt_tokens_details": {
            "cached_tokens": min(_count(told, "cachedContentTokenCount"), sent),
            "audio_tokens": _fresh(told, "AUDIO", inputs),
            "image_tokens": _fresh(told, "IMAGE", inputs),
        },
        "completion_tokens_details": {
            "reasoning_tokens": thoughts,
            "audio_tokens": _of_kind(told, "AUDIO", output),
            "image_tokens": _of_kind(told, "IMAGE", output),
        },
    }


def _fresh(told: Object, kind: str, names: tuple[str, ...]) -> int:
    """Tokens of a kind that did not come from a cache."""
    all_of_them = sum(_of_kind(told, kind, name) for name in names)
    return max(0, all_of_them - _of_kind(told, kind, "cacheTokensDetails"))


def _of_kind(told: Object, kind: str, name: str) -> int:
    details: list[Any] = items(told.get(name))
    return sum(_count(members(one), "tokenCount") for one in details if members(one).get("modality") == kind)


def _count(told: Object, name: str) -> int:
    return tokens(told.get(name))
