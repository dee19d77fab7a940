"""Texts that name something: ids, owners, aliases."""

from __future__ import annotations

import re

PLAIN_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]*$"
"""of a text without control characters, as a JSON schema tells it: some databases and logs refuse them"""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def is_plain(text: str) -> bool:
    """Whether it has neither control characters nor halves of surrogate pairs, which UTF-8 has none of."""
    return _CONTROL.search(text) is None
