"""Retrying: a batch of those lines of an ended one that have not succeeded."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import anyio
import msgspec
from msgspec.structs import replace

from litebatch_asgi.batches.deriving import Deriver, lines_of
from litebatch_asgi.batches.drafting import Draft, Drafts, no_input_of
from litebatch_asgi.batches.lines import LineReader
from litebatch_asgi.batches.retry_rows import (
    ResultRows,
    Told,
    named_lines,
    no_such_lines,
    succeeded_lines,
    undone_lines,
    unknown_results,
)
from litebatch_asgi.costs import InputShare
from litebatch_asgi.errors import Conflict, NotFound
from litebatch_asgi.failpoints import hit
from litebatch_asgi.jsonl import DigestList, LineSet
from litebatch_asgi.models import Batch, Counts, FileState, Principal, Shard
from litebatch_asgi.models.limits import check_requests
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.wire import RETRY_OF, CreateBatch, LineChoice

logger: logging.Logger = logging.getLogger(__name__)

READ_AT_ONCE = 4
"""results and inputs that a process compares at a time: each takes some 25 MB for 100,000 lines a tile"""


class Retry(NamedTuple):
    """What a retry is to run."""

    parent: Batch
    """which has ended"""
    choice: LineChoice | None = None
    """which of its lines that have not succeeded; None: all of them"""

    @property
    def parameters(self) -> tuple[object, ...]:
        """What makes two requests for retries the same, beside what their batches are to be."""
        if self.choice is None:
            return (self.parent.id,)
        errors = [msgspec.to_builtins(error) for error in self.choice.errors]
        return self.parent.id, sorted(digest.hex() for digest in named_lines(self.choice)), errors


class Retries:
    """Drafts batches of lines that have not succeeded; writes nothing but the numbers of new shards."""

    def __init__(self, runtime: Runtime, drafts: Drafts) -> None:
        self._runtime = runtime
        self._drafts = drafts
        self._lines = LineReader(runtime)
        self._rows = ResultRows(runtime)
        self._deriver = Deriver(runtime)
        self._room = anyio.Semaphore(READ_AT_ONCE)

    async def draft(self, principal: Principal, asked: CreateBatch, batch_id: str, retry: Retry) -> Draft:
        """A batch of lines that have not succeeded.

        A tile all of whose lines are to run is run as it is, for it has its copies. Raises what a create
        raises, `InvalidRequest` for chosen lines that cannot run again, and `Conflict` where nothing is left
        to run, or it cannot be told or read any more.
        """
        parent, undone = retry.parent, undone_lines(retry.parent)
        if not undone:
            raise Conflict(f"All requests of {parent.id} have succeeded: there is nothing to run again.")
        try:
            draft = await self._drafts.draft(principal, asked, batch_id)
        except NotFound as error:
            raise no_input_of(parent.input_file_id, retry_of=parent.id) from error
        if retry.choice is None:
            check_requests(principal.limits, undone)  # before anything large is read
        known = await self._known(parent, draft.file)
        rest = await self._lines_of(retry, draft.file, known)
        count = sum(lines.count for lines in rest.values())
        check_requests(principal.limits, count)
        batch = replace(
            draft.batch,
            retry_of=parent.id,
            metadata={**(draft.batch.metadata or {}), RETRY_OF: parent.id},
            counts=Counts(total=count),
        )
        shards = await self._shards(batch, draft.file, rest, known)
        tokens = sum(shard.tokens for shard in shards)
        found = InputShare.of(draft.file.file, lines=count, tokens=tokens)
        hit("retry.derived")
        return Draft(batch, draft.file, shards, found)

    async def _lines_of(
        self, retry: Retry, file: FileState, known: Mapping[int, list[Shard]]
    ) -> Mapping[int, LineSet]:
        """Which lines of each tile are to run."""
        parent, choice = retry
        every = {tile.shard: _union(tile, known[tile.shard]) for tile in file.tiles if tile.shard in known}
        rest: Mapping[int, LineSet] = every
        expected = undone_lines(parent)
        if choice is not None or succeeded_lines(parent):
            async with self._room:
                told = await self._rows.told(parent, choice)
                rest = await self._rest(parent, file, every, told)
                expected = expected if choice is None else len(told.digests)
        count = sum(lines.count for lines in rest.values())
        if count == expected:
            return rest
        if choice is not None and not choice.errors:
            raise no_such_lines(parent, expected - count)
        told_of = {"batch_id": parent.id, "undone": undone_lines(parent), "expected": expected}
        logger.error("lines that have not succeeded are not as many as was counted", extra=told_of)
        raise unknown_results(parent)

    async def _shards(
        self,
        batch: Batch,
        file: FileState,
        rest: Mapping[int, LineSet],
        known: Mapping[int, list[Shard]],
    ) -> tuple[Shard, ...]:
        """What the jobs of the new batch are to run, in the order in which its jobs are read."""
        shards: dict[int, Shard] = {}
        try:
            for root, lines in rest.items():
                if lines.count:
                    shard = await self._shard(
                        batch, file, file.tiles[root], lines, known[root], shards.keys()
                    )
                    shards[shard.shard] = shard
        except NotFound as error:
            raise no_input_of(batch.input_file_id, retry_of=batch.retry_of) from error
        return tuple(shards[number] for number in sorted(shards))

    async def _known(self, parent: Batch, file: FileState) -> Mapping[int, list[Shard]]:
        """What the jobs of a batch have run, by tile. Their lines together are those of the batch."""
        state = await self._runtime.storage.get_batch_state(parent.id)
        jobs = state.jobs if state is not None else ()
        derived = {shard.shard: shard for shard in await self._runtime.storage.shards.of_batch(parent.id)}
        known: dict[int, list[Shard]] = {}
        for number in dict.fromkeys(job.shard for job in jobs):
            shard = file.tile(number) or derived.get(number)
            if shard is None:
                raise unknown_results(parent)
            known.setdefault(shard.root, []).append(shard)
        return known

    async def _rest(
        self, parent: Batch, file: FileState, every: Mapping[int, LineSet], told: Told
    ) -> Mapping[int, LineSet]:
        """Which of the lines of each tile are to run."""
        left, rest = len(told.digests), dict[int, LineSet]()
        for root, lines in every.items():
            found = LineSet.of(lines.size, ())
            if left:
                found = lines & await self._told_of(parent, file, root, told.digests)
                left -= found.count
            rest[root] = found if told.are_to_run else lines - found
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
            raise unknown_results(parent) from error
        return await self._runtime.in_executor(_told_in, tile.shard.lines, indexes, told)

    async def _shard(
        self,
        batch: Batch,
        file: FileState,
        tile: Shard,
        lines: LineSet,
        known: Collection[Shard],
        taken: Collection[int],
    ) -> Shard:
        """What a job of the new batch is to run of a tile. `taken`: the numbers of its other shards."""
        if lines.count == tile.lines:
            return tile
        for shard in known:
            if lines_of(shard, tile) == lines:  # counted already
                return await self._deriver.numbered(replace(shard, batch_id=batch.id), taken=taken)
        return await self._deriver.shard(batch.id, file, tile, lines, taken=taken)


def _union(tile: Shard, shards: Iterable[Shard]) -> LineSet:
    lines = LineSet.of(tile.lines, ())
    for shard in shards:
        lines |= lines_of(shard, tile)
    return lines


def _told_in(size: int, indexes: Mapping[bytes, int], told: DigestList) -> LineSet:
    return LineSet.of(size, (indexes[digest] for digest in told if digest in indexes))
