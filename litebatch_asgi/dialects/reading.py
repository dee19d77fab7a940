"""Reads the rows of providers, leniently: nothing that a row holds raises."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from litebatch_asgi.dialects.values import Object, is_array
from litebatch_asgi.jsonl.answers import MOST_TOKENS, NOT_TYPED, members, whole
from litebatch_asgi.jsonl.loose import loose_json

_decode = msgspec.json.Decoder().decode


def read_json(text: bytes) -> object:
    """What `text` holds, if it is JSON or nearly so; None otherwise."""
    try:
        return _decode(text)
    except NOT_TYPED:
        pass
    try:
        return loose_json(text, parse_constant=lambda name: None)
    except (ValueError, RecursionError):
        return None


def inner(value: Object, *names: str) -> Object:
    """The members of the first of the named members that is an object; anything else has none."""
    for name in names:
        if isinstance(value.get(name), dict):
            return members(value[name])
    return {}


def items(value: object) -> list[Any]:
    """Those of an array; anything else has none."""
    return value if is_array(value) else []


def text_of(value: object) -> str | None:
    """A string that is not empty."""
    return value if isinstance(value, str) and value else None


def tokens(value: object) -> int:
    """A number of tokens; 0 for what is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)  # 64-bit integers are strings in protobuf's JSON
    count = whole(value)
    return count if count is not None and 0 <= count < MOST_TOKENS else 0


def seconds(value: object) -> int | None:
    """Unix seconds of a time of RFC 3339; None for what is none."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if time is None or time.tzinfo is None else int(time.timestamp())
