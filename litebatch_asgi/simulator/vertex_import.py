"""The import that Vertex puts a batch's lines through, which is like that of BigQuery.

One line that it cannot take fails the whole job. What it takes comes out changed: members in another order,
nulls gone, and texts beside the request that look like numbers are numbers. Source: observed failures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from .json_values import JSON, is_array, is_object

MAX_DEPTH = 15
"""objects and arrays in each other, the line being the first"""
SCHEMAS = frozenset(
    f"{prefix}{suffix}" for prefix in ("response", "parameters") for suffix in ("Schema", "JsonSchema")
) | {"parameters", "response_schema", "response_json_schema", "parameters_json_schema"}
"""members that hold a schema, wherever they are"""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class ImportFailed(Exception):
    """A line that fails its job; the text says why."""


def imported(line: bytes) -> JSON:
    """The row that comes of a line. Raises ImportFailed."""
    try:
        row: JSON = msgspec.json.decode(line, type=JSON)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ImportFailed("Parser terminated before end of string") from exc
    if not is_object(row.get("request")):
        raise ImportFailed('Missing required field: "request"')
    _check(row, "", 1, in_schema=False)
    told: JSON = _normal(row)
    return {name: member if name == "request" else _coerced(member) for name, member in told.items()}


def custom_id_of(row: JSON) -> str:
    """What a row that was imported is called, as a text; empty if it has no name."""
    return str(row.get("custom_id", row.get("key", "")))


def _check(value: Any, path: str, depth: int, *, in_schema: bool) -> None:
    if (is_object(value) or is_array(value)) and depth > MAX_DEPTH:
        raise ImportFailed(f"Nesting is deeper than {MAX_DEPTH} levels. Field: {path}")
    if is_object(value):
        if not value:
            raise ImportFailed(f"Unsupported empty struct type for field '{path}'")
        for name, member in value.items():
            where = f"{path}.{name}" if path else name
            _check_name(name, where)
            if in_schema and member is None:
                raise ImportFailed(f"Only optional fields can be set to NULL. Field: {where}")
            if in_schema and name == "type" and is_array(member):
                raise ImportFailed(f"Array specified for non-repeated field: {where}")
            _check(member, where, depth + 1, in_schema=in_schema or name in SCHEMAS)
    elif is_array(value):
        for item in value:
            if item is None:
                raise ImportFailed(f"Only optional fields can be set to NULL. Field: {path}")
            _check(item, path, depth + 1, in_schema=in_schema)


def _check_name(name: str, where: str) -> None:
    if not name or "$" in name or re.search(r"\s", name):
        raise ImportFailed(f"Invalid field name: {where}")


def _normal(value: Any) -> Any:
    if is_object(value):
        return dict(_members(value))
    return [_normal(item) for item in value] if is_array(value) else value


def _members(value: JSON) -> Iterator[tuple[str, Any]]:
    for name in sorted(value):
        if value[name] is not None:
            yield name, _normal(value[name])


def _coerced(value: Any) -> Any:
    """`"000000"` is 0, `"1e3"` is 1000.0."""
    if not isinstance(value, str) or not NUMBER.fullmatch(value):
        return value
    return int(value) if value.lstrip("+-").isdecimal() else float(value)
