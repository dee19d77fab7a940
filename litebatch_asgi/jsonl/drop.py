"""Leaves lines out of a file while it streams by."""

from __future__ import annotations

from collections.abc import Iterable


class LineDropper:
    """Leaves lines out of a file that is fed in consecutive blocks of any size; holds nothing back.

    Args:
        drop: ascending indexes from 0 of the lines to leave out, as `PartTally.drop`.
        end_line: see to it that what is left ends in a newline, so that another part can follow.

    """

    def __init__(self, drop: Iterable[int] = (), *, end_line: bool = False) -> None:
        self._drop = iter(drop)
        self._next = next(self._drop, None)
        self._line = 0
        self._end_line = end_line
        self._last = b"\n"

    def feed(self, block: bytes) -> bytes:
        """What is left of the next bytes of the file."""
        kept = block if self._next is None else self._without_dropped(block)
        self._last = kept[-1:] or self._last
        return kept

    def finish(self) -> bytes:
        """What has to follow the last byte."""
        return b"\n" if self._end_line and self._last != b"\n" else b""

    def _without_dropped(self, block: bytes) -> bytes:
        view = memoryview(block)
        pieces: list[memoryview] = []
        start = 0
        while start < len(block) and self._next is not None:
            newline = block.find(b"\n", start)
            end = newline + 1 if newline >= 0 else len(block)
            is_dropped = self._line == self._next
            if not is_dropped:
                pieces.append(view[start:end])
            if newline >= 0:
                self._line += 1
                self._next = next(self._drop, None) if is_dropped else self._next
            start = end
        return b"".join((*pieces, view[start:]))
