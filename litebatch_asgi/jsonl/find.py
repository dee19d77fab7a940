"""Finds the lines of some requests, or the first ones, in inputs and results alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import msgspec

from litebatch_asgi.jsonl.answers import NOT_TYPED, members
from litebatch_asgi.jsonl.frames import LineFramer, Run
from litebatch_asgi.jsonl.ids import scanned_id
from litebatch_asgi.jsonl.loose import loose_json


class _Line(msgspec.Struct, gc=False):
    custom_id: str


_MOST_LOOSE = 256 << 10
"""bytes of a line of which all is read: it keeps all threads from going on"""
_decode = msgspec.json.Decoder(_Line).decode


class LineFinder:
    """Finds the first line of each custom id in a file that is fed in consecutive blocks of any size.

    It holds no more than one line beside those that it has found. Never raises.

    Args:
        custom_ids: whose lines to find.
        max_line_bytes: a longer line is passed over.

    """

    def __init__(self, custom_ids: Collection[str], *, max_line_bytes: int) -> None:
        self._left = set(custom_ids)
        self._found: dict[str, bytes] = {}
        self._framer = LineFramer(max_line_bytes)
        self.passed_over: int = 0
        """lines that were too long"""

    @property
    def found(self) -> Mapping[str, bytes]:
        """Lines by custom id, without what ends them."""
        return MappingProxyType(self._found)

    @property
    def is_done(self) -> bool:
        """Whether all lines are found."""
        return not self._left

    def feed(self, block: bytes) -> bool:
        """Take the next bytes of the file; whether all lines are found, so that the rest need not come."""
        for run in self._framer.feed(block):
            self._take(run)
        return not self._left

    def finish(self) -> bool:
        """The file is over; whether all lines are found."""
        for run in self._framer.finish():
            self._take(run)
        return not self._left

    def _take(self, run: Run) -> None:
        if run.text is None:
            self.passed_over += 1
        for line in run.lines():
            if not self._left:
                return
            custom_id = custom_id_of(line)
            if custom_id in self._left:
                self._left.discard(custom_id)
                self._found[custom_id] = line.rstrip(b"\r\n")


class FirstLines:
    """Keeps the first lines of a file that is fed in consecutive blocks of any size; blank ones do not count.

    Never raises.

    Args:
        count: how many to keep.
        max_line_bytes: a longer line is not kept, but counts.

    """

    def __init__(self, count: int, *, max_line_bytes: int) -> None:
        self._count = count
        self._framer = LineFramer(max_line_bytes)
        self.lines: list[bytes | None] = []
        """without what ends them; None: one that is too long"""

    def feed(self, block: bytes) -> bool:
        """Take the next bytes of the file; whether the rest need not come."""
        return self._take(self._framer.feed(block))

    def finish(self) -> bool:
        """The file is over; whether there were as many lines."""
        return self._take(self._framer.finish())

    def _take(self, runs: Sequence[Run]) -> bool:
        for run in runs:
            found = [None] if run.text is None else [each.rstrip(b"\r\n") for each in run.lines()]
            kept = [each for each in found if each is None or each.strip()]
            self.lines += kept[: self._count - len(self.lines)]
        return len(self.lines) >= self._count


def custom_id_of(line: bytes) -> str | None:
    """The custom_id of a line; None: it has none."""
    try:
        return _decode(line).custom_id
    except NOT_TYPED:
        pass
    if len(line) > _MOST_LOOSE:
        return _scanned(line)
    try:
        custom_id = members(loose_json(line)).get("custom_id")
    except RecursionError:
        return _scanned(line)
    except ValueError:
        return None
    return custom_id if isinstance(custom_id, str) else None


def _scanned(line: bytes) -> str | None:
    try:
        return scanned_id(line)
    except (ValueError, msgspec.DecodeError):
        return None
