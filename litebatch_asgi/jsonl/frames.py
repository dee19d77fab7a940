"""Cuts a stream of blocks into runs of whole lines, in bounded memory."""

from __future__ import annotations

from codecs import getincrementaldecoder
from io import BytesIO
from typing import NamedTuple

_PIECE = 1 << 16  # decoded at once: as text it takes up to four times that


class Run(NamedTuple):
    """Lines that follow each other: `text[start:end]`, or one line that was too long to be kept."""

    offset: int
    """in the stream, of the first byte of `text`"""
    text: bytes | None
    """None: a line over the limit"""
    start: int
    end: int
    """just after a newline, or at the end of the stream"""

    def lines(self) -> list[bytes]:
        """The lines, each with its newline if it has one; none where one was too long."""
        if self.text is None:
            return []
        lines = BytesIO(self.text)
        lines.seek(self.start)
        return lines.readlines(self.end - self.start)


class LineFramer:
    """Cuts consecutive blocks of any size into runs of whole lines.

    A line longer than `max_line_bytes` (without its newline) is never held: it gives a run without text.
    """

    def __init__(self, max_line_bytes: int) -> None:
        self._limit = max_line_bytes
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._skipping = False
        self.offset: int = 0
        """bytes that were given out or skipped"""

    def feed(self, block: bytes) -> list[Run]:
        """The runs that `block` completes."""
        first = block.find(b"\n") + 1
        if not first:
            return self._keep(block)
        runs: list[Run] = []
        if self._skipping:
            self._skipping = False
            self.offset += first
        elif self._pending:
            self._pending.append(block[:first])
            runs += self._cut_pending()
        else:
            first = 0
        last = block.rfind(b"\n") + 1
        if first < last:
            runs += self._cut(block, first, last)
        return runs + self._keep(block[last:]) if last < len(block) else runs

    def finish(self) -> list[Run]:
        """The last line, if no newline ended it."""
        return self._cut_pending() if self._pending else []

    def _keep(self, tail: bytes) -> list[Run]:
        """Hold on to the beginning of a line, unless it is too long already."""
        if self._skipping:
            self.offset += len(tail)
            return []
        self._pending.append(tail)
        self._pending_size += len(tail)
        if self._pending_size <= self._limit:
            return []
        run = Run(self.offset, None, 0, 0)
        self.offset += self._pending_size
        self._forget_pending()
        self._skipping = True
        return [run]

    def _cut_pending(self) -> list[Run]:
        text = b"".join(self._pending)
        self._forget_pending()
        return self._cut(text, 0, len(text))

    def _forget_pending(self) -> None:
        self._pending.clear()
        self._pending_size = 0

    def _cut(self, text: bytes, start: int, end: int) -> list[Run]:
        """The runs in `text[start:end]`, which are whole lines."""
        offset = self.offset - start
        self.offset += end - start
        if end - start <= self._limit:
            return [Run(offset, text, start, end)] if start < end else []
        runs: list[Run] = []
        position = start
        while position < end:
            stop = line_end(text, position)
            if stop - position > self._limit:
                if start < position:
                    runs.append(Run(offset, text, start, position))
                runs.append(Run(offset + position, None, 0, 0))
                start = stop + 1
            position = stop + 1
        return [*runs, Run(offset, text, start, end)] if start < end else runs


def line_end(text: bytes, start: int) -> int:
    """Where the line that begins at `start` ends: at its newline or with the text."""
    end = text.find(b"\n", start)
    return end if end >= 0 else len(text)


def is_utf8(text: bytes, start: int, end: int) -> bool:
    """Whether `text[start:end]` is valid UTF-8, found out without holding it a second time."""
    if text.isascii():
        return True
    decode = getincrementaldecoder("utf-8")().decode
    try:
        for position in range(start, end, _PIECE):
            decode(text[position : min(position + _PIECE, end)])
        decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
