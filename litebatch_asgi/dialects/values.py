"""Reads the JSON values of a request; whatever is of another type is refused with its place named."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeAlias, TypeGuard, cast

from litebatch_asgi.dialects.refusal import Refusal, invalid

Object: TypeAlias = dict[str, Any]


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Whether a value is an array."""
    return isinstance(value, list)


def read_object(value: Any, param: str) -> Object:
    """An object."""
    if not isinstance(value, dict):
        raise _wrong_type(value, param, "an object")
    return cast("Object", value)


def read_array(value: Any, param: str) -> list[Any]:
    """An array."""
    if not is_array(value):
        raise _wrong_type(value, param, "an array")
    return value


def read_text(value: Any, param: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise _wrong_type(value, param, "a string")
    return value


def read_flag(value: Any, param: str) -> bool:
    """A boolean."""
    if not isinstance(value, bool):
        raise _wrong_type(value, param, "a boolean")
    return value


def read_number(value: Any, param: str, low: float, high: float) -> float:
    """A number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_type(value, param, "a number")
    if not low <= value <= high:
        raise invalid(param, f"{value} is not from {low} to {high}.")
    return value


def read_whole(value: Any, param: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_type(value, param, "an integer")
    if not low <= value <= high:
        raise invalid(param, f"{value} is not from {low} to {high}.")
    return value


def read_choice(value: Any, param: str, choices: Collection[str]) -> str:
    """One of some strings."""
    text = read_text(value, param)
    if text not in choices:
        supported = ", ".join(f"'{choice}'" for choice in choices)
        raise invalid(param, f"'{text[:100]}'. Supported values are: {supported}.")
    return text


def read_kind(value: Object, param: str, kinds: Collection[str]) -> str:
    """The `type` of an object that must be one of some."""
    return read_choice(value.get("type"), f"{param}.type", kinds)


def check_keys(value: Object, param: str, known: Collection[str]) -> None:
    """Refuse an object with members that are not known: they would be lost."""
    for name in value:
        if name not in known:
            raise Refusal(
                "unknown_parameter",
                f"{param}.{name}",
                f"Unknown parameter: '{param}.{name}'. It is not known here and would be lost; leave it out.",
            )


def is_same(value: object, other: object) -> bool:
    """Whether two JSON values are equal; in Python true is 1 as well."""
    return value == other and isinstance(value, bool) is isinstance(other, bool)


def _wrong_type(value: Any, param: str, expected: str) -> Refusal:
    got = _KINDS.get(cast("type[object]", type(value)), "a number")
    message = f"Invalid type for '{param}': expected {expected}, but got {got} instead."
    return Refusal("invalid_type", param, message)


_KINDS: dict[type[object], str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    type(None): "null",
}
