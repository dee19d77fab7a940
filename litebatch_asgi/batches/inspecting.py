"""Inspecting: how single requests of a batch went, read from its files when somebody asks."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import msgspec

from litebatch_asgi.batches.bounded import BoundedReader, ReadEnd, Reading
from litebatch_asgi.batches.retry_rows import undone_lines
from litebatch_asgi.batches.service import BatchService
from litebatch_asgi.errors import Conflict
from litebatch_asgi.jsonl import FailureGroup, FailureGroups, FirstLines, LineFinder, custom_id_of
from litebatch_asgi.models import Batch, Principal, RowError
from litebatch_asgi.runtime import Runtime

_SECONDS = 15.0
_MOST_FAILURE_BYTES = 64 << 20
_MOST_SEARCHED_BYTES = 1 << 30
_MOST_LINE_BYTES = 8 << 20
_MOST_SAMPLE_BYTES = 256 << 10
_MOST_SAMPLES = 20


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that have failed alike, with one of them as a sample."""

    error: RowError
    count: int
    custom_id: str | None
    """the sample's; None: it is longer than anybody can read"""
    request: bytes | None
    """its line of the input; None: it was not found in what was read, or is large"""
    row: bytes | None
    """its line of the results; None: it is large"""


class Failures(msgspec.Struct, frozen=True, kw_only=True):
    """How the requests of a batch have failed."""

    groups: Sequence[Failure]
    """the largest first"""
    failed: int
    """rows that were seen"""
    others: int
    """those of them that are in no group"""
    total: int
    """requests of the batch that have not succeeded"""
    readings: Sequence[Reading]
    """of the files that were read, in order"""


class FoundLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that was looked for in a file."""

    line: bytes | None
    """None: it was not found in what was read"""
    reading: Reading
    passed_over: int = 0
    """lines that were too long to be read"""


class RequestView(msgspec.Struct, frozen=True, kw_only=True):
    """A request and what came of it."""

    request: FoundLine
    answer: FoundLine | None
    """its row of the results; None: there are none yet, or none at all"""
    is_error: bool = False
    """whether the row is in the error file"""


class FirstRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One of the first requests of a batch, and what came of it."""

    custom_id: str | None
    """None: its line is large, or has none"""
    request: bytes | None
    """None: it is large"""
    answer: bytes | None = None
    """its row of the results; None: it was not found in what was read, is large, or there are none"""
    is_error: bool = False
    """whether the row is in the error file"""


class FirstRequests(msgspec.Struct, frozen=True, kw_only=True):
    """The first requests of a batch."""

    items: Sequence[FirstRequest]
    """in order of the input"""
    request_reading: Reading
    """of the input"""
    readings: Sequence[Reading]
    """of the files of results that were read, in order"""


