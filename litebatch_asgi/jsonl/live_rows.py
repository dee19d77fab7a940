"""Rows of requests that were sent one by one, in the form of a batch's result files."""

from __future__ import annotations

import json
import re
from typing import NoReturn

import msgspec

_MOST_DIGITS = 4300
"""Source: Python, "Integer string conversion length limitation"."""
_HALF = re.compile(b"[0-9]{%d}" % (_MOST_DIGITS // 2))
_encode = msgspec.json.encode
_skim = msgspec.json.Decoder(msgspec.Raw).decode


def is_row_body(body: bytes) -> bool:
    """Whether an answer can stand in a row: JSON in UTF-8, as every reader of result files takes it.

    Half of a surrogate pair, as an escape, is legal JSON, and a server may write it. An integer of more than
    4,300 digits is as well, but stock clients in Python can read no line that has one.
    """
    if not _may_have_long_number(body):
        try:
            _skim(body)  # which takes any bytes for the text of a string
            return body.isascii() or bool(body.decode())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    try:
        json.loads(body.decode(), parse_constant=_refuse, parse_int=_readable)
    except (ValueError, RecursionError):
        return False
    return True


def _may_have_long_number(body: bytes) -> bool:
    """Of one that is too long a half, at least, is behind one of the places that are looked at."""
    if len(body) <= _MOST_DIGITS:
        return False
    return any(_HALF.match(body, place) for place in range(0, len(body), _MOST_DIGITS // 2))


def _readable(digits: str) -> None:
    if len(digits.removeprefix("-")) > _MOST_DIGITS:
        raise ValueError("Python reads no integer of so many digits")


class _Told(msgspec.Struct, gc=False):
    error: msgspec.Raw = msgspec.Raw()
    object: msgspec.Raw = msgspec.Raw()
    choices: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()
    output: msgspec.Raw = msgspec.Raw()
    results: msgspec.Raw = msgspec.Raw()


_decode_told = msgspec.json.Decoder(_Told).decode
_NOTHING = frozenset({b"", b"null", b"false", b'""', b"[]", b"{}"})


def is_only_error(body: bytes) -> bool:
    """Whether a row's body holds an error and no result, whatever the status with which it came.

    Gateways answer so where they have sent a status of success before they knew. A response of OpenAI's that
    has failed is a result: its status was right.
    """
    if b'"error"' not in body:
        return False
    try:
        told = _decode_told(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    results = (told.choices, told.data, told.output, told.results)
    is_response = bytes(told.object) == b'"response"'
    return bytes(told.error) not in _NOTHING and not is_response and _NOTHING.issuperset(map(bytes, results))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def result_row(
    custom_id: str,
    row_id: str,
    request_id: str | None,
    status: int,
    body: bytes,
    *,
    is_success: bool = True,
) -> bytes:
    """The row of a request that was answered, with its newline.

    Args:
        custom_id: of the request.
        row_id: of the row.
        request_id: the server's own id of the answer, where it says one.
        status: of the answer.
        body: see `is_row_body`; put in as it came but for newlines, which can only be between its tokens.
        is_success: False where the status says so and the body does not, see `is_only_error`.

    A status that is neither success nor failure, such as a redirect's, has an error beside it, as a success
    has that is none: readers take every one below 400 for success.
    """
    if b"\n" in body or b"\r" in body:
        body = body.translate(None, b"\r\n")
    error = b"null"
    if not (200 <= status < 300 or status >= 400):
        told = f"The server answered with status {status}, which is no result."
        error = _encode({"code": "invalid_answer", "message": told})
    elif status < 300 and not is_success:
        told = f"The server answered with status {status}, and with an error in place of a result."
        error = _encode({"code": "server_error", "message": told})
    return (
        b'{"id":%b,"custom_id":%b,"response":{"status_code":%d,"request_id":%b,"body":%b},"error":%b}\n'
        % (
            _encode(row_id),
            _encode(custom_id),
            status,
            _encode(request_id or row_id),
            body,
            error,
        )
    )


def error_row(custom_id: str, row_id: str, code: str, message: str) -> bytes:
    """The row of a request without an answer that could be passed on, with its newline."""
    return b'{"id":%b,"custom_id":%b,"response":null,"error":{"code":%b,"message":%b}}\n' % (
        _encode(row_id),
        _encode(custom_id),
        _encode(code),
        _encode(message),
    )
