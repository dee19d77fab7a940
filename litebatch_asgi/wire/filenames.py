"""Names of uploaded files."""

from __future__ import annotations

import re

MAX_FILENAME = 255
DEFAULT_FILENAME = "upload"
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,16}$")


def clean_filename(given: str) -> str:
    """The last part of a path, without control characters, of at most 255 characters.

    Of a longer name the end of its stem goes, for the suffix tells what the file is.
    """
    name = "".join(filter(str.isprintable, given.replace("\\", "/").rpartition("/")[2])).strip()
    if name in ("", ".", ".."):
        return DEFAULT_FILENAME
    if len(name) <= MAX_FILENAME:
        return name
    _, dot, suffix = name.rpartition(".")
    ending = f"{dot}{suffix}" if dot and len(suffix) <= 16 else ""
    return name[: MAX_FILENAME - len(ending)].rstrip() + ending


def ending_of(filename: str) -> str:
    """The suffix of a name with its dot, such as `.png`; nothing where it has none that is one."""
    found = _ENDING.search(filename)
    return found[0] if found is not None else ""
