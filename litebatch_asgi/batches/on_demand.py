"""Copies on demand: a shard that is nowhere yet, or only where there is no room, gets a copy elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from litebatch_asgi.batches.lines import JobLines
from litebatch_asgi.batches.targets import Tries, open_deployments, ranked
from litebatch_asgi.files.on_demand import ensure_copy
from litebatch_asgi.fleet import JobLimits
from litebatch_asgi.models import CopyState, FileCopy, FileState, Job, JobState, Shard
from litebatch_asgi.rescue import GONE, lineage, used_deployments
from litebatch_asgi.runtime import Runtime

_USELESS = frozenset({CopyState.DELETED})
_ON_THEIR_WAY = frozenset({CopyState.INTENT, CopyState.PENDING})
_TRIES = {CopyState.INTENT: 2, CopyState.PENDING: 8}
"""uploads to one deployment that fail, and looks at a copy that it cannot use yet, minutes in all, before
another one is to have a copy as well"""


class CopiesOnDemand:
    """Has copies of shards brought to where their jobs can run."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def keep_away(self, tries: Tries, job: Job, jobs: tuple[Job, ...], shard: Shard) -> Tries:
        """The same, without the deployments that a job may not go to.

        These are for what was handed on those that ran its lines before, and those that were gone and come
        back, while it may still run there.
        """
        used = frozenset(_come_back(jobs, job))
        if not shard.is_tile:
            used |= used_deployments(each for each in lineage(jobs, job) if each.shard != job.shard)
        return tries.away_from(used)

    def is_too_large(self, shard: Shard, model: str, tries: Tries) -> bool:
        """Whether a shard is more than any deployment takes in one job that it may go to."""
        served = self._runtime.fleet.deployments_for(model).keys() - tries.left
        return bool(served) and self._too_small(shard, model) >= served

    def without_too_small(self, tries: Tries, shard: Shard, model: str) -> Tries:
        """The same, without the deployments that do not take so much in one job."""
        return tries.away_from(self._too_small(shard, model))

    def _too_small(self, shard: Shard, model: str) -> frozenset[str]:
        fleet = self._runtime.fleet
        return frozenset(
            where for where in fleet.deployments_for(model) if not _holds(fleet.job_limits(where), shard)
        )

    def can_run_nowhere(self, file: FileState, model: str, tries: Tries) -> bool:
        """Whether each deployment that the lines may go to, now or later, in any process, cannot take them.

        `file` has the copies of the shard alone.
        """
        failed = {copy.deployment_id for copy in file.copies if copy.state is CopyState.FAILED}
        if not failed or len(failed) < len(file.copies):
            return False
        return not self._runtime.presence.serving(model) - failed - tries.left

    async def bring(self, file: FileState, lines: JobLines, model: str, tries: Tries, *, seed: str) -> bool:
        """Have a copy brought to the best deployment that has none; whether one is on its way now.

        One whose uploads fail, or that cannot use them, is not waited for while there is another deployment.
        `file` has the copies of the shard alone. Raises `StateConflict` if it is gone.
        """
        fleet, now = self._runtime.fleet, self._runtime.now()
        known = {copy.deployment_id: copy for copy in file.copies if copy.state not in _USELESS}
        served = open_deployments(self._runtime, model, tries)
        resting = {where for where in served if fleet.cooldown_left(where)}
        there = [known[where] for where in known.keys() & served.keys() - resting]
        coming = [copy for copy in there if copy.state in _ON_THEIR_WAY]
        if not all(map(_may_never_come, coming)):
            return True
        ids = tries.first([where for where in served if where not in known and where not in resting], now)
        if not ids:
            return bool(coming)
        best = await ranked(
            self._runtime, {where: served[where] for where in ids}, requests=lines.shard.lines, seed=seed
        )
        await ensure_copy(self._runtime, lines.file, lines.shard, best[0], now)
        return True


def _may_never_come(copy: FileCopy) -> bool:
    """Whether a copy on its way may take for ever: its deployment does not take it, or does not answer.

    Or it has it, and does not say that it can use it.
    """
    is_amiss = copy.error is not None or copy.state is CopyState.PENDING
    return is_amiss and copy.attempts >= _TRIES[copy.state]


def _come_back(jobs: Iterable[Job], job: Job) -> Iterator[str]:
    """Where an attempt at a job's lines was given up because nobody served the deployment any more."""
    for each in jobs:
        is_watched = each.shard == job.shard and each.state is JobState.WATCHED and each.reason == GONE
        if is_watched and each.deployment_id is not None:
            yield each.deployment_id


def _holds(limits: JobLimits, shard: Shard) -> bool:
    """Whether one job may have so much.

    Tokens are an estimate: a line alone goes all the same, for nothing makes less of it.
    """
    return (
        shard.lines <= (limits.requests or shard.lines)
        and shard.bytes <= (limits.bytes or shard.bytes)
        and (shard.lines == 1 or shard.tokens <= (limits.tokens or shard.tokens))
    )
