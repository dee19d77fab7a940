"""Names of virtual models, as forms, queries and headers give them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models.texts import PLAIN_PATTERN
from litebatch_asgi.wire import checks

Pairs: TypeAlias = Sequence[tuple[str, str]]
"""form fields or query parameters, in the order they came"""
MAX_NAME = 256
"""characters of one of `target_model_names`"""
MAX_NAMES = 100
NAMES_FIELDS = ("target_model_names", "target_model_names[]")
"""under which virtual models are named in forms and queries"""
PLAIN: dict[str, Any] = {"pattern": PLAIN_PATTERN}


def model_names(pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The names that fields of forms or queries give. Raises `InvalidRequest`."""
    lists = (value.split(",") for name, value in pairs if name in NAMES_FIELDS)
    given = [name for listed in lists for name in listed]
    check_model_names(given)  # as they came: so it can be told by a schema
    names = dict.fromkeys(name.strip(" ") for name in given)
    names.pop("", None)
    return tuple(names)


def check_model_names(names: Sequence[object]) -> None:
    """Raises `InvalidRequest` for too many names, or what can be none."""
    if len(names) > MAX_NAMES:
        raise InvalidRequest(
            f"Invalid 'target_model_names': at most {MAX_NAMES} names are allowed.",
            param=NAMES_FIELDS[0],
            code="array_above_max_length",
        )
    param = NAMES_FIELDS[0]
    for name in names:
        checks.plain(checks.no_longer_than(MAX_NAME, checks.text(name, param), param), param)
