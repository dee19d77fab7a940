"""Takes some of the lines of a tile while it streams by."""

from __future__ import annotations

import hashlib

import msgspec

from litebatch_asgi.jsonl.frames import LineFramer, Run
from litebatch_asgi.jsonl.ids import ID_MODULUS, MAX_LINE_BYTES, id_digest, read_id
from litebatch_asgi.jsonl.line_set import LineSet
from litebatch_asgi.jsonl.request_body import Body, read_odd_body
from litebatch_asgi.jsonl.size import GUESSES, Guesses, beside_text, estimated_tokens


class Selected(msgspec.Struct, frozen=True, kw_only=True):
    """What the lines that were taken come to, as read. The fields are those of `Shard`."""

    lines: int
    bytes: int
    id_count: int
    id_sum: int
    tokens: int
    sha256: str


class _Line(msgspec.Struct, gc=False):
    custom_id: str
    body: Body


class _OddLine(msgspec.Struct, gc=False):
    body: msgspec.Raw


_decode = msgspec.json.Decoder(_Line).decode
_decode_odd = msgspec.json.Decoder(_OddLine).decode


class LineSelector:
    """Takes some lines of a tile, an accepted input, that is fed in consecutive blocks of any size.

    Blank lines are left out, and count as no requests.

    Args:
        lines: which requests to take.
        guesses: how many tokens things have that nobody counts.
        max_line_bytes: a longer line is an error; no more than that is ever held.

    """

    def __init__(
        self, lines: LineSet, *, guesses: Guesses = GUESSES, max_line_bytes: int = MAX_LINE_BYTES
    ) -> None:
        self._wanted = lines
        self._guesses = guesses
        self._framer = LineFramer(max_line_bytes)
        self._index = 0  # of the request to come
        self._lines = self._bytes = self._spared_bytes = self._guessed_tokens = self._id_sum = 0
        self._sha256 = hashlib.sha256()

    def feed(self, block: bytes) -> bytes:
        """The lines to take of those that `block` completes, each with its newline.

        Raises:
            ValueError: a line cannot have been accepted, or there are more than the tile has.

        """
        return b"".join(map(self._select, self._framer.feed(block)))

    def finish(self) -> bytes:
        """The last line, if it is to be taken and no newline ended it.

        Raises:
            ValueError: as `feed`, and where lines are missing at the end.

        """
        rest = b"".join(map(self._select, self._framer.finish()))
        if self._index != self._wanted.size:
            raise ValueError(f"the tile has {self._index} requests and not {self._wanted.size}")
        return rest

    def selected(self) -> Selected:
        """What the lines come to that were taken so far."""
        return Selected(
            lines=self._lines,
            bytes=self._bytes,
            id_count=self._lines,
            id_sum=self._id_sum % ID_MODULUS,
            tokens=estimated_tokens(self._bytes - self._spared_bytes) + self._guessed_tokens,
            sha256=self._sha256.hexdigest(),
        )

    def _select(self, run: Run) -> bytes:
        if run.text is None:
            raise ValueError("a line is too long")
        lines = [line for line in run.lines() if not line.isspace()]
        start, self._index = self._index, self._index + len(lines)
        if self._index > self._wanted.size:
            raise ValueError(f"the tile has more than {self._wanted.size} requests")
        taken = [line for index, line in enumerate(lines, start) if index in self._wanted]
        for line in taken:
            self._count(line)
        if taken and not taken[-1].endswith(b"\n"):
            taken.append(b"\n")
        text = b"".join(taken)
        self._bytes += len(text)
        self._sha256.update(text)
        return text

    def _count(self, line: bytes) -> None:
        custom_id, body = _read(line)
        spared, guessed = beside_text(body, self._guesses)
        self._lines += 1
        self._id_sum += int.from_bytes(id_digest(custom_id))
        self._spared_bytes += spared
        self._guessed_tokens += guessed


def _read(line: bytes) -> tuple[bytes, Body | None]:
    """The custom_id and the body; without a body where that is too deep to be read."""
    try:
        read = _decode(line)
    except (msgspec.DecodeError, RecursionError):
        custom_id = read_id(line)
    else:
        return read.custom_id.encode(), read.body
    try:
        return custom_id, read_odd_body(bytes(_decode_odd(line).body))
    except RecursionError:
        return custom_id, None
    except msgspec.DecodeError as error:
        raise ValueError(f"not a request line: {error}") from error
