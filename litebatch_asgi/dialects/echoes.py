"""Tells which line a row belongs to by the request that it repeats."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, cast

import msgspec

from litebatch_asgi.dialects.reading import read_json
from litebatch_asgi.dialects.values import is_array
from litebatch_asgi.jsonl.answers import members


def request_digest(request: object) -> bytes | None:
    """The digest of a request, however it is spelled: 16 bytes; None for what is none.

    Providers repeat requests with members in another order, numbers written in another way, without what is
    null and perhaps without labels, which are no part of what is asked.
    """
    if not isinstance(request, dict) or not request:
        return None
    asked = {name: each for name, each in cast("dict[str, Any]", request).items() if name != "labels"}
    try:
        text = msgspec.json.encode(_plain(asked), order="deterministic")
    except (RecursionError, UnicodeError):
        return None
    return blake2b(text, digest_size=16).digest()


def line_digest(line: bytes) -> bytes | None:
    """The same, of an encoded line."""
    return request_digest(members(read_json(line)).get("request"))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return {name: _plain(member) for name, member in pairs if member is not None}
    if is_array(value):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
