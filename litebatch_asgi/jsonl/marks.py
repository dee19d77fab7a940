"""Marks along a checked file: what lies before them. Their differences tell what runs of lines come to."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from typing import NamedTuple, overload

import msgspec

from litebatch_asgi.jsonl.size import BYTES_PER_TOKEN

_COLUMNS = 6
_HALF = 64
_LOW = (1 << _HALF) - 1


class Mark(NamedTuple):
    """What the check knew of all that is before a place between two lines."""

    line: int
    """lines, blank ones included"""
    offset: int
    """bytes"""
    requests: int
    """blank lines do not count"""
    id_sum: int
    """of the custom ids, as of `CheckedFile`"""
    tokens: int
    """of the input, estimated, as of `CheckedFile`"""


class Marks(Sequence[Mark]):
    """Marks in their order, in 48 bytes each: the first at the beginning of a file, the last at its end."""

    def __init__(self, marks: Sequence[Mark] = ()) -> None:
        self._numbers = array("Q")
        for mark in marks:
            self.append(mark)

    def append(self, mark: Mark) -> None:
        """Add a mark that is not before the last one."""
        line, offset, requests, id_sum, tokens = mark
        self._numbers.extend((line, offset, requests, id_sum >> _HALF, id_sum & _LOW, tokens))

    def pop(self) -> None:
        """Forget the last mark."""
        del self._numbers[-_COLUMNS:]

    def __len__(self) -> int:
        return len(self._numbers) // _COLUMNS

    @overload
    def __getitem__(self, index: int) -> Mark: ...

    @overload
    def __getitem__(self, index: slice) -> Marks: ...

    def __getitem__(self, index: int | slice) -> Mark | Marks:
        if isinstance(index, slice):
            return Marks([self[each] for each in range(*index.indices(len(self)))])
        at = range(len(self))[index] * _COLUMNS
        line, offset, requests, high, low, tokens = self._numbers[at : at + _COLUMNS]
        return Mark(line, offset, requests, (high << _HALF) + low, tokens)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Marks) and self._numbers == other._numbers

    def __repr__(self) -> str:
        return f"Marks({list(self)!r})"


class MarkSteps(msgspec.Struct, frozen=True, kw_only=True):
    """How far apart marks are: the next one stands after the request with which a step is reached."""

    requests: int = 500
    bytes: int = 4 << 20
    tokens: int | None = None
    """None: as many as there are"""


MARK_STEPS = MarkSteps()


class Marker:
    """Sets the marks of a file while it is checked: the next one is due at `due_requests` or `due_offset`."""

    def __init__(self, steps: MarkSteps) -> None:
        self._requests = steps.requests
        self._guess = steps.tokens if steps.tokens is not None else sys.maxsize
        self._bytes = min(steps.bytes, self._guess * BYTES_PER_TOKEN)
        self._guessed = 0
        self._due_guess = 0
        self._marks = Marks()
        self._set(Mark(0, 0, 0, 0, 0))

    def set(self, mark: Mark) -> None:
        """Set a mark here, unless there is no request since the last one."""
        if mark.requests > self._marks[-1].requests:
            self._set(mark)

    def _set(self, mark: Mark) -> None:
        self._marks.append(mark)
        self.requests: int | None = mark.requests or None
        """before the last mark; None while that is at the beginning of the file"""
        self.due_requests: int = mark.requests + self._requests
        self.due_offset: int = mark.offset + self._bytes
        self._due_guess = self._guessed + self._guess

    def move(self, mark: Mark) -> None:
        """Set the last mark behind the blank lines that follow it: a run begins with a request."""
        self._marks.pop()
        self._marks.append(mark)

    def guess(self, tokens: int) -> None:
        """So many tokens more are guessed than before: a mark may be due that is not by its bytes."""
        self._guessed += tokens
        if self._guessed >= self._due_guess:
            self.due_requests = 0

    def end(self, mark: Mark) -> Marks:
        """All marks, with this one at the end of the file; no run has blank lines alone."""
        if self._marks[-1].requests == mark.requests:
            self._marks.pop()
        self._marks.append(mark)
        return self._marks
