"""Reads the body of an answer, as long as it is not too long."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TypeAlias, cast

import httpcore2

_EITHER_FORM = 32 + zlib.MAX_WBITS
"""gzip or zlib, whichever it is"""
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
"""by servers that do not heed `Accept-Encoding: identity`; what comes in another form is left as it is"""


Received: TypeAlias = Callable[[int], Awaitable[None]]
"""is awaited with the size of each piece that has come, before more is read"""


class Broken(Exception):
    """The body is not compressed as it says, or ends before its end."""


async def body_of(
    response: httpcore2.Response, told: Mapping[str, str], most_bytes: int, received: Received
) -> bytes | None:
    """The whole body, uncompressed; None once it is longer than `most_bytes`. Raises `Broken`.

    `told`: headers by their names in lower case. One that comes without a length ends with its connection.
    """
    is_compressed = told.get("content-encoding", "").strip().lower() in _COMPRESSED
    length = told.get("content-length", "")
    if not is_compressed and length.isdecimal() and int(length) > most_bytes:
        return None
    stream = cast("AsyncIterable[bytes]", response.stream)
    async with aclosing(cast("AsyncGenerator[bytes]", aiter(stream))) as blocks:
        return await (_uncompressed if is_compressed else _joined)(blocks, most_bytes, received)


async def _joined(blocks: AsyncIterable[bytes], most_bytes: int, received: Received) -> bytes | None:
    pieces: list[bytes] = []
    size = 0
    async for block in blocks:
        pieces.append(block)
        size += len(block)
        if size > most_bytes:
            return None
        await received(len(block))
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _uncompressed(blocks: AsyncIterable[bytes], most_bytes: int, received: Received) -> bytes | None:
    expander = zlib.decompressobj(_EITHER_FORM)
    body = bytearray()
    is_empty = True
    async for block in blocks:
        size, is_empty = len(body), is_empty and not block
        try:
            body += expander.decompress(block, most_bytes - size + 1)
        except zlib.error as error:
            raise Broken(f"the body is not compressed as it says ({error})") from error
        if len(body) > most_bytes:
            return None
        await received(len(body) - size)
    if not (expander.eof or is_empty):
        raise Broken("the compressed body ends before its end")
    return bytes(body)
