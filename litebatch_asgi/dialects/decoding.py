"""Translates a provider's file of rows, block by block, into the rows of an output and an error file."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from litebatch_asgi.dialects.answers import Answer
from litebatch_asgi.dialects.echoes import line_digest
from litebatch_asgi.dialects.encoding import FileEncoder
from litebatch_asgi.dialects.seam import Dialect
from litebatch_asgi.jsonl.frames import LineFramer, Run
from litebatch_asgi.jsonl.rows import MAX_ROW_BYTES


class TranslatedRows(NamedTuple):
    """Rows of OpenAI's form, each with its newline."""

    output: bytes = b""
    """of requests that were answered"""
    error: bytes = b""
    """of those that failed or were not run"""
    untold: bytes = b""
    """rows of the provider that do not tell their line but repeat the request: see `EchoedLines`"""


class ResultDecoder:
    """Translates rows of a provider that are fed in consecutive blocks of any size. Never raises.

    A row whose line is not known is left out. It holds no more than a row.

    Args:
        dialect: the provider's.
        custom_id: the custom_id of a line, by its number, in JSON; None: the input has no such line.
        job: which job has answered, see `Answer.row`.
        created: in Unix seconds, see `Answer.row`.
        echoed: the line of a repeated request, by its digest; None: rows that tell no line are put aside.
        max_row_bytes: a longer row is left out and never held whole.

    """

    def __init__(
        self,
        dialect: Dialect,
        custom_id: Callable[[int], msgspec.Raw | None],
        *,
        job: str,
        created: int,
        echoed: Callable[[bytes], int | None] | None = None,
        max_row_bytes: int = MAX_ROW_BYTES,
    ) -> None:
        self._dialect = dialect
        self._custom_id = custom_id
        self._job = job
        self._created = created
        self._echoed = echoed
        self._framer = LineFramer(max_row_bytes)
        self.echoes: set[bytes] = set()
        """digests of the requests that rows put aside repeat"""
        self.unknown: int = 0
        """rows that were left out"""

    def feed(self, block: bytes) -> TranslatedRows:
        """What becomes of the rows that `block` completes."""
        return self._translate(self._framer.feed(block))

    def finish(self) -> TranslatedRows:
        """The last row, if no newline ended it."""
        return self._translate(self._framer.finish())

    def _translate(self, runs: Iterable[Run]) -> TranslatedRows:
        output, error, untold = bytearray(), bytearray(), bytearray()
        for run in runs:
            if run.text is None:
                self.unknown += 1
            for line in run.lines():
                if line.isspace():
                    continue
                answer = self._dialect.decode(line)
                if self._is_put_aside(answer):
                    untold += line if line.endswith(b"\n") else line + b"\n"
                elif (row := self._row(answer)) is not None:
                    rows = output if answer.is_success else error
                    rows += row
        return TranslatedRows(bytes(output), bytes(error), bytes(untold))

    def _is_put_aside(self, answer: Answer) -> bool:
        if answer.line is not None or answer.echo is None or self._echoed is not None:
            return False
        self.echoes.add(answer.echo)
        return True

    def _row(self, answer: Answer) -> bytes | None:
        line = answer.line
        if line is None and answer.echo is not None and self._echoed is not None:
            line = self._echoed(answer.echo)
        custom_id = self._custom_id(line) if line is not None else None
        if line is None or custom_id is None:
            self.unknown += 1
            return None
        return answer.row(custom_id, job=self._job, line=line, created=self._created) + b"\n"


class EchoedLines:
    """Finds the lines of an input, fed in blocks of any size, whose requests were repeated.

    Args:
        dialect: what the lines were sent in.
        wanted: digests of the repeated requests, see `Answer.echo`.

    """

    def __init__(self, dialect: Dialect, wanted: set[bytes]) -> None:
        self._encoder = FileEncoder(dialect)
        self._wanted = wanted
        self._lines: defaultdict[bytes, deque[int]] = defaultdict(deque)

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the input. Raises as `FileEncoder.feed` does."""
        self._note(self._encoder.feed(block))

    def finish(self) -> None:
        """The end of the input. Raises as `feed` does."""
        self._note(self._encoder.finish())

    def _note(self, lines: Iterable[tuple[int, bytes]]) -> None:
        for number, text in lines:
            digest = line_digest(text)
            if digest is not None and digest in self._wanted:
                self._lines[digest].append(number)

    def take(self, digest: bytes) -> int | None:
        """A line with this request that was not taken yet; the last of them again and again."""
        lines = self._lines.get(digest)
        if not lines:
            return None
        return lines.popleft() if len(lines) > 1 else lines[0]
