"""Halving: a shard that no deployment takes as it is becomes two, which may be."""

from __future__ import annotations

import logging
from enum import Enum, auto
from typing import Any

from litebatch_asgi.batches.handing_on import HandingOn
from litebatch_asgi.batches.lines import JobLines, LineReader
from litebatch_asgi.batches.work import JobWork
from litebatch_asgi.errors import NotFound, RequestError
from litebatch_asgi.failpoints import hit
from litebatch_asgi.models import BatchState, Counts, Job, JobState, Outcome
from litebatch_asgi.rescue import HALVED
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

MOST_PIECES = 256
"""of a tile: it is halved eight times in a row at most"""


class Halving(Enum):
    """What became of cutting a shard in two."""

    DONE = auto()
    """two jobs are in the place of the one"""
    IMPOSSIBLE = auto()
    """it is too small for that, or is nowhere any more"""
    LATER = auto()
    """it cannot be read now"""


class Halver(JobWork):
    """Cuts shards in two."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._handing_on = HandingOn(runtime)
        self._lines = LineReader(runtime)

    async def halve(self, job: Job, lines: JobLines) -> Halving:
        """Put two jobs in the place of one that ran nothing. Why it cannot be read is logged."""
        tile = await self._lines.tile(lines.file, job.root)
        if lines.shard.lines <= max(1, tile.shard.lines // MOST_PIECES):
            return Halving.IMPOSSIBLE
        try:
            halves = await self._handing_on.halves(job, lines)
        except RequestError as error:
            logger.warning("a shard cannot be halved", extra=self.log_fields(job, error=error.message))
            return Halving.IMPOSSIBLE if isinstance(error, NotFound) else Halving.LATER
        hit("handon.halved")

        new = {
            "new_shards": tuple(half.shard for half in halves),
            "new_jobs": tuple(half.job for half in halves),
        }

        def more(*_: BatchState | Job | None) -> dict[str, Any]:
            return dict(new)

        outcome = Outcome(counts=Counts(), handed_on=lines.shard.lines)
        await self.write(job, JobState.SETTLED, due=None, reason=HALVED, outcome=outcome, more=more)
        logger.warning("a shard is halved", extra=self.log_fields(job, lines=lines.shard.lines))
        self.runtime.wake()
        return Halving.DONE
