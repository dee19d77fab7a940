"""JSON that clients send, before anything is known about it."""

from __future__ import annotations

from typing import Any, TypeGuard

import msgspec

JSON = dict[str, Any]


def prepare_types(*types: Any) -> None:
    """Have msgspec look at types that threads use: two that are the first at once let the process die."""
    for each in types:
        msgspec.json.Decoder(each)


def is_object(value: object) -> TypeGuard[JSON]:
    """Whether a decoded value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Whether a decoded value is a JSON array."""
    return isinstance(value, list)
