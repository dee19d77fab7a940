"""Which requests of an ended batch are to run again, as the rows of its result files tell."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from contextlib import aclosing
from typing import NamedTuple

from litebatch_asgi.errors import Conflict, InvalidRequest, NotFound, RequestError
from litebatch_asgi.files.content import ContentReader
from litebatch_asgi.jsonl import DigestList, RowIds, id_digest
from litebatch_asgi.models import Batch, FileState
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.wire import LineChoice

logger: logging.Logger = logging.getLogger(__name__)


class Told(NamedTuple):
    """What result files tell of the lines of a batch."""

    digests: DigestList
    are_to_run: bool
    """whether these are to run; False: all others are"""


class ResultRows:
    """Reads the result files of batches that are retried."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._contents = ContentReader(runtime)

    async def told(self, parent: Batch, choice: LineChoice | None) -> Told:
        """Requests of the parent that are to run, or all others, by the rows of its result files."""
        if choice is None:
            rows = await self._rows(parent, None)
            is_failed = _tells_failed(rows, parent)
            return Told(rows.failed if is_failed else rows.completed, is_failed)
        named = named_lines(choice)
        if parent.output_file_id is None and parent.error_file_id is None:
            return _chosen(parent, named)
        rows = await self._rows(parent, choice)
        if not _tells_failed(rows, parent):
            succeeded = {digest for digest in rows.completed if digest in named}
            _check_named(parent, succeeded)
            return _chosen(parent, named)
        _check_named(parent, named - {digest for digest in rows.failed if digest in named})
        return _chosen(parent, rows.chosen)

    async def _rows(self, parent: Batch, choice: LineChoice | None) -> RowIds:
        """All rows of one kind, those of requests that have succeeded or those of all others.

        The smaller file is read first, and mostly no other; of a choice the failed ones are wanted, and how
        they have failed is told by them alone. Raises `RequestError` where they cannot be read.
        """
        rows = RowIds(chosen=named_lines(choice), errors=choice.errors) if choice is not None else RowIds()
        error: RequestError = unknown_results(parent)
        if choice is not None and choice.errors:
            error = _unknown_errors(parent)
        for state in await self._result_files(parent):
            try:
                async with aclosing(self._contents.blocks(state)) as blocks:
                    async for block in blocks:
                        await self._runtime.in_executor(rows.feed, block)
            except NotFound:
                logger.warning(
                    "a result file is gone", extra={"batch_id": parent.id, "file_id": state.file.id}
                )
            except RequestError as failure:
                error = failure
            rows.finish_file()
            if _tells_failed(rows, parent) or (choice is None and _tells_completed(rows, parent)):
                return rows
        if choice is not None and not choice.errors and _tells_completed(rows, parent):
            return rows
        raise error

    async def _result_files(self, parent: Batch) -> list[FileState]:
        """Those that are still there, the smaller one first."""
        ids = (parent.error_file_id, parent.output_file_id)
        found = [await self._runtime.storage.get_file(id_) for id_ in ids if id_ is not None]
        now = self._runtime.now()
        there = [state for state in found if state is not None and state.file.is_visible(now)]
        return sorted(there, key=lambda state: state.file.bytes)


def undone_lines(batch: Batch) -> int:
    """How many lines of an ended batch have not succeeded, whatever has become of them."""
    return batch.counts.total - succeeded_lines(batch)


def succeeded_lines(batch: Batch) -> int:
    """Those of which it has rows: what a provider tells of a batch that left nothing does not count."""
    is_empty = batch.output_file_id is None and batch.error_file_id is None
    return 0 if is_empty else batch.counts.completed


def named_lines(choice: LineChoice) -> frozenset[bytes]:
    """The digests of the custom ids that a choice names."""
    return frozenset(id_digest(each.encode("utf-8", "surrogatepass")) for each in choice.custom_ids)


def _tells_failed(rows: RowIds, parent: Batch) -> bool:
    return len(rows.failed) == undone_lines(parent)


def _tells_completed(rows: RowIds, parent: Batch) -> bool:
    return len(rows.completed) == succeeded_lines(parent)


def _chosen(parent: Batch, digests: Iterable[bytes]) -> Told:
    """Lines that are to run. Raises `Conflict` if there are none."""
    listed = DigestList()
    for digest in digests:
        listed.append(digest)
    if not len(listed):
        raise Conflict(f"No request of {parent.id} has failed in one of these ways: there is nothing to run.")
    return Told(listed, are_to_run=True)


def _check_named(parent: Batch, wrong: Collection[bytes]) -> None:
    if wrong:
        raise no_such_lines(parent, len(wrong))


def _unknown_errors(parent: Batch) -> Conflict:
    return Conflict(
        f"How requests of {parent.id} have failed cannot be told any more: its error file cannot be read. "
        "Retry all that have not succeeded, or name them.",
        code="results_unavailable",
    )


def unknown_results(parent: Batch) -> Conflict:
    """What is said where the result files that it takes are gone."""
    return Conflict(
        f"Which requests of {parent.id} have succeeded cannot be told any more: it takes its output or its "
        "error file, and neither can be read. Upload what is to run again for a new batch.",
        code="results_unavailable",
    )


def no_such_lines(parent: Batch, count: int) -> InvalidRequest:
    """What is said of so many custom ids that nothing can be run for."""
    return InvalidRequest(
        f"Invalid 'custom_ids': {count} of them are of no request of {parent.id} that has not succeeded. "
        "Name requests that are in its error file.",
        param="custom_ids",
        code="invalid_value",
    )
