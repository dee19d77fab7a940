"""Answers as they are sent, and what faults make of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from starlette.types import Send

from .disk import Disk
from .faults import Fault
from .json_values import JSON
from .pace import Pace
from .replies import FileBody, Reply, json_reply
from .wire import ApiError


def fault_reply(fault: Fault, reply: Reply | None, words: Callable[[ApiError], JSON]) -> Reply | None:
    """What is answered in place of `reply`, which may be just that; None cuts the connection."""
    if fault.drop:
        return None
    if fault.status is None:
        return reply
    if isinstance(fault.body, str):
        return Reply(status=fault.status, headers=fault.headers, body=fault.body.encode())
    body = fault.body
    if body is None:
        kind = "server_error" if fault.status >= 500 else "invalid_request_error"
        message = fault.message or f"Asked for by a fault: {fault.status}."
        body = words(ApiError(fault.status, message, param=fault.param, code=fault.code, kind=kind))
    return json_reply(body, fault.status, fault.headers)


async def send_reply(
    reply: Reply, headers: dict[str, str], fault: Fault, pace: Pace, disk: Disk, send: Send
) -> bool:
    """Send an answer with these headers; whether it was all of it, the connection being to be cut otherwise.

    Raises FileNotFoundError if its body is no longer there.
    """
    body = reply.body if fault.answer_bytes is None else padded(reply.body, fault.answer_bytes)
    size = len(body) if isinstance(body, bytes) else body.bytes
    size = size if fault.short_after is None else min(size, fault.short_after)
    ends = size if fault.cut_after is None else min(size, fault.cut_after)
    raw = [(key.lower().encode(), value.encode()) for key, value in headers.items()]
    if not fault.chunked:
        raw.append((b"content-length", str(size).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    async for piece in _pieces(body, ends, pace, disk):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await pace.passed(len(piece))
    if fault.cut_after is not None:
        return False
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return True


def padded(body: bytes | FileBody, size: int) -> bytes | FileBody:
    """A JSON object, made `size` bytes long by a member `padding`; what is longer or no object stays."""
    if isinstance(body, FileBody) or not body.endswith(b"}"):
        return body
    head = body[:-1] + (b"," if body != b"{}" else b"") + b'"padding":"'
    return body if len(head) + 2 > size else b'%s%s"}' % (head, b"x" * (size - len(head) - 2))


async def _pieces(body: bytes | FileBody, ends: int, pace: Pace, disk: Disk) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        start = 0
        while piece := body[start : min(start + pace.chunk, ends)]:
            start += len(piece)
            yield piece
        return
    file = await disk.run(body.path.open, "rb")
    try:
        await disk.run(file.seek, body.offset)
        while ends and (piece := await disk.run(file.read, min(pace.chunk, ends))):
            ends -= len(piece)
            yield piece
    finally:
        await disk.run(file.close)
