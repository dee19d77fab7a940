"""Values as the fields of a form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast


def form_fields(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each value as the stock client writes it: `k`, `k[]` for the items of a list, `k[sub]` for members."""
    return [field for name, value in values.items() for field in _fields(name, value)]


def _fields(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, member in cast("Mapping[str, object]", value).items():
            yield from _fields(f"{name}[{key}]", member)
    elif isinstance(value, list | tuple):
        for item in cast("list[object]", value):
            yield from _fields(f"{name}[]", item)
    elif isinstance(value, bool):
        yield name, "true" if value else "false"
    elif value is not None:
        yield name, str(value)
