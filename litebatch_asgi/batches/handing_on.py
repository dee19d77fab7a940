"""Handing on: lines that a job has left undone become a shard of their own, with a job that waits."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime

import msgspec

from litebatch_asgi.batches.deriving import Deriver, lines_of
from litebatch_asgi.batches.lines import JobLines, LineReader
from litebatch_asgi.batches.reading import ExactReading
from litebatch_asgi.jsonl import LineSet
from litebatch_asgi.lifecycle import first_attempt
from litebatch_asgi.models import Batch, BatchState, Job, Shard
from litebatch_asgi.rescue import RescueRules, lineage, may_hand_on, rescue_rules, used_deployments
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)


class LinesDiffer(Exception):
    """What is published and what is handed on are not the lines of the shard, each of them once."""


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """What a job leaves to another one, to be written with what it has done."""

    shard: Shard
    job: Job


class HandingOn:
    """Makes shards of what jobs leave undone. Writes nothing."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lines = LineReader(runtime)
        self._deriver = Deriver(runtime)

    def rules(self, batch: Batch, job: Job) -> RescueRules:
        """What is allowed of a batch, and of this job of it."""
        return rescue_rules(self._runtime.settings, batch.options, job)

    def is_allowed(self, job: Job, batch: Batch, jobs: tuple[Job, ...], now: datetime) -> bool:
        """Whether what a job leaves undone may go to another deployment, now or once that has room."""
        return may_hand_on(job, batch, jobs, now, self.rules(batch, job), others=self._serving(batch))

    def left(self, job: Job, state: BatchState) -> frozenset[str]:
        """The deployments that may get what a job leaves undone, as far as its lines were not there."""
        return self._serving(state.batch) - used_deployments(lineage(state.jobs, job)) - {job.deployment_id}

    def others(self, batch: Batch) -> frozenset[str]:
        """The deployments that serve the model of a batch, in any process, and may take something now."""
        fleet = self._runtime.fleet
        return frozenset(where for where in self._serving(batch) if not fleet.cooldown_left(where))

    def _serving(self, batch: Batch) -> frozenset[str]:
        presence = self._runtime.presence
        return presence.serving(batch.model) - presence.drained

    async def rest(self, job: Job, lines: JobLines, exact: ExactReading) -> Rest:
        """The shard of the lines that a job has left undone, and the job that is to run it.

        What is published and the rest are compared with the shard as sets, and what the rest comes to is
        counted from its lines. Raises `LinesDiffer`, and `RequestError` where the input cannot be read now.
        """
        tile = await self._lines.tile(lines.file, job.root)
        try:
            indexes = await self._deriver.indexes(tile)
        except ValueError as error:
            raise LinesDiffer(f"{job.id}: {error}") from error
        undone, published = exact.missing | exact.held_back, exact.published
        rest = await self._runtime.in_executor(_rest_of, tile.shard, lines.shard, indexes, undone, published)
        (left,) = await self._derived(job, tile, (rest,))
        return left

    async def halves(self, job: Job, lines: JobLines) -> tuple[Rest, ...]:
        """The first half of a job's lines, and the second one. Raises `RequestError` as `rest` does."""
        return await self.parted(job, lines, range(lines.shard.lines // 2))

    async def parted(self, job: Job, lines: JobLines, indexes: Iterable[int]) -> tuple[Rest, ...]:
        """These of a job's lines, counted from 0, and then the others, if there are any.

        Raises `RequestError` as `rest` does.
        """
        tile = await self._lines.tile(lines.file, job.root)
        every = lines_of(lines.shard, tile.shard)
        known = list(every)
        first = LineSet.of(tile.shard.lines, (known[index] for index in indexes))
        others = every - first
        return await self._derived(job, tile, (first, others) if others.count else (first,))

    async def _derived(self, job: Job, tile: JobLines, sets: Sequence[LineSet]) -> tuple[Rest, ...]:
        """A shard for each of these sets of a tile's lines, with a job that is to run it."""
        now, derived = self._runtime.now(), list[Rest]()
        for each in sets:
            taken = {rest.shard.shard for rest in derived}
            shard = await self._deriver.shard(
                job.batch_id, tile.file, tile.shard, each, parent=job.shard, taken=taken
            )
            derived.append(
                Rest(shard=shard, job=first_attempt(job.batch_id, job.owner, shard, now, parent=job.shard))
            )
        return tuple(derived)


def _rest_of(
    tile: Shard, shard: Shard, indexes: Mapping[bytes, int], undone: Set[bytes], published: Set[bytes]
) -> LineSet:
    """The lines of a shard that were left undone, by the digests of their custom ids.

    Raises `LinesDiffer` if these and what is published are not its lines, each of them once.
    """
    rest, done = _lines_of(tile, indexes, undone), _lines_of(tile, indexes, published)
    if not rest.is_disjoint(done) or rest | done != lines_of(shard, tile):
        raise LinesDiffer(f"{rest.count} and {done.count} of {shard.lines} lines")
    return rest


def _lines_of(tile: Shard, indexes: Mapping[bytes, int], digests: Set[bytes]) -> LineSet:
    unknown = digests - indexes.keys()
    if unknown or len(indexes) != tile.lines:
        raise LinesDiffer(f"{len(unknown)} digests are of no line of tile {tile.shard}, {len(indexes)} lines")
    return LineSet.of(tile.lines, map(indexes.__getitem__, digests))
