"""Holds JSON against the TypedDicts of a provider's package: strictly, unknown members are wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NotRequired, Required, Union, cast, get_args, get_origin

from typing_extensions import TypeAliasType, get_type_hints, is_typeddict


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind, include_extras=True)


def why_not(value: Any, kind: Any, place: str = "") -> str | None:
    """Why a value is not of a type; None if it is."""
    if isinstance(kind, TypeAliasType):
        kind = kind.__value__
    elif isinstance(get_origin(kind), TypeAliasType):
        kind = get_origin(kind).__value__[get_args(kind)]
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any or kind is object:
        return None
    if origin in (Union, UnionType):
        reasons = [why_not(value, one, place) for one in args]
        return None if None in reasons else f"{place}: none of {reasons}"
    if origin is Literal:
        return None if value in args else f"{place}: {value!r} is not among {args}"
    if origin in (Required, NotRequired):
        return why_not(value, args[0], place)
    if is_typeddict(kind):
        return _why_no_members(value, kind, place)
    if origin is dict or kind is dict:
        return None if isinstance(value, dict) else f"{place}: no object"
    if origin is not None:
        return _why_no_array(value, args[0], place)
    return _why_no_scalar(value, kind, place)


def _why_no_members(value: Any, kind: Any, place: str) -> str | None:
    if not isinstance(value, dict):
        return f"{place}: no object"
    members, hints = cast("dict[str, Any]", value), _hints(kind)
    for name, hint in hints.items():
        is_required = get_origin(hint) is Required or (kind.__total__ and get_origin(hint) is not NotRequired)
        if is_required and name not in members:
            return f"{place}.{name}: missing"
    for name, member in members.items():
        if name not in hints:
            return f"{place}.{name}: unknown"
        reason = why_not(member, hints[name], f"{place}.{name}")
        if reason is not None:
            return reason
    return None


def _why_no_array(value: Any, kind: Any, place: str) -> str | None:
    if not isinstance(value, list):
        return f"{place}: no array"
    items = cast("Iterable[Any]", value)
    return next(
        (reason for index, one in enumerate(items) if (reason := why_not(one, kind, f"{place}[{index}]"))),
        None,
    )


def _why_no_scalar(value: Any, kind: Any, place: str) -> str | None:
    if value is None:
        return None if kind is NoneType else f"{place}: null"
    if isinstance(value, bool) is not (kind is bool):
        return f"{place}: {value!r} is no {kind}"
    if kind is float:
        kind = int | float
    return None if isinstance(value, kind) else f"{place}: {value!r} is no {kind}"
