"""Surrogates for custom ids, at providers that narrow what an id may be.

A surrogate is `r` and the number of the line in base 36. Nobody keeps it: the number finds the line, and in
that the custom_id.
"""

from __future__ import annotations

import re

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_SURROGATE = re.compile(r"r(0|[1-9a-z][0-9a-z]{0,11})")


def surrogate(number: int) -> str:
    """What stands for the custom_id of line `number`: at most 13 characters, for numbers below 36**12."""
    digits = _DIGITS[number % 36]
    while number := number // 36:
        digits = _DIGITS[number % 36] + digits
    return "r" + digits


def line_number(value: object) -> int | None:
    """The number of the line that a surrogate stands for; None for what is no surrogate."""
    found = _SURROGATE.fullmatch(value) if isinstance(value, str) else None
    return int(found[1], 36) if found else None
