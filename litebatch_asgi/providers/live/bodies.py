"""Reads the body of an answer, as long as it is not too long."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TypeAlias, cast

import httpcore2

_EITHER_FORM = 32 + zlib.MAX_WBITS
"""gzip or zlib, whichever it is"""
_RAW = -zlib.MAX_WBITS
_HEAD = 2
"""bytes by which the form shows"""
_DEFLATE = "deflate"
_COMPRESSED = frozenset({"gzip", "x-gzip", _DEFLATE})
"""by servers that do not heed `Accept-Encoding: identity`; what comes in another form is left as it is"""


Received: TypeAlias = Callable[[int], Awaitable[None]]
"""is awaited with the size of each piece that has come, before more is read"""


class Broken(Exception):
    """The body ends before its end."""


class _Unreadable(Exception):
    """The body is not compressed as it says."""


async def body_of(
    response: httpcore2.Response, told: Mapping[str, str], most_bytes: int, received: Received
) -> bytes | None:
    """The whole body, uncompressed; None once it is longer than `most_bytes`. Raises `Broken`.

    `told`: headers by their names in lower case. One that comes without a length ends with its connection.
    One that is not compressed as it says is an answer without a body: nobody could read more of it.
    """
    encoding = told.get("content-encoding", "").strip().lower()
    is_compressed = encoding in _COMPRESSED
    length = told.get("content-length", "")
    if not is_compressed and length.isdecimal() and int(length) > most_bytes:
        return None
    stream = cast("AsyncIterable[bytes]", response.stream)
    async with aclosing(cast("AsyncGenerator[bytes]", aiter(stream))) as blocks:
        if not is_compressed:
            return await _joined(blocks, most_bytes, received)
        try:
            return await _uncompressed(blocks, _Expander(encoding), most_bytes, received)
        except _Unreadable:
            return b""


class _Expander:
    """Expands a body by what it says of itself, and by what it is.

    `deflate` means zlib's form. Some servers send what that is wrapped around alone, which other clients take
    as well. Source: RFC 9110, 8.4.1.2.
    """

    def __init__(self, encoding: str) -> None:
        self._may_be_raw = encoding == _DEFLATE
        self._expander = zlib.decompressobj(_EITHER_FORM)
        self._head = b""
        """what has come while it may be either"""
        self._is_raw = False

    def expand(self, block: bytes, most: int) -> bytes:
        """What comes of a block, at most so many bytes. Raises `_Unreadable`."""
        if self._may_be_raw:
            self._head += block
        try:
            expanded = self._expander.decompress(block, most)
        except zlib.error as error:
            if not self._may_be_raw:
                raise _Unreadable from error
            self._may_be_raw, self._is_raw = False, True
            self._expander = zlib.decompressobj(_RAW)
            return self.expand(self._head, most)
        self._may_be_raw = self._may_be_raw and len(self._head) < _HEAD
        return expanded

    def end(self) -> None:
        """Nothing more comes. Raises `Broken`, and `_Unreadable` where it may just as well be plain text."""
        if self._expander.eof:
            return
        if self._is_raw:
            raise _Unreadable
        raise Broken("the compressed body ends before its end")


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


async def _uncompressed(
    blocks: AsyncIterable[bytes], expander: _Expander, most_bytes: int, received: Received
) -> bytes | None:
    body = bytearray()
    is_empty = True
    async for block in blocks:
        size, is_empty = len(body), is_empty and not block
        body += expander.expand(block, most_bytes - size + 1)
        if len(body) > most_bytes:
            return None
        await received(len(body) - size)
    if not is_empty:
        expander.end()
    return bytes(body)
