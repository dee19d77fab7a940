"""What Vertex cannot import: one such line fails the whole job, not just itself.

Batch files go through an import like that of BigQuery. It fails over deep nesting, empty objects, nulls in
schemas, and names that are none for a column. Only what clients choose freely can hold any of these: schemas,
and the arguments of calls. Sources: observed failures, and BigQuery's rules for the names of columns.
"""

from __future__ import annotations

import re
from typing import Any, cast

from litebatch_asgi.dialects.refusal import Refusal
from litebatch_asgi.dialects.values import is_array

MAX_DEPTH = 15
"""objects and arrays in each other, with the line itself as the first"""
_NO_COLUMN = re.compile(r"""[\s!"$()*,./;?@\[\\\]^`{}~\x00-\x1f]""")
_LONGEST_NAME = 300


def check_import(value: Any, param: str, depth: int) -> None:
    """Refuse a value that would fail the import.

    Args:
        value: what is to stand in the line.
        param: where the client wrote it.
        depth: of the value in the line; the line itself has 1.

    Raises:
        Refusal: names the place in the value.

    """
    if value is None:
        raise _refusal(param, "it is null. Leave it out, or write it in another way")
    if isinstance(value, dict):
        _check_depth(param, depth)
        if not value:
            raise _refusal(param, "it is an empty object. Leave it out, or put something into it")
        for name, member in cast("dict[str, Any]", value).items():
            _check_name(name, param)
            check_import(member, f"{param}.{name}", depth + 1)
    elif is_array(value):
        _check_depth(param, depth)
        for index, item in enumerate(value):
            check_import(item, f"{param}[{index}]", depth + 1)
    elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise _refusal(param, "the number has more than 64 bits")


def _check_depth(param: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _refusal(param, f"objects and arrays are nested more than {MAX_DEPTH} deep in the whole line")


def _check_name(name: str, param: str) -> None:
    if not name or len(name) > _LONGEST_NAME or _NO_COLUMN.search(name):
        raise _refusal(param, f"the name '{name[:100]}' is empty, too long, or has a space or punctuation")


def _refusal(param: str, why: str) -> Refusal:
    message = f"The provider cannot import '{param}': {why}. It would fail all lines of the batch."
    return Refusal("unsupported_value", param, message)
