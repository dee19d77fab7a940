"""Running the lines of a batch: from the input file to an output and an error file, in one pass.

Envelopes are spelled as the live service spells them, with a blank after colons and commas.
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, Self

import msgspec

from .answers import ANSWERERS, Ask, Usage, answer, failure
from .course import CutShort
from .directives import Directive, directive_of
from .json_values import JSON
from .lines_run import DIGEST_BYTES, LinesRun, is_chosen
from .objects import BatchUsage, InputTokensDetails, OutputTokensDetails, RequestCounts
from .running_order import lines_done, running_order
from .settings import SimulatorSettings, Status
from .wire import versioned

UNFINISHED: dict[Status, tuple[str, str]] = {
    "expired": (
        "batch_expired",
        "This request could not be executed before the completion window expired.",
    ),
    "cancelled": (
        "batch_cancelled",
        "This request was not executed because the batch was cancelled.",
    ),
}
"""Code and message of the rows that were not executed, by how the batch ended."""


class RowFaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many rows of the results go wrong, in each of four ways; no row goes wrong twice."""

    lost: int = 0
    """finished, counted, and in neither file"""
    doubled: int = 0
    """twice, directly after each other"""
    unparsable: int = 0
    """cut off in the middle"""
    foreign: int = 0
    """further rows, with custom ids that nobody sent"""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that running a batch needs to know."""

    batch_id: str
    endpoint: str
    model: str | None
    """as the batch has it, whose lines may have it too"""
    ending: Status
    done_share: float
    """share of the lines that are executed, spread evenly; the others end as `UNFINISHED` says, or have no
    row, as `cut_short_results` has it"""
    cut_short_results: CutShort
    input_path: Path
    offsets: array[int]
    digests: bytes
    """of each line, one after the other"""
    lines_run: LinesRun
    output_path: Path
    error_path: Path
    created: int
    """Unix seconds"""
    seed: str
    settings: SimulatorSettings
    empty_error_file: bool
    finish: Callable[[JSON], JSON]
    """the last touch to each response body"""
    faults: RowFaults = RowFaults()


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A finished file."""

    path: Path
    bytes: int
    sha256: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a batch; there is no file without rows."""

    outputs: tuple[Written, ...]
    errors: tuple[Written, ...]
    total: int
    """lines, executed or not"""
    completed: int
    failed: int
    unexecuted: int
    """those of `failed` that were not run"""
    usage: Usage

    @property
    def counts(self) -> RequestCounts:
        """As a batch shows it."""
        return RequestCounts(total=self.total, completed=self.completed, failed=self.failed)

    @property
    def batch_usage(self) -> BatchUsage:
        """As a batch shows it."""
        used = self.usage
        return BatchUsage(
            input_tokens=used.input_tokens,
            input_tokens_details=InputTokensDetails(cached_tokens=used.cached_tokens),
            output_tokens=used.output_tokens,
            output_tokens_details=OutputTokensDetails(reasoning_tokens=used.reasoning_tokens),
            total_tokens=used.input_tokens + used.output_tokens,
        )


class RowFile:
    """A result file that is being written; closed when its `with` block ends."""

    def __init__(self, path: Path, *, final_newline: bool) -> None:
        self._path = path
        self._final_newline = final_newline
        self._file: BinaryIO = path.open("wb", buffering=1 << 18)
        self._sha256 = hashlib.sha256()
        self._bytes = 0

    def add(self, row: bytes) -> None:
        """Append one row, with the newline that ends the row before it."""
        self._write(b"\n" + row if self._bytes else row)

    def close(self) -> None:
        """Close the file, finished or not."""
        self._file.close()

    def finish(self, *, keep_empty: bool = False) -> Written | None:
        """Write what is left and close the file; None, and no file, if it has no rows and is not kept so."""
        if self._bytes and self._final_newline:
            self._write(b"\n")
        self._file.close()
        if not self._bytes and not keep_empty:
            self._path.unlink()
            return None
        return Written(path=self._path, bytes=self._bytes, sha256=self._sha256.hexdigest())

    def _write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._sha256.update(piece)
        self._bytes += len(piece)


class ResultFiles(Protocol):
    """Where the rows of a batch are written to; closed when its `with` block ends."""

    def add(self, row: bytes, *, succeeded: bool) -> None:
        """Append one row."""
        ...

    def finish(self) -> tuple[tuple[Written, ...], tuple[Written, ...]]:
        """The finished output files and error files."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *failure: object) -> None: ...


