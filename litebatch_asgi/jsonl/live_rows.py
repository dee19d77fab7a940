"""Rows of requests that were sent one by one, in the form of a batch's result files."""

from __future__ import annotations

import msgspec

_encode = msgspec.json.encode


def result_row(custom_id: str, row_id: str, request_id: str | None, status: int, body: bytes) -> bytes:
    """The row of a request that was answered, with its newline.

    Args:
        custom_id: of the request.
        row_id: of the row.
        request_id: the server's own id of the answer, where it says one.
        status: of the answer.
        body: JSON, put in as it came but for newlines between its tokens.

    """
    if b"\n" in body or b"\r" in body:
        body = msgspec.json.format(body, indent=-1)
    return (
        b'{"id":%b,"custom_id":%b,"response":{"status_code":%d,"request_id":%b,"body":%b},"error":null}\n'
        % (
            _encode(row_id),
            _encode(custom_id),
            status,
            _encode(request_id or row_id),
            body,
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
