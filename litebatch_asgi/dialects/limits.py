"""Reads what ends an answer: its length, and texts to stop at."""

from __future__ import annotations

from typing import Any

from litebatch_asgi.dialects.refusal import invalid
from litebatch_asgi.dialects.values import read_array, read_text, read_whole

_MOST_TOKENS = (1 << 31) - 1


def read_limit(value: Any, param: str, other: str | None) -> int:
    """How many tokens an answer may have; at OpenAI too, reasoning counts.

    Args:
        value: of `max_tokens` or `max_completion_tokens`.
        param: its place.
        other: the place of the other one, if the request has both.

    """
    if other is not None:
        raise invalid(param, f"'{other}' is there too. Give one of them.")
    return read_whole(value, param, 1, _MOST_TOKENS)


def read_stop(value: Any, param: str, most: int) -> list[str]:
    """The texts that end an answer; none where there is nothing to stop at."""
    if isinstance(value, str):
        value = [value]
    stops = [read_text(one, f"{param}[{index}]") for index, one in enumerate(read_array(value, param))]
    if len(stops) > most:
        raise invalid(param, f"there are {len(stops)} of them; the provider takes {most}.")
    if not all(stops):
        raise invalid(param, "one of them is empty.")
    return stops
