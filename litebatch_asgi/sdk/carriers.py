"""Custom ids on their way through a provider that narrows what an id may be.

Nobody here keeps which line had which custom_id, so the line that goes out carries it: after `lbc-` as it is
where it consists of letters, digits and `-`, otherwise after `lbb-` in base32. One that is too long for the
provider is left out, and the surrogate stays, which only the original file can resolve.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from litebatch_asgi.dialects.surrogates import surrogate

_PLAIN = re.compile(r"[A-Za-z0-9-]*")
_KEYS = ("custom_id", "key")
"""what encoded lines begin with, and rows have among their members"""


def carrier(custom_id: str) -> str:
    """The text that carries a custom_id, of letters, digits and `-`."""
    if _PLAIN.fullmatch(custom_id):
        return f"lbc-{custom_id}"
    coded = base64.b32encode(custom_id.encode("utf-8", "surrogatepass"))
    return f"lbb-{coded.decode().rstrip('=')}"


def carried(value: object) -> str | None:
    """The custom_id that a text carries; None: it carries none."""
    if not isinstance(value, str) or not _PLAIN.fullmatch(value):
        return None
    if value.startswith("lbc-"):
        return value[4:]
    if not value.startswith("lbb-"):
        return None
    coded = value[4:]
    try:
        return base64.b32decode(coded + "=" * (-len(coded) % 8)).decode("utf-8", "surrogatepass")
    except ValueError:
        return None


def with_carrier(encoded: bytes, custom_id: str, number: int, *, longest: int | None) -> bytes:
    """An encoded line that carries its custom_id in place of the surrogate, if that has room for it."""
    text = carrier(custom_id)
    if longest is not None and len(text) > longest:
        return encoded
    for key in _KEYS:
        head = f'{{"{key}":"{surrogate(number)}"'.encode()
        if encoded.startswith(head):
            return f'{{"{key}":"{text}"'.encode() + encoded[len(head) :]
    return encoded


def told_key(row: dict[str, Any]) -> str | None:
    """What a row, or an encoded line, tells of the request that it is of."""
    told = (row.get(key) for key in _KEYS)
    return next((each for each in told if isinstance(each, str)), None)
