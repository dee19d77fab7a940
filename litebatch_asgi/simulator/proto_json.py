"""Whether JSON is a message of a Google API, as its published schema has it.

Names are taken in camel case and in snake case. Messages of refusals follow those of Google's front end.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from .json_values import is_array, is_object


class NotTheMessage(Exception):
    """A JSON value that is not what the schema says; the text says why."""


Check = Callable[[Any, str], None]
"""Looks at a value at a path. Raises NotTheMessage."""


class Message(msgspec.Struct, frozen=True):
    """A message: what is told of each of its members, by their names in camel case."""

    fields: Mapping[str, Check]

    def __call__(self, value: Any, path: str) -> None:
        """Look at all members. Raises NotTheMessage for one that is unknown, doubled or wrong."""
        if not is_object(value):
            raise wrong(path, "TYPE_MESSAGE", value)
        seen: set[str] = set()
        for name, member in value.items():
            field = camel(name)
            if field not in self.fields:
                where = f" at '{path}'" if path else ""
                raise NotTheMessage(
                    f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'
                )
            if field in seen:
                raise NotTheMessage(f"Invalid JSON payload received. Duplicate field '{name}' at '{path}'.")
            seen.add(field)
            if member is not None:
                self.fields[field](member, f"{path}.{snake(name)}" if path else snake(name))


def camel(name: str) -> str:
    """A name in snake case or camel case, in camel case."""
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


def snake(name: str) -> str:
    """A name in camel case or snake case, in snake case."""
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)


def canonical(message: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a message by their names in camel case, without those that are null."""
    return {camel(name): member for name, member in message.items() if member is not None}


def wrong(path: str, kind: str, value: Any) -> NotTheMessage:
    """The refusal of a value of another type."""
    told = msgspec.json.encode(value).decode(errors="replace")[:200]
    return NotTheMessage(f"Invalid value at '{path}' ({kind}), {told}")


def string(value: Any, path: str) -> None:
    """Text."""
    if not isinstance(value, str):
        raise wrong(path, "TYPE_STRING", value)


def boolean(value: Any, path: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong(path, "TYPE_BOOL", value)


def number(value: Any, path: str) -> None:
    """A number, or the text of one."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise wrong(path, "TYPE_FLOAT", value) from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise wrong(path, "TYPE_FLOAT", value)


def _integer(bits: int) -> Check:
    def check(value: Any, path: str) -> None:
        told = value
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,19}", value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong(path, f"TYPE_INT{bits}", told)
        if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
            raise wrong(path, f"TYPE_INT{bits}", told)

    return check


int32: Check = _integer(32)
int64: Check = _integer(64)


def data(value: Any, path: str) -> None:
    """Bytes, as base64."""
    try:
        if not isinstance(value, str):
            raise wrong(path, "TYPE_BYTES", value)
        base64.b64decode(value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise NotTheMessage(f"Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed") from None


def struct(value: Any, path: str) -> None:
    """Any object."""
    if not is_object(value):
        raise wrong(path, "type.googleapis.com/google.protobuf.Struct", value)


def anything(value: Any, path: str) -> None:
    """Any value."""


def enum(*names: str) -> Check:
    """One of these names, however they are spelled."""
    known = frozenset(names)

    def check(value: Any, path: str) -> None:
        if not isinstance(value, str) or value.upper() not in known:
            raise wrong(path, "TYPE_ENUM", value)

    return check


def repeated(check: Check) -> Check:
    """A list; a single value that is no list stands for a list of one."""

    def check_all(value: Any, path: str) -> None:
        if not is_array(value):
            check(value, path)
            return
        for index, item in enumerate(value):
            check(item, f"{path}[{index}]")

    return check_all


def mapping(check: Check) -> Check:
    """An object with any names."""

    def check_all(value: Any, path: str) -> None:
        if not is_object(value):
            raise wrong(path, "Map", value)
        for name, member in value.items():
            check(member, f'{path}["{name}"]')

    return check_all


def later(find: Callable[[], Check]) -> Check:
    """What `find` finds when it is needed, for messages that contain themselves."""
    return lambda value, path: find()(value, path)
