"""Text that is no Unicode, in an answer that is JSON otherwise."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from .json_values import JSON

Garble = Literal["bad_utf8", "lone_surrogate"]

_BYTES: dict[Garble, bytes] = {"bad_utf8": b"\xff", "lone_surrogate": b"\\ud800"}
_PLACE = "garbled-4f1d9c"
"""replaced in the JSON of one object, where nothing else says so"""


def garbled(shown: Any, how: Garble) -> msgspec.Raw:
    """A file or batch as JSON, with `how` at the end of its name or as a value of its metadata."""
    fields: JSON = msgspec.to_builtins(shown)
    names = [name for name in ("filename", "displayName", "name") if name in fields]
    if names:
        fields[names[0]] += _PLACE
    else:
        fields["metadata"] = {**(fields.get("metadata") or {}), "garbled": _PLACE}
    return msgspec.Raw(msgspec.json.encode(fields).replace(_PLACE.encode(), _BYTES[how]))
