"""Reads the words of errors in the shapes of FastAPI, with which Mistral and many servers are made."""

from __future__ import annotations

from typing import Any

from litebatch_asgi.dialects.reading import items, text_of
from litebatch_asgi.dialects.values import is_array
from litebatch_asgi.jsonl.answers import members

_MOST = 5
_DEEPEST = 4


def error_words(told: object) -> str | None:
    """What an error says; None for what says nothing.

    Known shapes: a text; an object with one of them as `message`, `detail`, `msg` or `error`; an array of
    them. Where something is wrong (`loc`) comes first; what the request had there (`input`) may be anything
    and is left out.
    """
    return _words(told, _DEEPEST)


def _words(told: object, deeper: int) -> str | None:
    if is_array(told):
        found = [words for one in told[:_MOST] if (words := _words(one, deeper - 1)) is not None]
        return "; ".join(found) or None
    said = members(told)
    if not said:
        return text_of(told)
    if deeper <= 0:
        return None
    named = (said.get(name) for name in ("message", "detail", "msg", "error"))
    words = next((words for one in named if (words := _words(one, deeper - 1)) is not None), None)
    place = _place(items(said.get("loc")))
    return words if words is None or not place else f"{place}: {words}"


def _place(steps: list[Any]) -> str:
    place = ""
    for step in steps:
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else str(step)
    return place
