"""A provider deployment that costs next to nothing: it drops what is uploaded and answers rightly.

Run as a program it serves until it is told to stop, on a port that it prints. Files can be read back: they
are taken for runs of the content that the arguments describe, in the order of the numbers in their names.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple, cast

import msgspec

from benchmarks._content import UPSTREAM_MODEL, Content
from benchmarks._processes import step_back
from litebatch_asgi.server.listen import address_of, listen, loop_factory, until_told_to_stop

_BUFFER_BYTES = 1 << 20
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_BOUNDARY = re.compile(rb"\r\ncontent-type: *multipart/form-data; *boundary=([^\r]+)", re.IGNORECASE)
_FILENAME = re.compile(rb'filename="([^"]*)"')
_NAME = re.compile("(file-[^-]+)-(?:([0-9]{1,4})-)?")
_EMPTY_PAGE: dict[str, Any] = {"object": "list", "data": [], "has_more": False}


class _Request(NamedTuple):
    method: str
    path: str
    size: int
    """bytes of head and body"""
    filename: str = ""
    file_size: int = 0


def _read(beginning: bytes) -> _Request | None:
    """The request that begins like this; None: not enough of it has come."""
    head_end = beginning.find(b"\r\n\r\n") + 4
    if head_end < 4:
        return None
    head = beginning[:head_end]
    method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
    length, boundary = _LENGTH.search(head), _BOUNDARY.search(head)
    size = head_end + (int(length[1]) if length is not None else 0)
    if boundary is None:
        return _Request(method, path, size)
    filename = _FILENAME.search(beginning, head_end)
    file_start = beginning.find(b"\r\n\r\n", filename.end()) + 4 if filename is not None else 0
    if filename is None or file_start < 4:
        return None
    file_size = size - file_start - len(b"\r\n--" + boundary[1] + b"--\r\n")
    return _Request(method, path, size, filename[1].decode(), file_size)


class _Tile(NamedTuple):
    file: str
    number: int
    lines: int


class _Tiles:
    """What was uploaded, by its id."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._numbers = count()
        self._tiles: dict[str, _Tile] = {}

    def add(self, filename: str, size: int) -> str:
        """Take a file; its id."""
        name, id_ = _NAME.match(filename), f"file-{next(self._numbers):06}"
        if name is not None and self._content.lines:
            lines = size * self._content.lines // self._content.size
            self._tiles[id_] = _Tile(name[1], int(name[2] or 0), lines)
        return id_

    def read(self, id_: str) -> tuple[int, Iterator[bytes]]:
        """The size of a file, and its content; without a name that tells, all there is."""
        tile = self._tiles.get(id_)
        if tile is None:
            return self._content.size, self._content.blocks()
        before = (
            each for each in self._tiles.values() if each.file == tile.file and each.number < tile.number
        )
        first = sum(each.lines for each in {each.number: each for each in before}.values())
        size = self._content.size // self._content.lines * tile.lines
        return size, self._content.blocks(first, tile.lines)


class _Connection(asyncio.BufferedProtocol):
    def __init__(self, tiles: _Tiles) -> None:
        self._tiles = tiles
        self._buffer = bytearray(_BUFFER_BYTES)
        self._kept = 0  # bytes of a request whose beginning is not complete
        self._request: _Request | None = None
        self._left = 0  # bytes of the request that are still to come
        self._writable = asyncio.Event()
        self._writable.set()
        self._sending: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._sending is not None:
            self._sending.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self._buffer)[self._kept :]

    def buffer_updated(self, nbytes: int) -> None:
        if self._request is None:
            self._kept += nbytes
            self._request = _read(bytes(self._buffer[: self._kept]))
            if self._request is None:
                return
            self._left = self._request.size - self._kept
            self._kept = 0
        else:
            self._left -= nbytes
        if self._left <= 0:
            request, self._request = self._request, None
            self._answer(request)

    def _answer(self, request: _Request) -> None:
        if request.method == "GET" and request.path.endswith("/content"):
            read = self._tiles.read(request.path.split("/")[-2])
            self._sending = asyncio.get_running_loop().create_task(self._send_content(*read))
        elif request.file_size:
            self._write_json(
                {
                    "id": self._tiles.add(request.filename, request.file_size),
                    "object": "file",
                    "bytes": request.file_size,
                    "created_at": int(time.time()),
                    "filename": request.filename,
                    "purpose": "batch",
                    "status": "processed",
                }
            )
        else:
            self._write_json(_EMPTY_PAGE)

    async def _send_content(self, size: int, blocks: Iterator[bytes]) -> None:
        self._write_head(size)
        for block in blocks:
            await self._writable.wait()
            self._transport.write(block)

    def _write_json(self, value: Any) -> None:
        body = msgspec.json.encode(value)
        self._write_head(len(body))
        self._transport.write(body)

    def _write_head(self, length: int) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % length
        )


async def _serve(content: Content) -> None:
    tiles = _Tiles(content)
    listener = listen("127.0.0.1", 0)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(tiles), sock=listener)
    print(address_of(listener), flush=True)
    await until_told_to_stop()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=0)
    parser.add_argument("--line-bytes", type=int, default=4000)
    options = parser.parse_args()
    content = Content(lines=options.lines, line_bytes=options.line_bytes, model=UPSTREAM_MODEL)
    step_back()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(content))


if __name__ == "__main__":
    main()
