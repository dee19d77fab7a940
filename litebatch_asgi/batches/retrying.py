"""Retrying: a batch of those lines of an ended one that have not succeeded."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from contextlib import aclosing

import anyio
from msgspec.structs import replace

from litebatch_asgi.batches.deriving import Deriver, lines_of
from litebatch_asgi.batches.drafting import Draft, Drafts, no_input_of
from litebatch_asgi.batches.lines import LineReader
from litebatch_asgi.costs import InputShare
from litebatch_asgi.errors import Conflict, NotFound, RequestError
from litebatch_asgi.failpoints import hit
from litebatch_asgi.files.content import ContentReader
from litebatch_asgi.jsonl import DigestList, LineSet, RowIds
from litebatch_asgi.models import Batch, Counts, FileState, Principal, Shard
from litebatch_asgi.models.limits import check_requests
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.wire import RETRY_OF, CreateBatch

logger: logging.Logger = logging.getLogger(__name__)

READ_AT_ONCE = 4
"""results and inputs that a process compares at a time: each takes some 25 MB for 100,000 lines a tile"""


class Retries:
    """Drafts batches of lines that have not succeeded; writes nothing but the numbers of new shards."""

    def __init__(self, runtime: Runtime, drafts: Drafts) -> None:
        self._runtime = runtime
        self._drafts = drafts
        self._lines = LineReader(runtime)
        self._contents = ContentReader(runtime)
        self._deriver = Deriver(runtime)
        self._room = anyio.Semaphore(READ_AT_ONCE)

    async def draft(self, principal: Principal, asked: CreateBatch, batch_id: str, parent: Batch) -> Draft:
        """A batch of the lines of `parent`, which has ended, that have not succeeded.

        A tile all of whose lines are to run is run as it is, for it has its copies. Raises what a create
        raises, and `Conflict` where nothing is left to run, or it cannot be told or read any more.
        """
        undone = undone_lines(parent)
        if not undone:
            raise Conflict(f"All requests of {parent.id} have succeeded: there is nothing to run again.")
        try:
            draft = await self._drafts.draft(principal, asked, batch_id)
        except NotFound as error:
            raise no_input_of(parent.input_file_id, retry_of=parent.id) from error
        check_requests(principal.limits, undone)  # before anything large is read
        batch = replace(
            draft.batch,
            retry_of=parent.id,
            metadata={**(draft.batch.metadata or {}), RETRY_OF: parent.id},
            counts=Counts(total=undone),
        )
        shards = await self._shards(parent, batch, draft.file)
        tokens = sum(shard.tokens for shard in shards)
        found = InputShare.of(draft.file.file, lines=undone, tokens=tokens)
        hit("retry.derived")
        return Draft(batch, draft.file, shards, found)

    async def _shards(self, parent: Batch, batch: Batch, file: FileState) -> tuple[Shard, ...]:
        known = await self._known(parent, file)
        every = {tile.shard: _union(tile, known[tile.shard]) for tile in file.tiles if tile.shard in known}
        rest: Mapping[int, LineSet] = every
        if _succeeded(parent):
            async with self._room:
                rest = await self._rest(parent, file, every)
        if sum(lines.count for lines in rest.values()) != batch.counts.total:
            told = {"batch_id": parent.id, "undone": batch.counts.total}
            logger.error("lines that have not succeeded are not as many as was counted", extra=told)
            raise _unknown(parent)
        try:
            return tuple(
                [
                    await self._shard(batch, file, file.tiles[root], lines, known[root])
                    for root, lines in rest.items()
                    if lines.count
                ]
            )
        except NotFound as error:
            raise no_input_of(parent.input_file_id, retry_of=parent.id) from error

    async def _known(self, parent: Batch, file: FileState) -> Mapping[int, list[Shard]]:
        """What the jobs of a batch have run, by tile. Their lines together are those of the batch."""
        state = await self._runtime.storage.get_batch_state(parent.id)
        jobs = state.jobs if state is not None else ()
        derived = {shard.shard: shard for shard in await self._runtime.storage.shards.of_batch(parent.id)}
        known: dict[int, list[Shard]] = {}
        for number in dict.fromkeys(job.shard for job in jobs):
            shard = file.tile(number) or derived.get(number)
            if shard is None:
                raise _unknown(parent)
            known.setdefault(shard.root, []).append(shard)
        return known

    async def _rest(
        self, parent: Batch, file: FileState, every: Mapping[int, LineSet]
    ) -> Mapping[int, LineSet]:
        """Which of the lines of each tile have not succeeded, by the rows of the parent's result files."""
        rows = await self._rows(parent)
        is_failed = len(rows.failed) == undone_lines(parent)
        told = rows.failed if is_failed else rows.completed
        left, rest = len(told), dict[int, LineSet]()
        for root, lines in every.items():
            found = LineSet.of(lines.size, ())
            if left:
                found = lines & await self._told_of(parent, file, root, told)
                left -= found.count
            rest[root] = found if is_failed else lines - found
        return rest

    async def _told_of(self, parent: Batch, file: FileState, root: int, told: DigestList) -> LineSet:
        """Which of the lines of a tile are told of."""
        tile = await self._lines.tile(file, root)
        try:
            indexes = await self._deriver.indexes(tile)
        except NotFound as error:
            raise no_input_of(file.file.id, retry_of=parent.id) from error
        except ValueError as error:
            logger.exception("the lines of a tile are not told apart", extra={"batch_id": parent.id})
            raise _unknown(parent) from error
        return await self._runtime.in_executor(_told_in, tile.shard.lines, indexes, told)

    async def _rows(self, parent: Batch) -> RowIds:
        """All rows of one kind, those of requests that have succeeded or those of all others.

        The smaller file is read first, and mostly no other. Raises `RequestError` where neither can be read.
        """
        rows = RowIds()
        error: RequestError = _unknown(parent)
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
            if len(rows.failed) == undone_lines(parent) or len(rows.completed) == _succeeded(parent):
                return rows
        raise error

    async def _result_files(self, parent: Batch) -> list[FileState]:
        """Those that are still there, the smaller one first."""
        ids = (parent.error_file_id, parent.output_file_id)
        found = [await self._runtime.storage.get_file(id_) for id_ in ids if id_ is not None]
        now = self._runtime.now()
        there = [state for state in found if state is not None and state.file.is_visible(now)]
        return sorted(there, key=lambda state: state.file.bytes)

    async def _shard(
        self, batch: Batch, file: FileState, tile: Shard, lines: LineSet, known: Collection[Shard]
    ) -> Shard:
        """What a job of the new batch is to run of a tile."""
        if lines.count == tile.lines:
            return tile
        for shard in known:
            if lines_of(shard, tile) == lines:  # counted already
                return await self._deriver.numbered(replace(shard, batch_id=batch.id))
        return await self._deriver.shard(batch.id, file, tile, lines)


def undone_lines(batch: Batch) -> int:
    """How many lines of an ended batch have not succeeded, whatever has become of them."""
    return batch.counts.total - _succeeded(batch)


def _succeeded(batch: Batch) -> int:
    """Those of which it has rows: what a provider tells of a batch that left nothing does not count."""
    is_empty = batch.output_file_id is None and batch.error_file_id is None
    return 0 if is_empty else batch.counts.completed


def _union(tile: Shard, shards: Iterable[Shard]) -> LineSet:
    lines = LineSet.of(tile.lines, ())
    for shard in shards:
        lines |= lines_of(shard, tile)
    return lines


def _told_in(size: int, indexes: Mapping[bytes, int], told: DigestList) -> LineSet:
    return LineSet.of(size, (indexes[digest] for digest in told if digest in indexes))


def _unknown(parent: Batch) -> Conflict:
    return Conflict(
        f"Which requests of {parent.id} have succeeded cannot be told any more: it takes its output or its "
        "error file, and neither can be read. Upload what is to run again for a new batch.",
        code="results_unavailable",
    )
