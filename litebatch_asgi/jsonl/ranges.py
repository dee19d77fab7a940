"""Cuts the requests of a shard into ranges that are run one by one, and reads those of a range."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

import msgspec

from litebatch_asgi.jsonl.frames import LineFramer, Run
from litebatch_asgi.jsonl.ids import MAX_LINE_BYTES
from litebatch_asgi.jsonl.line_set import LineSet
from litebatch_asgi.jsonl.splice import ModelRewriter

MOST_LINES = 500
"""requests of one range"""
MOST_BYTES = 1 << 20
"""of the input that one range reaches over; one line alone may have more"""


class CutRange(NamedTuple):
    """Requests that follow each other. The fields are those of `LineRange`."""

    first_line: int
    end_line: int
    lines: int
    start: int
    """byte of the file, where the tile's first one is told"""
    bytes: int


class RangeCutter:
    """Cuts a tile, an accepted input that is fed in consecutive blocks of any size, into ranges.

    Only requests in `lines` count: ranges begin and end with one, and reach over the others between them.

    Args:
        lines: which requests of the tile.
        start: byte of the file at which the tile begins.
        most_lines: requests of one range.
        most_bytes: of one range, unless a single line has more.

    """

    def __init__(
        self,
        lines: LineSet,
        *,
        start: int,
        most_lines: int = MOST_LINES,
        most_bytes: int = MOST_BYTES,
        max_line_bytes: int = MAX_LINE_BYTES,
    ) -> None:
        self._wanted = lines
        self._start = start
        self._most_lines = most_lines
        self._most_bytes = most_bytes
        self._framer = LineFramer(max_line_bytes)
        self._index = 0  # of the request to come
        self._open: CutRange | None = None
        self._ranges: list[CutRange] = []

    def feed(self, block: bytes) -> None:
        """Take the next bytes. Raises `ValueError` for what cannot have been accepted."""
        for run in self._framer.feed(block):
            self._take(run)

    def finish(self) -> tuple[CutRange, ...]:
        """The tile is over: its ranges, in order. Raises as `feed` does, and where requests are missing."""
        for run in self._framer.finish():
            self._take(run)
        if self._index != self._wanted.size:
            raise ValueError(f"the tile has {self._index} requests and not {self._wanted.size}")
        if self._open is not None:
            self._ranges.append(self._open)
        return tuple(self._ranges)

    def _take(self, run: Run) -> None:
        if run.text is None:
            raise ValueError("a line is too long")
        position = self._start + run.offset + run.start
        for line in run.lines():
            if not line.isspace():
                if self._index in self._wanted:
                    self._add(self._index, position, position + len(line))
                self._index += 1
            position += len(line)

    def _add(self, index: int, start: int, end: int) -> None:
        last = self._open
        if last is not None and last.lines < self._most_lines and end - last.start <= self._most_bytes:
            self._open = last._replace(end_line=index + 1, lines=last.lines + 1, bytes=end - last.start)
            return
        if last is not None:
            self._ranges.append(last)
        self._open = CutRange(index, index + 1, 1, start, end - start)


class _Line(msgspec.Struct, gc=False):
    custom_id: str
    url: str
    body: msgspec.Raw


_decode = msgspec.json.Decoder(_Line).decode


class LiveLine(NamedTuple):
    """A request that is to be sent by itself."""

    line: int
    """its index within the tile"""
    text: bytes
    """as it stands in the input, with the deployment's own name of the model"""

    def request(self) -> tuple[str, str, bytes]:
        """Its custom id, url and body."""
        read = _decode(self.text)
        return read.custom_id, read.url, bytes(read.body)


def live_lines(
    text: bytes, first_line: int, wanted: LineSet, *, old_model: str, new_model: str
) -> list[LiveLine]:
    """The requests of a range, of which `text` has the bytes, with another name for the model.

    Raises:
        ValueError: these are not lines that were accepted with `old_model`.

    """
    if old_model != new_model:
        rewriter = ModelRewriter(old_model, new_model)
        text = rewriter.feed(text) + rewriter.finish()
    return [
        LiveLine(line, request) for line, request in enumerate(_requests(text), first_line) if line in wanted
    ]


def _requests(text: bytes) -> Iterator[bytes]:
    return (line for line in BytesIO(text) if not line.isspace())
