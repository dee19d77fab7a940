"""Writes another model into request lines and leaves every other byte as it is."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from litebatch_asgi.jsonl.frames import LineFramer, Run, line_end
from litebatch_asgi.jsonl.ids import MAX_LINE_BYTES
from litebatch_asgi.jsonl.scan import Member, scan_object
from litebatch_asgi.jsonl.shape import REQUEST_KEYS, Shape


def json_string(name: str) -> bytes:
    """How a model is spelled in the lines, with its quotes: UTF-8, with escapes only where JSON needs them.

    This is also the one spelling in which `LineChecker` accepts a model.
    """
    return msgspec.json.encode(name)


def spliced_size(size: int, lines: int, old_model: str, new_model: str) -> int:
    """How many bytes a checked file of `size` bytes and `lines` requests has with another model in it."""
    return size + lines * (len(json_string(new_model)) - len(json_string(old_model)))


class Splicer:
    """Replaces the values at known places of a file that is fed in consecutive blocks of any size.

    Args:
        spans: ascending offsets in the file of the values, as `CheckedFile.spans`.
        old_length: bytes of each value.
        new: what to write there.
        start: offset in the file of what is fed first.

    """

    def __init__(self, spans: Sequence[int], old_length: int, new: bytes, *, start: int = 0) -> None:
        self._spans = spans
        self._old_length = old_length
        self._new = new
        self._next = bisect_left(spans, start)  # index of the span to come
        self._offset = start  # in the file, of the next block
        self._resume = start  # in the file, where what is kept goes on

    def feed(self, block: bytes | memoryview) -> bytes:
        """What becomes of the next bytes of the file."""
        start, end = self._offset, self._offset + len(block)
        first, self._next = self._next, bisect_left(self._spans, end, self._next)
        stops = [span - start for span in self._spans[first : self._next]]
        begins = [max(self._resume - start, 0), *[stop + self._old_length for stop in stops]]
        stops.append(len(block))
        self._offset, self._resume = end, start + begins[-1]
        view = memoryview(block)
        return self._new.join([view[begin:stop] for begin, stop in zip(begins, stops, strict=True)])


class ModelRewriter:
    """Replaces one model by another in a file of accepted lines, fed in consecutive blocks of any size.

    For content that is read back from a provider, where no spans are known.

    Args:
        old_model: the model that every line has.
        new_model: the one to put in its place.
        max_line_bytes: a longer line is an error; no more than that is ever held.

    """

    def __init__(self, old_model: str, new_model: str, *, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._old = json_string(old_model)
        self._new = json_string(new_model)
        self._framer = LineFramer(max_line_bytes)
        self._shape: Shape | None = None
        self._line = 0

    def feed(self, block: bytes) -> bytes:
        """What becomes of the lines that `block` completes.

        Raises:
            ValueError: a line has not the model that it should have.

        """
        return b"".join(map(self._rewrite, self._framer.feed(block)))

    def finish(self) -> bytes:
        """The last line, if no newline ended it. Raises as `feed` does."""
        return b"".join(map(self._rewrite, self._framer.finish()))

    def _rewrite(self, run: Run) -> bytes:
        text, kept, start = run.text, run.start, run.start
        if text is None:
            raise ValueError(f"line {self._line + 1} is too long")
        view = memoryview(text)
        pieces: list[bytes | memoryview] = []
        while start < run.end:
            end = line_end(text, start)
            self._line += 1
            value = self._find_model(text, start, end)
            if value is not None:
                pieces += (view[kept:value], self._new)
                kept = value + len(self._old)
            start = end + 1
        return b"".join((*pieces, view[kept : run.end]))

    def _find_model(self, text: bytes, start: int, end: int) -> int | None:
        """Where the model's value begins; None for a blank line."""
        value = self._shape.find_model(text, start) if self._shape else None
        if value is not None:
            return value
        line = text[start:end]
        if not line.strip():
            return None
        model = self._examine(line)
        if model is None or line[model.start : model.end] != self._old:
            raise ValueError(f"line {self._line} has not the model {self._old.decode()}")
        return start + model.start

    def _examine(self, line: bytes) -> Member | None:
        """The model of a line, whose shape is kept for those to come."""
        try:
            members = scan_object(line, REQUEST_KEYS).first
        except ValueError:
            return None
        body = members.get("body")
        model = body.inner.first.get("model") if body is not None and body.inner is not None else None
        if model is not None and "custom_id" in members:
            self._shape = Shape.of(line, members)
        return model
