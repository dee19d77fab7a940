"""Handing on: lines that a job has left undone become a shard of their own, with a job that waits."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence, Set
from contextlib import aclosing
from datetime import datetime

import msgspec
from msgspec.structs import replace

from litebatch_asgi.batches.lines import JobLines, LineReader
from litebatch_asgi.batches.reading import ExactReading
from litebatch_asgi.jsonl import LineIds, LineSelector, LineSet, Selected
from litebatch_asgi.models import Batch, FileChange, FileState, Job, Shard
from litebatch_asgi.models.ids import job_id
from litebatch_asgi.rescue import RescueRules, may_hand_on, rescue_rules
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)


class LinesDiffer(Exception):
    """What is published and what is handed on are not the lines of the shard, each of them once."""


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """What a job leaves to another one, to be written with what it has done."""

    shard: Shard
    job: Job


class HandingOn:
    """Makes shards of what jobs leave undone. Writes nothing but the number that a new shard takes."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lines = LineReader(runtime)

    def rules(self, batch: Batch) -> RescueRules:
        """What is allowed of a batch."""
        return rescue_rules(self._runtime.settings, batch.options)

    def is_allowed(self, job: Job, batch: Batch, jobs: tuple[Job, ...], now: datetime) -> bool:
        """Whether what a job leaves undone may go to another deployment."""
        others = self.others(batch)
        return may_hand_on(job, batch, jobs, now, self.rules(batch), others=others)

    def others(self, batch: Batch) -> frozenset[str]:
        """The deployments that serve the model of a batch, for whichever process, and may take something now."""
        fleet, presence = self._runtime.fleet, self._runtime.presence
        served = presence.serving(batch.model) - presence.drained
        return frozenset(where for where in served if not fleet.cooldown_left(where))

    async def rest(self, job: Job, lines: JobLines, exact: ExactReading) -> Rest:
        """The shard of the lines that a job has left undone, and the job that is to run it.

        What is published and the rest are compared with the shard as sets, and what the rest comes to is
        counted from its lines. Raises `LinesDiffer`, and `RequestError` where the input cannot be read now.
        """
        tile = await self._lines.tile(lines.file, job.root)
        indexes = await self._indexes(tile)
        rest = _lines_of(tile.shard, indexes, exact.missing | exact.held_back)
        published = _lines_of(tile.shard, indexes, exact.published)
        if not rest.is_disjoint(published) or rest | published != lines_of(lines.shard, tile.shard):
            raise LinesDiffer(f"{job.id}: {rest.count} and {published.count} of {lines.shard.lines} lines")
        (left,) = await self._derived(job, tile, (rest,))
        return left

    async def halves(self, job: Job, lines: JobLines) -> tuple[Rest, ...]:
        """The first half of a job's lines, and the second one. Raises `RequestError` as `rest` does."""
        tile = await self._lines.tile(lines.file, job.root)
        indexes = list(lines_of(lines.shard, tile.shard))
        middle = len(indexes) // 2
        size = tile.shard.lines
        halves = (LineSet.of(size, indexes[:middle]), LineSet.of(size, indexes[middle:]))
        return await self._derived(job, tile, halves)

    async def _derived(self, job: Job, tile: JobLines, sets: Sequence[LineSet]) -> tuple[Rest, ...]:
        """A shard for each of these sets of a tile's lines, with a job that is to run it."""
        now, derived = self._runtime.now(), list[Rest]()
        for each in sets:
            selected = await self._select(tile, each)
            number = await self._number(tile.file)
            shard = _shard(job, tile.shard, each, selected, number)
            derived.append(Rest(shard=shard, job=_job(job, shard, now)))
        return tuple(derived)

    async def _indexes(self, tile: JobLines) -> Mapping[bytes, int]:
        ids = LineIds()
        async with aclosing(tile.blocks()) as blocks:
            async for block in blocks:
                await self._runtime.in_executor(ids.feed, block)
        return ids.finish()

    async def _select(self, tile: JobLines, rest: LineSet) -> Selected:
        selector = LineSelector(rest)
        async with aclosing(tile.blocks()) as blocks:
            async for block in blocks:
                await self._runtime.in_executor(selector.feed, block)
        selector.finish()
        return selector.selected()

    async def _number(self, file: FileState) -> int:
        """A number for a new shard, which nobody else gets."""
        number = 0

        def take(current: FileState) -> FileChange:
            nonlocal number
            number = max(current.file.next_shard, len(current.shards))
            return FileChange(file=replace(current.file, next_shard=number + 1))

        await self._runtime.storage.change_file(file.file.id, take)
        return number


def lines_of(shard: Shard, tile: Shard) -> LineSet:
    """Which requests of its tile a shard has."""
    return LineSet(tile.lines, shard.lines_of_root) if shard.lines_of_root else LineSet.all(tile.lines)


def _lines_of(tile: Shard, indexes: Mapping[bytes, int], digests: Set[bytes]) -> LineSet:
    unknown = digests - indexes.keys()
    if unknown or len(indexes) != tile.lines:
        raise LinesDiffer(f"{len(unknown)} digests are of no line of tile {tile.shard}, {len(indexes)} lines")
    return LineSet.of(tile.lines, map(indexes.__getitem__, digests))


def _shard(job: Job, tile: Shard, rest: LineSet, selected: Selected, number: int) -> Shard:
    return Shard(
        file_id=tile.file_id,
        shard=number,
        batch_id=job.batch_id,
        root=tile.shard,
        start=tile.start,
        bytes=selected.bytes,
        first_line=tile.first_line,
        lines=selected.lines,
        id_count=selected.id_count,
        id_sum=selected.id_sum,
        tokens=selected.tokens,
        sha256=selected.sha256,
        lines_of_root=rest.to_bytes(),
    )


def _job(before: Job, shard: Shard, now: datetime) -> Job:
    return Job(
        id=job_id(before.batch_id, shard.shard, 1),
        batch_id=before.batch_id,
        owner=before.owner,
        shard=shard.shard,
        root=shard.root,
        requests=shard.lines,
        tokens=shard.tokens,
        created_at=now,
        next_check_at=now,
        refresh_from=now,
    )