class InspectionService:
    """Reads the files of batches on behalf of a principal. Raises `RequestError`s.

    Every call may read from providers; it ends after some 30 seconds at most, and holds some megabytes.
    """

    def __init__(self, runtime: Runtime, batches: BatchService) -> None:
        self._batches = batches
        self._reader = BoundedReader(runtime)

    async def failures(self, principal: Principal, batch_id: str) -> Failures:
        """How requests of an ended batch have failed, by its error file and, where it lacks some, its output.

        Reads 64 MiB of each at most; what was left out is told. Raises `NotFound`, and `Conflict` for a batch
        that has not ended.
        """
        batch = await self._batches.retrieve(principal, batch_id)
        if not batch.status.is_final:
            raise Conflict(f"{batch.id} is {batch.status}. Its errors can be read once it has ended.")
        groups = FailureGroups(max_row_bytes=_MOST_LINE_BYTES)
        readings: list[Reading] = []
        deadline = anyio.current_time() + _SECONDS

        def take(block: bytes) -> bool:
            groups.feed(block)
            return False

        for file_id in (batch.error_file_id, batch.output_file_id):
            if file_id is not None and groups.failed < undone_lines(batch):
                readings.append(
                    await self._reader.read(file_id, take, most_bytes=_MOST_FAILURE_BYTES, deadline=deadline)
                )
                groups.finish_file()
        return Failures(
            groups=await self._with_requests(batch, groups.groups),
            failed=groups.failed,
            others=groups.others,
            total=undone_lines(batch),
            readings=readings,
        )

    async def _with_requests(self, batch: Batch, groups: Sequence[FailureGroup]) -> Sequence[Failure]:
        """The groups, with the requests of the samples of the largest."""
        wanted = {group.custom_id for group in groups[:_MOST_SAMPLES] if group.custom_id is not None}
        finder = LineFinder(wanted, max_line_bytes=_MOST_SAMPLE_BYTES)
        if wanted:
            deadline = anyio.current_time() + _SECONDS
            await self._read(batch.input_file_id, finder, deadline)
        return [
            Failure(
                error=group.error,
                count=group.count,
                custom_id=group.custom_id,
                request=finder.found.get(group.custom_id or ""),
                row=group.row,
            )
            for group in groups
        ]

    async def request(self, principal: Principal, batch_id: str, custom_id: str) -> RequestView:
        """The line of a request, and its row of the results, where they are found in time.

        Raises `NotFound` for the batch. What is not found is told, with how far each file was read.
        """
        batch = await self._batches.retrieve(principal, batch_id)
        found: list[FoundLine] = []
        answers: list[tuple[FoundLine | None, bool]] = []

        async def find_request() -> None:
            found.append(await self._line(batch.input_file_id, custom_id))

        async def find_answer() -> None:
            answers.append(await self._answer(batch, custom_id))

        async with anyio.create_task_group() as group:
            group.start_soon(find_request)
            group.start_soon(find_answer)
        (answer, is_error), (request,) = answers[0], found
        return RequestView(request=request, answer=answer, is_error=is_error)

    async def first(self, principal: Principal, batch_id: str, count: int = 20) -> FirstRequests:
        """The first requests of a batch, with their rows of the results where these are found in time.

        Reads 64 MiB of each file at most; what was left out is told. Raises `NotFound`.
        """
        batch = await self._batches.retrieve(principal, batch_id)
        deadline = anyio.current_time() + _SECONDS
        first = FirstLines(count, max_line_bytes=_MOST_SAMPLE_BYTES)
        request_reading = await self._read(batch.input_file_id, first, deadline)
        ids = [None if line is None else custom_id_of(line) for line in first.lines]
        finder = LineFinder([each for each in ids if each is not None], max_line_bytes=_MOST_SAMPLE_BYTES)
        readings: list[Reading] = []
        of_errors: frozenset[str] = frozenset()
        for file_id in (batch.error_file_id, batch.output_file_id) if batch.status.is_final else ():
            if file_id is not None and not finder.is_done:
                readings.append(await self._read(file_id, finder, deadline))
            if file_id == batch.error_file_id:
                of_errors = frozenset(finder.found)
        items = [
            FirstRequest(
                custom_id=custom_id,
                request=line,
                answer=finder.found.get(custom_id or ""),
                is_error=custom_id in of_errors,
            )
            for custom_id, line in zip(ids, first.lines, strict=True)
        ]
        return FirstRequests(items=items, request_reading=request_reading, readings=readings)

    async def _answer(self, batch: Batch, custom_id: str) -> tuple[FoundLine | None, bool]:
        """The row of a request, and whether it is in the error file, which is the smaller one mostly."""
        if not batch.status.is_final:
            return None, False
        answer: FoundLine | None = None
        for file_id in (batch.error_file_id, batch.output_file_id):
            if file_id is not None:
                answer = await self._line(file_id, custom_id)
                if answer.line is not None:
                    return answer, file_id == batch.error_file_id
        return answer, False

    async def _line(self, file_id: str, custom_id: str) -> FoundLine:
        finder = LineFinder([custom_id], max_line_bytes=_MOST_LINE_BYTES)
        deadline = anyio.current_time() + _SECONDS
        reading = await self._read(file_id, finder, deadline, _MOST_SEARCHED_BYTES)
        return FoundLine(line=finder.found.get(custom_id), reading=reading, passed_over=finder.passed_over)

    async def _read(
        self,
        file_id: str,
        reader: LineFinder | FirstLines,
        deadline: float,
        most_bytes: int | None = None,
    ) -> Reading:
        most = _MOST_FAILURE_BYTES if most_bytes is None else most_bytes
        reading = await self._reader.read(file_id, reader.feed, most_bytes=most, deadline=deadline)
        if reading.end is ReadEnd.WHOLE:
            reader.finish()
        return reading