class OutputAndErrors:
    """`ResultFiles` of OpenAI: one file of what succeeded, another one of what failed."""

    def __init__(self, plan: Plan, final_newlines: tuple[bool, bool]) -> None:
        self._keep_empty = plan.empty_error_file
        self._output = RowFile(plan.output_path, final_newline=final_newlines[0])
        self._errors = RowFile(plan.error_path, final_newline=final_newlines[1])

    def add(self, row: bytes, *, succeeded: bool) -> None:
        """Append one row to its file."""
        (self._output if succeeded else self._errors).add(row)

    def finish(self) -> tuple[tuple[Written, ...], tuple[Written, ...]]:
        """The files that there are."""
        output, errors = self._output.finish(), self._errors.finish(keep_empty=self._keep_empty)
        return (() if output is None else (output,)), (() if errors is None else (errors,))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._output.close()
        self._errors.close()


class Execution:
    """One run over the lines of a batch, in a thread."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)  # noqa: S311 repeatable on purpose
        self._completed = 0
        self._failed = 0
        self._unexecuted = 0
        self._usage = Usage()
        self._done: frozenset[int] | None = None
        """lines that are executed; None: all"""

    def run(self, stop: threading.Event) -> Outcome:
        """Write all files; leaves off early when `stop` is set."""
        lines = len(self._plan.offsets)
        done = lines_done(lines, self._plan.done_share)
        self._done = None if done == lines else frozenset(running_order(lines)[:done])
        with self._result_files() as files:
            for succeeded, row in self._spoiled(self._rows(stop)):
                files.add(row, succeeded=succeeded)
            outputs, errors = files.finish()
            return Outcome(
                outputs=outputs,
                errors=errors,
                total=len(self._plan.offsets),
                completed=self._completed,
                failed=self._failed,
                unexecuted=self._unexecuted,
                usage=self._usage,
            )

    def _result_files(self) -> ResultFiles:
        return OutputAndErrors(self._plan, (self._final_newline(), self._final_newline()))

    def _final_newline(self) -> bool:
        drawn = self._random.random() < 0.5
        asked = self._plan.settings.final_newline
        return drawn if asked is None else asked

    def _rows(self, stop: threading.Event) -> Iterator[tuple[bool, bytes]]:
        order = [index for index in range(len(self._plan.offsets)) if self._has_row(index)]
        if self._plan.settings.shuffle:
            self._random.shuffle(order)
        with self._plan.input_path.open("rb") as lines:
            for index in order:
                if stop.is_set():
                    return
                lines.seek(self._plan.offsets[index])
                yield self._row(index, lines.readline())

    def _has_row(self, index: int) -> bool:
        whole = self._plan.cut_short_results == "whole" and self._plan.ending in UNFINISHED
        return whole or self._is_done(index)

    def _is_done(self, index: int) -> bool:
        return self._done is None or index in self._done

    def _tried(self, directive: Directive, index: int, custom_id: str) -> Directive:
        """How a line goes that is run now; `directive` is what it asks for."""
        start, settings = index * DIGEST_BYTES, self._plan.settings
        digest = self._plan.digests[start : start + DIGEST_BYTES]
        is_first = self._plan.lines_run.run(digest, self._plan.batch_id)
        status = settings.first_run_status
        if status is None or directive.fails or not is_first:
            return directive
        return Directive(status=status) if is_chosen(custom_id, settings.first_run_share) else directive

    def _row(self, index: int, line: bytes) -> tuple[bool, bytes]:
        request: JSON = msgspec.json.decode(line)
        key = hashlib.blake2b(f"{self._plan.batch_id}:{index}".encode(), digest_size=16).hexdigest()
        row = RowText(key, request["custom_id"], escape=self._plan.settings.escape_unicode)
        if not self._is_done(index):
            self._failed += 1
            self._unexecuted += 1
            return False, row.without_response(*UNFINISHED[self._plan.ending])
        directive = self._tried(directive_of(request["body"]), index, request["custom_id"])
        if directive.error is not None:
            self._failed += 1
            return False, row.without_response(directive.error, directive.message or "The request failed.")
        body, usage = self._answer(request["body"], directive, key)
        if usage is None:
            self._failed += 1
            return False, row.with_response(directive.status if directive.fails else 400, self._encoded(body))
        self._completed += 1
        self._usage += usage
        return True, row.with_response(directive.status, self._encoded(body, succeeded=True))

    def _answer(self, body: JSON, directive: Directive, key: str) -> tuple[JSON, Usage | None]:
        if directive.fails:
            return failure(directive), None
        endpoint = versioned(self._plan.endpoint)
        if endpoint not in ANSWERERS:
            refused = Directive(status=400, message=f"The simulator does not run {endpoint}.")
            return failure(refused), None
        ask = Ask(
            body=body,
            directive=directive,
            key=key,
            created=self._plan.created,
            answer_characters=self._plan.settings.answer_characters,
        )
        answered, usage = answer(ANSWERERS[endpoint], ask)
        return self._plan.finish(answered), usage

    def _encoded(self, body: JSON, *, succeeded: bool = False) -> bytes:
        encoded, strings = msgspec.json.encode(body), self._plan.settings.string_bodies
        if strings == "never" or (strings == "errors" and succeeded):
            return encoded
        return msgspec.json.encode(encoded.decode())

    def _spoiled(self, rows: Iterator[tuple[bool, bytes]]) -> Iterator[tuple[bool, bytes]]:
        faults = self._plan.faults
        for number in range(faults.foreign):
            yield True, self._foreign_row(number)
        for position, (succeeded, row) in enumerate(rows):
            if position < faults.lost:
                continue
            if position < faults.lost + faults.unparsable:
                yield succeeded, row[: len(row) // 2]
                continue
            yield succeeded, row
            if position < faults.lost + faults.unparsable + faults.doubled:
                yield succeeded, row

    def _foreign_row(self, number: int) -> bytes:
        key = f"{number:032x}"
        body: JSON = {"model": "foreign", "messages": [], "input": "foreign", "prompt": "foreign"}
        answered, _ = self._answer(body, Directive(answer="foreign", input_tokens=1_000_000), key)
        return RowText(key, f"foreign-{number}").with_response(200, self._encoded(answered, succeeded=True))


class RowText:
    """The spelling of one row; `key` is 32 hexadecimal characters."""

    def __init__(self, key: str, custom_id: str, *, escape: bool = False) -> None:
        self._key = key
        self._head = b'{"id": "batch_req_%s", "custom_id": %s' % (
            key.encode(),
            json.dumps(custom_id, ensure_ascii=escape).encode(),
        )

    def with_response(self, status: int, body: bytes) -> bytes:
        """A row that was answered, well or badly, with a body that is JSON."""
        return b'%s, "response": {"status_code": %d, "request_id": "%s", "body": %s}, "error": null}' % (
            self._head,
            status,
            self._key[::-1].encode(),
            body,
        )

    def without_response(self, code: str, message: str) -> bytes:
        """A row that was never executed."""
        error = json.dumps({"code": code, "message": message}).encode()
        return b'%s, "response": null, "error": %s}' % (self._head, error)
