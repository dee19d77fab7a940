"""Reads from the rows of results how their requests have failed, leniently."""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from litebatch_asgi.jsonl.answers import NOT_TYPED, members, whole
from litebatch_asgi.jsonl.loose import loose_json
from litebatch_asgi.models.row_errors import RowError

_MOST_LOOSE = 256 << 10
"""bytes of which all is read, whatever it is; of longer ones only what an error consists of

A provider may repeat in an error what it was sent. Values are large beside their text, and reading them keeps
all threads from going on.
"""
_READ = 4_000
_MOST_MESSAGE = 400
_MOST_CODE = 200
_STATUSES = range(1_000)
_WORD = re.compile(r"[\w-]++")


class _Told(msgspec.Struct, gc=False, omit_defaults=True):
    code: str | int | None = None
    type: str | None = None
    message: str | None = None
    error: _Told | str | None = None


class _Response(msgspec.Struct, gc=False):
    status_code: int | float | None = None
    body: _Told | str | None = None


class _Row(msgspec.Struct, gc=False):
    response: _Response | None = None
    error: _Told | str | None = None


# Made here and not where they are needed, in several threads: two that make one at once let the process die.
_ROW = msgspec.json.Decoder(_Row)
_TOLD = msgspec.json.Decoder(_Told)


def row_error(line: bytes) -> RowError:
    """How the request of a row has failed, by its error, or else by that in the body of its answer.

    Never raises: of what cannot be read nothing is told.
    """
    told = _told_by(line)
    code, message = told.code, told.message
    return replace(
        told,
        code=one_code(code) if code is not None else None,
        message=in_common(message) if message is not None else None,
    )


def row_failure(line: bytes) -> RowError:
    """The same for somebody who reads it: with the message as it is, though no longer. Never raises."""
    told = _told_by(line)
    code, message = told.code, told.message
    return replace(
        told,
        code=one_code(code) if code is not None else None,
        message=_cut(_clean(message)) if message is not None else None,
    )


def _told_by(line: bytes) -> RowError:
    row = members(_value(line, _ROW))
    response = members(row.get("response"))
    status = whole(response.get("status_code"))
    body: object = response.get("body")
    if isinstance(body, str):
        body = _value(body.encode("utf-8", "replace"), _TOLD) or body
    told = row.get("error") or _error_in(body)
    error = members(told)
    code = error.get("code") or error.get("type")
    message = told if isinstance(told, str) else error.get("message")
    return RowError(
        status=status if status in _STATUSES else None,
        code=str(code) if isinstance(code, str | int) else None,
        message=message if isinstance(message, str) else None,
    )


def one_code(code: str) -> str:
    """A code as it is compared: each blank once, no half of a surrogate pair, not longer than codes are."""
    return " ".join(code[:_READ].encode("utf-8", "replace").decode().split())[:_MOST_CODE].rstrip()


def in_common(message: str) -> str:
    """A message with `#` in place of words that hold digits, such as ids, times and amounts; it may be cut.

    What comes of it stays as it is.
    """
    return _cut(_WORD.sub(_blotted, _clean(message)))


def _clean(message: str) -> str:
    return message[:_READ].encode("utf-8", "replace").decode()


def _cut(message: str) -> str:
    return " ".join(message.split())[:_MOST_MESSAGE].rstrip()


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


def _value(text: bytes, long: msgspec.json.Decoder[_Row] | msgspec.json.Decoder[_Told]) -> object:
    """What a JSON text says; of a long one what is in `long`, and nothing if it is otherwise."""
    if len(text) > _MOST_LOOSE:
        try:
            return msgspec.to_builtins(long.decode(text))
        except NOT_TYPED:
            return None
    try:
        return msgspec.json.decode(text)
    except NOT_TYPED:
        pass
    try:
        return loose_json(text)
    except (ValueError, RecursionError):
        return None
