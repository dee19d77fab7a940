"""Reads the rows of providers' output and error files, leniently: what can be understood of them counts.

A row, in OpenAI's words: `{"id", "custom_id", "response": {"status_code", "request_id", "body"}, "error"}`,
with null for `response` or `error`. OGX and Llama Stack write the body as JSON in a string.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import msgspec

from litebatch_asgi.jsonl.answers import NOT_TYPED, Body, members, odd_body, read_body, whole
from litebatch_asgi.jsonl.ids import id_digest
from litebatch_asgi.jsonl.loose import loose_json

MAX_ROW_BYTES = 64 << 20
"""A longer row is not read."""


_UNDONE_CODES = frozenset({"batch_cancelled", "batch_expired"})
_PASSING_CODES = frozenset({"connection_error", "rate_limit_exceeded", "request_timeout", "server_error"})
_STATUS_DIGITS = 3


class RowFate(IntEnum):
    """What became of a request, as its row says. Of several rows the one with the highest counts."""

    NOT_EXECUTED = 1
    """not run: the row has no response, and no code, or `batch_expired` or `batch_cancelled`"""
    RETRYABLE = 2
    """failed for a reason that passes: the response has status 408, 429 or 5xx, or the error has such a code,
    or `request_timeout`, `connection_error`, `rate_limit_exceeded` or `server_error`; or there is a response
    although the code is `batch_expired` or `batch_cancelled`"""
    REFUSED = 3
    """failed for a reason that another try would meet as well, without a response"""
    EXECUTED = 4
    """answered, be it with an error that stays"""


_NOT_EXECUTED, _RETRYABLE, _REFUSED, _EXECUTED = RowFate


class Response(msgspec.Struct, gc=False):
    """An answer to a request."""

    status_code: int | None = None
    body: Body | str | None = None

    @property
    def answer(self) -> Body | None:
        """The body, if it is an object or a string that holds one."""
        return read_body(self.body) if isinstance(self.body, str) else self.body


class Row(msgspec.Struct, gc=False):
    """What counts of a row."""

    custom_id: str
    response: Response | None = None
    error: Any = None

    @property
    def digest(self) -> bytes:
        """That of the custom_id."""
        return id_digest(self.custom_id.encode("utf-8", "surrogatepass"))

    @property
    def is_executed(self) -> bool:
        """Whether the request was run; one that was not has an error in place of a response."""
        return self.response is not None

    @property
    def is_completed(self) -> bool:
        """Whether the request has succeeded."""
        response = self.response
        if response is None or self.error or response.status_code is None:
            return False
        return response.status_code < 400

    @property
    def fate(self) -> RowFate:
        """What became of the request. This runs for most rows of results that are compared."""
        response, error = self.response, self.error
        code: str | int | None = None
        if error:
            code = _code(error)
            if code in _UNDONE_CODES:
                return _NOT_EXECUTED if response is None else _RETRYABLE
            if code in _PASSING_CODES or (isinstance(code, int) and _is_passing(code)):
                return _RETRYABLE
        if response is None:
            return _NOT_EXECUTED if code is None else _REFUSED
        status = response.status_code
        return _RETRYABLE if status is not None and status >= 400 and _is_passing(status) else _EXECUTED


def _code(error: object) -> str | int | None:
    """The code of an error; a status also where it is written as a string."""
    code: object = members(error).get("code")
    if not isinstance(code, str):
        return whole(code)
    return int(code) if len(code) == _STATUS_DIGITS and code.isascii() and code.isdigit() else code


def _is_passing(status: int) -> bool:
    """Whether another try may do better."""
    return status in (408, 429) or 500 <= status < 600


_decode = msgspec.json.Decoder(Row).decode


def read_rows(lines: Sequence[bytes]) -> Sequence[Row | None]:
    """The rows that `lines` hold; None for what is not a JSON object with a custom_id."""
    try:
        return list(map(_decode, lines))
    except NOT_TYPED:
        return [_read_row(line) for line in lines]


def _read_row(line: bytes) -> Row | None:
    try:
        return _decode(line)
    except NOT_TYPED:
        return _read_odd_row(line)


def _read_odd_row(line: bytes) -> Row | None:
    """Reads values of unexpected types, and what is not quite JSON but what most readers take for it."""
    try:
        row = members(loose_json(line))
    except (ValueError, RecursionError):
        return None
    custom_id = row.get("custom_id")
    if not isinstance(custom_id, str):
        return None
    response = row.get("response")
    answer = members(response)
    body = answer.get("body")
    read = Response(
        status_code=whole(answer.get("status_code")),
        body=body if isinstance(body, str) else odd_body(body),
    )
    return Row(
        custom_id=custom_id,
        response=read if response is not None else None,
        error=row.get("error"),
    )
