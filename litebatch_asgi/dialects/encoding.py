"""Translates a whole file of request lines, block by block."""

from __future__ import annotations

from typing import NamedTuple

from litebatch_asgi.dialects.seam import Dialect
from litebatch_asgi.errors import Problem
from litebatch_asgi.jsonl.frames import LineFramer, Run
from litebatch_asgi.jsonl.ids import MAX_LINE_BYTES

MOST_PROBLEMS = 100
"""after so many the rest of a file is not looked at"""


class EncodedLine(NamedTuple):
    """A line in a provider's form."""

    number: int
    text: bytes
    """without a newline"""


class FileEncoder:
    """Translates an accepted file of request lines that is fed in consecutive blocks of any size.

    Lines are numbered from 1 as they stand in the file; blank ones are left out. It holds one line at most.
    """

    def __init__(self, dialect: Dialect, *, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._dialect = dialect
        self._framer = LineFramer(max_line_bytes)
        self._line = 0
        self.problems: list[Problem] = []
        """why lines cannot be given to this provider, the first ones"""

    def feed(self, block: bytes) -> list[EncodedLine]:
        """The lines that `block` completes; none after the first problem.

        Raises:
            ValueError: a line is too long to have been accepted.

        """
        return self._encode(self._framer.feed(block)) if len(self.problems) < MOST_PROBLEMS else []

    def finish(self) -> list[EncodedLine]:
        """The last line, if no newline ended it. Raises as `feed` does."""
        return self._encode(self._framer.finish())

    def _encode(self, runs: list[Run]) -> list[EncodedLine]:
        encoded: list[EncodedLine] = []
        for run in runs:
            if run.text is None:
                raise ValueError(f"line {self._line + 1} is too long")
            for line in run.lines():
                self._line += 1
                if line.isspace() or len(self.problems) >= MOST_PROBLEMS:
                    continue
                text = self._dialect.encode(line, self._line)
                if isinstance(text, Problem):
                    self.problems.append(text)
                else:
                    encoded.append(EncodedLine(self._line, text))
        return [] if self.problems else encoded


def encode_alike(one: Dialect, other: Dialect) -> bool:
    """Whether two dialects make the same of every line."""
    return type(one) is type(other) and one.model == other.model
