"""Reads JSON that others have written, with numbers of any length. Pure."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable

_MOST_DIGITS = sys.int_info.str_digits_check_threshold
"""of an integer: Python refuses to read longer ones, from a length on that an operator may have set"""


def loose_json(text: str | bytes, *, parse_constant: Callable[[str], object] | None = None) -> object:
    """What a text says that is JSON, or nearly so. Raises `ValueError` and `RecursionError`.

    `parse_constant`: see `json.loads`.
    """
    read = text if isinstance(text, str) else text.decode("utf-8", "replace")
    value: object = json.loads(read, strict=False, parse_constant=parse_constant, parse_int=any_integer)
    return value


def any_integer(digits: str) -> int | float:
    """An integer; infinity for one that is beyond all that counts."""
    if len(digits) <= _MOST_DIGITS:
        return int(digits)
    return -math.inf if digits.startswith("-") else math.inf
