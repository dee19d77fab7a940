"""Reads what servers answer, leniently: they are many, and some say less than OpenAI. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, cast

import msgspec

from litebatch_asgi.cli.client.errors import Refused
from litebatch_asgi.cli.figures import span_of
from litebatch_asgi.errors import Problem
from litebatch_asgi.jsonl.answers import members as members
from litebatch_asgi.jsonl.answers import whole as whole
from litebatch_asgi.models.headers import SHORTEST_SECRET

_LONGEST_TEXT = 2000
"""characters of what a server says of an error"""
_MOST_DOLLARS = 10**12
_LONGEST_AMOUNT = 64
_HINTS = {
    401: "look at the key",
    403: "the key may not do this",
    404: "look at the id and the base URL, which mostly ends in /v1",
    405: "this server cannot do it",
}


def text(value: object) -> str | None:
    """A text that is not empty."""
    return value if isinstance(value, str) and value else None


def number(value: object) -> int:
    """A count; 0 for what is none."""
    found = whole(value)
    return found if found is not None and found >= 0 else 0


def dollars(value: object) -> str | None:
    """An amount of US dollars; None for what is none, or nothing costs."""
    told = text(value)
    if told is None or len(told) > _LONGEST_AMOUNT:
        return None
    try:
        amount = Decimal(told)
    except InvalidOperation:
        return None
    return told if amount.is_finite() and 0 <= amount < _MOST_DOLLARS else None


def listed(value: object) -> list[object]:
    """Those of a list; anything else has none."""
    return cast("list[object]", value) if isinstance(value, list) else []


def shown_without(words: str, hidden: str) -> str:
    """Words without the key."""
    return words.replace(hidden, "[key]") if len(hidden) >= SHORTEST_SECRET else words


def refusal(
    method: str, path: str, status: int, content: bytes, *, hidden: str, long_wait: float | None = None
) -> Refused:
    """What an answer that is an error says. `hidden`: the key, which its text may repeat.

    `long_wait`: seconds that the server asks to wait, and nobody does.
    """
    said = members(_decoded(content))
    error = members(said.get("error"))
    message = text(error.get("message")) or text(said.get("error")) or text(said.get("detail"))
    if message is None:
        hint = _HINTS.get(status)
        told = f"{method} {path} was answered with {status}{f': {hint}' if hint else ''}"
    else:
        told = f"{shown_without(message, hidden)[:_LONGEST_TEXT]} ({status} from {method} {path})"
    if long_wait is not None:
        told += f"; it asks to wait for {span_of(long_wait)}"
    return Refused(
        told,
        status=status,
        code=text(error.get("code")),
        problems=[_problem(members(each), hidden) for each in listed(error.get("errors"))],
    )


def _problem(told: dict[str, Any], hidden: str) -> Problem:
    return Problem(
        code=text(told.get("code")) or "",
        line=whole(told.get("line")),
        param=text(told.get("param")),
        message=shown_without(text(told.get("message")) or "", hidden)[:_LONGEST_TEXT],
    )


def _decoded(content: bytes) -> object:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
