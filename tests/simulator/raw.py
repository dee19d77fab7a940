"""A client that sees each byte of the connection."""

from __future__ import annotations

from urllib.parse import urlsplit

import anyio


async def exchange(address: str, request: bytes) -> bytes:
    """Send `request` and return all that comes back until the server closes the connection."""
    where = urlsplit(address)
    async with await anyio.connect_tcp(str(where.hostname), where.port or 80) as stream:
        await stream.send(request)
        received = b""
        try:
            while True:
                received += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return received


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: simulator\r\nAuthorization: Bearer k\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: simulator\r\nAuthorization: Bearer k\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def body_of(received: bytes) -> bytes:
    return received.partition(b"\r\n\r\n")[2]
