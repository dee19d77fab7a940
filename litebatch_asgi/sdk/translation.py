"""Lines to the form of a provider that does not speak OpenAI, and its rows back. For worker threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import IO

import msgspec

from litebatch_asgi.dialects import Answer, Dialect, FileEncoder, line_number
from litebatch_asgi.dialects.reading import read_json
from litebatch_asgi.errors import InvalidFile, InvalidRequest, Problem
from litebatch_asgi.jsonl import CheckedFile, CheckLimits, LineChecker
from litebatch_asgi.jsonl.answers import members
from litebatch_asgi.jsonl.frames import LineFramer
from litebatch_asgi.jsonl.rows import MAX_ROW_BYTES
from litebatch_asgi.sdk.carriers import carried, told_key, with_carrier
from litebatch_asgi.sdk.disk import unnamed_file
from litebatch_asgi.wire import BATCH_ENDPOINTS

MAX_LINE_BYTES = 16 << 20
_MOST_LINES = 10_000_000
_BLOCK_BYTES = 1 << 20
_NO_ID = (
    "Row {row} tells no custom_id: it was too long for the provider to carry. Call again with the file that "
    "the batch was made of as `input`, or with `translate=False` for the provider's own rows."
)


class Encoded(msgspec.Struct, frozen=True, kw_only=True):
    """Lines in a provider's form."""

    file: IO[bytes]
    """each line ended by a newline; whoever asked for it closes it"""
    size: int
    requests: int
    model: str
    """the provider's own name for it"""


class _Line(msgspec.Struct, gc=False):
    custom_id: str


_decode_line = msgspec.json.Decoder(_Line).decode


class _Carrying:
    """A dialect whose lines carry their custom ids."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.endpoints: tuple[str, ...] = dialect.endpoints
        self.longest_key: int | None = dialect.longest_key
        self.model: object = dialect.model

    def encode(self, line: bytes, number: int) -> bytes | Problem:
        encoded = self._dialect.encode(line, number)
        if isinstance(encoded, Problem):
            return encoded
        return with_carrier(encoded, _decode_line(line).custom_id, number, longest=self.longest_key)

    def decode(self, row: bytes) -> Answer:
        return self._dialect.decode(row)


def check(file: IO[bytes], *, max_requests: int | None) -> CheckedFile:
    """What is known of a file of OpenAI's lines. Raises `InvalidFile` with all that is wrong with it."""
    limits = CheckLimits(max_lines=max_requests or _MOST_LINES, max_line_bytes=MAX_LINE_BYTES)
    checker = LineChecker(endpoints=BATCH_ENDPOINTS, limits=limits, model_problem=lambda model: None)
    for block in _blocks(file):
        checker.feed(block)
    return checker.finish()


def encode(
    rewound: Callable[[], IO[bytes]],
    dialect: Callable[[str], Dialect | None],
    *,
    provider: str,
    max_requests: int | None = None,
    max_bytes: int | None = None,
) -> Encoded:
    """All lines of a file in the provider's form, with their custom ids as far as it takes them.

    Args:
        rewound: the file, at its start.
        dialect: the provider's, by its own name of a model.
        provider: what the names of models may begin with, before a `/`.
        max_requests: that the provider takes.
        max_bytes: likewise, of its own form.

    Raises:
        InvalidFile: with what is wrong, or cannot be given to this provider.

    """
    checked = check(rewound(), max_requests=max_requests)
    model = checked.model.removeprefix(f"{provider}/")
    spoken = dialect(model)
    assert spoken is not None, "lines of a provider that speaks OpenAI go out as they are"
    encoder = FileEncoder(_Carrying(spoken))
    with ExitStack() as stack:
        target = stack.enter_context(unnamed_file())
        for block in _blocks(rewound()):
            target.writelines(line.text + b"\n" for line in encoder.feed(block))
        target.writelines(line.text + b"\n" for line in encoder.finish())
        if encoder.problems:
            raise InvalidFile(encoder.problems)
        size = target.tell()
        if max_bytes is not None and size > max_bytes:
            message = f"The file has {size} bytes in the provider's form, which takes {max_bytes}; split it."
            raise InvalidFile([Problem(code="file_too_large", line=None, param="file", message=message)])
        target.flush()
        stack.pop_all()
        return Encoded(file=target, size=size, requests=checked.lines, model=model)


def custom_ids(file: IO[bytes]) -> dict[int, str]:
    """The custom ids of an input by the numbers of its lines, be it OpenAI's or encoded here."""
    found: dict[int, str] = {}
    for number, line in enumerate(file, 1):
        told = members(read_json(line))
        key = told_key(told)
        custom_id = key if "body" in told else carried(key)
        if custom_id is not None:
            found[number] = custom_id
    return found


def decode(
    file: IO[bytes], target: IO[bytes], dialect: Dialect, ids: Mapping[int, str] | None, *, job: str
) -> int:
    """Write a provider's rows in OpenAI's form; how many bytes they have.

    Args:
        file: the rows, at their start.
        target: where they go.
        dialect: the provider's.
        ids: see `custom_ids`; None: rows have to carry their own.
        job: what makes the ids in the rows.

    Raises:
        InvalidRequest: a row does not tell its custom_id.

    """
    created = int(time.time())
    for number, row in enumerate(_rows(file), 1):
        answer = dialect.decode(row)
        custom_id = _custom_id(row, answer, ids)
        if custom_id is None:
            raise InvalidRequest(_NO_ID.format(row=number), param="input")
        text = answer.row(custom_id, job=f"{job}:{custom_id}", line=answer.line or 0, created=created)
        target.write(text + b"\n")
    target.flush()
    return target.tell()


def _custom_id(row: bytes, answer: Answer, ids: Mapping[int, str] | None) -> str | None:
    """The custom_id that a row carries, that its line has, or that somebody else gave it."""
    key = told_key(members(read_json(row)))
    found = carried(key)
    if found is not None:
        return found
    if answer.line is not None and (ids is not None or line_number(key) is not None):
        return None if ids is None else ids.get(answer.line)
    return key


def _rows(file: IO[bytes]) -> Iterator[bytes]:
    framer = LineFramer(MAX_ROW_BYTES)
    for block in _blocks(file):
        for run in framer.feed(block):
            yield from (line for line in run.lines() if not line.isspace())
    for run in framer.finish():
        yield from (line for line in run.lines() if not line.isspace())


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK_BYTES):
        yield block
