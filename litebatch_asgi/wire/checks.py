"""Checks of single values in a request, refused in OpenAI's words: message, `param` and `code`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from typing import cast

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models.texts import is_plain

_JSON_TYPES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a decimal",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
    type(None): "null",
}
_ECHOED = 200
"""characters of a wrong value that its error repeats"""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"(-?[0-9]{1,15})(?:\.0{1,15})?")


def missing(param: str) -> InvalidRequest:
    """The error for a parameter that must be there."""
    return InvalidRequest(
        f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter"
    )


def wrong_type(param: str | None, expected: str, value: object) -> InvalidRequest:
    """The error for a value of another JSON type than `expected`, such as `a string`; None: the body."""
    got = _JSON_TYPES.get(type(value), f"a Python {type(value).__name__}")
    name = "the body of the request" if param is None else f"'{param}'"
    return InvalidRequest(
        f"Invalid type for {name}: expected {expected}, but got {got} instead.",
        param=param,
        code="invalid_type",
    )


def only_known(given: Mapping[str, object], known: Collection[str], prefix: str = "") -> None:
    """Refuse the first key that is not known, and tell the one that was most likely meant."""
    for key in given:
        if key not in known:
            param = f"{prefix}{key[:_ECHOED]}"
            meant = difflib.get_close_matches(key[:_ECHOED], known, n=1)
            told = f" Did you mean '{prefix}{meant[0]}'?" if meant else ""
            raise InvalidRequest(
                f"Unknown parameter: '{param}'.{told}", param=param, code="unknown_parameter"
            )


def json_object(value: object, param: str | None) -> dict[str, object]:
    """A JSON object; `param` None: the body itself."""
    if not isinstance(value, dict):
        raise wrong_type(param, "an object", value)
    return cast("dict[str, object]", value)


def required_text(given: Mapping[str, object], param: str) -> str:
    """The string under `param`, which must be there."""
    if param not in given:
        raise missing(param)
    return text(given[param], param)


def text(value: object, param: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise wrong_type(param, "a string", value)
    return value


def boolean(value: object, param: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong_type(param, "a boolean", value)
    return value


def plain(value: str, param: str) -> str:
    """A string without control characters: databases refuse some of them."""
    if not is_plain(value):
        raise InvalidRequest(
            f"Invalid '{param}': control characters are not allowed.", param=param, code="invalid_value"
        )
    return value


def is_storable(value: str) -> bool:
    """Whether every database takes it: no null character, nor half of a surrogate pair."""
    return "\0" not in value and is_unicode(value)


def is_unicode(value: str) -> bool:
    """Whether it can be written in UTF-8: no half of a surrogate pair is in it."""
    return _LONE_SURROGATE.search(value) is None


def no_longer_than(limit: int, value: str, param: str) -> str:
    """A string of at most `limit` characters."""
    if len(value) > limit:
        raise InvalidRequest(
            f"Invalid '{param}': string too long. Expected a string with maximum length {limit}, "
            f"but got a string with length {len(value)} instead.",
            param=param,
            code="string_above_max_length",
        )
    return value


def one_of(allowed: Collection[str], value: str, param: str) -> str:
    """One of the strings in `allowed`."""
    if value not in allowed:
        *others, last = (f"'{choice}'" for choice in allowed)
        choices = f"{', '.join(others)} and {last}" if others else last
        raise InvalidRequest(
            f"Invalid value: '{value[:_ECHOED]}'. Supported values are: {choices}.",
            param=param,
            code="invalid_value",
        )
    return value


def integer(value: str, param: str) -> int:
    """The integer that a form field or a query parameter spells; 5.0 is one too, as in JSON Schema."""
    found = _INTEGER.fullmatch(value)
    if found is None:
        raise wrong_type(param, "an integer", value)
    return int(found[1])


def whole_number(value: object, param: str) -> int:
    """The integer that is meant by a JSON value; by 5.0 too, as in JSON Schema."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return exact_integer(value, param)


def exact_integer(value: object, param: str) -> int:
    """An integer of Python."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_type(param, "an integer", value)
    return value


def in_range(given: object, param: str, low: int, high: int) -> int:
    """An integer from `low` to `high`."""
    value = exact_integer(given, param)
    if value < low:
        raise InvalidRequest(
            f"Invalid '{param}': integer below minimum value. Expected a value >= {low}, "
            f"but got {value} instead.",
            param=param,
            code="integer_below_min_value",
        )
    if value > high:
        raise InvalidRequest(
            f"Invalid '{param}': integer above maximum value. Expected a value <= {high}, "
            f"but got {value} instead.",
            param=param,
            code="integer_above_max_value",
        )
    return value
