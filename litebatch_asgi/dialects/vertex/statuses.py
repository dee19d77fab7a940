"""Reads what Google says of a failure: a name, a number, and words.

Source: google.rpc.Code, whose members name the HTTP status of each.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

from litebatch_asgi.dialects.reading import inner, read_json, text_of
from litebatch_asgi.jsonl.answers import members, whole

NAMES = {
    1: "CANCELLED",
    2: "UNKNOWN",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    10: "ABORTED",
    11: "OUT_OF_RANGE",
    12: "UNIMPLEMENTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    15: "DATA_LOSS",
    16: "UNAUTHENTICATED",
}
"""of google.rpc.Code, by its numbers"""
_STATUSES = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
_PHRASES = {status.phrase: status.value for status in HTTPStatus if status >= 400}


class Status(NamedTuple):
    """What a failure is."""

    code: int
    """an HTTP status, at least 400"""
    name: str
    """of google.rpc.Code, or PROVIDER_ERROR"""
    message: str
    """the provider's words, which may hold what is private"""


def read_status(text: str) -> Status:
    """What a row's `status` tells, such as `Bad Request: {"error": {"code": 400, …}}`; any text tells some.

    The code may be an HTTP status or a number of google.rpc.Code; without one, what stands before the colon
    counts.
    """
    brace = text.find("{")
    told = members(read_json(text[brace:].encode("utf-8", "replace"))) if brace >= 0 else {}
    error = inner(told, "error") or told
    number = whole(error.get("code")) or 0
    name = text_of(error.get("status")) or NAMES.get(number, "")
    code = number if 400 <= number <= 599 else _STATUSES.get(name)
    if code is None:
        code = _PHRASES.get(text.partition(":")[0], 500)
    if name not in _STATUSES:
        name = "PROVIDER_ERROR"
    return Status(code, name, text_of(error.get("message")) or text)
