"""Reads from the rows of results how their requests have failed, leniently."""

from __future__ import annotations

import json
import re
from typing import Any, cast

import msgspec

from litebatch_asgi.jsonl.answers import NOT_TYPED, members, whole
from litebatch_asgi.models.row_errors import RowError

_READ = 4_000
_MOST_MESSAGE = 400
_MOST_CODE = 200
_STATUSES = range(1_000)
_WORD = re.compile(r"[\w-]++")


def row_error(line: bytes) -> RowError:
    """How the request of a row has failed, by its error, or else by that in the body of its answer.

    Never raises: of what cannot be read nothing is told.
    """
    row = members(_value(line))
    response = members(row.get("response"))
    status = whole(response.get("status_code"))
    body: object = response.get("body")
    if isinstance(body, str):
        body = _value(body.encode("utf-8", "replace")) or body
    told = row.get("error") or _error_in(body)
    error = members(told)
    code = error.get("code") or error.get("type")
    message = told if isinstance(told, str) else error.get("message")
    return RowError(
        status=status if status in _STATUSES else None,
        code=one_code(str(code)) if isinstance(code, str | int) else None,
        message=in_common(message) if isinstance(message, str) else None,
    )


def one_code(code: str) -> str:
    """A code as it is compared: each blank once, no half of a surrogate pair, not longer than codes are."""
    return " ".join(code[:_READ].encode("utf-8", "replace").decode().split())[:_MOST_CODE].rstrip()


def in_common(message: str) -> str:
    """A message with `#` in place of words that hold digits, such as ids, times and amounts; it may be cut.

    What comes of it stays as it is.
    """
    words = _WORD.sub(_blotted, message[:_READ].encode("utf-8", "replace").decode())
    return " ".join(words.split())[:_MOST_MESSAGE].rstrip()


def _blotted(word: re.Match[str]) -> str:
    text = word[0]
    return "#" if any(map(str.isnumeric, text)) else text


def _error_in(body: object) -> object:
    """The error in the body of an answer, of which some providers make the whole of it."""
    if isinstance(body, str):
        return body
    answer = members(body)
    error: object = answer.get("error")
    return error if error or "message" not in answer else cast("Any", answer)


def _value(text: bytes) -> object:
    try:
        return msgspec.json.decode(text)
    except NOT_TYPED:
        pass
    try:
        value: object = json.loads(text.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
    return value
