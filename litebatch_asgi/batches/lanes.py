"""Lanes: whether a job runs as a batch of a provider, or request by request.

Where a model has both, a job goes to a native deployment first. A live one takes it over once no native one
has taken it for `overflow_after_seconds`; where its batch is to be through sooner than providers promise; and
as a rescuer of what others have left undone.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from litebatch_asgi.batches.targets import Tries, open_deployments
from litebatch_asgi.canary import is_rest
from litebatch_asgi.models import Batch, Job, Settings, Shard
from litebatch_asgi.rescue import CANARY
from litebatch_asgi.runtime import Runtime

NATIVE_WINDOW = timedelta(hours=24)
"""what providers promise for their batches"""


class Lanes:
    """Keeps jobs to the lanes that are for them."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def apply(
        self,
        tries: Tries,
        batch: Batch,
        shard: Shard,
        job: Job | None = None,
        jobs: Collection[Job] = (),
    ) -> Tries:
        """The tries of a job of a shard, as `in_lane` says; `jobs` are all of its batch.

        None: it is about the first job of a new batch. A canary is for live deployments alone.
        """
        runtime = self._runtime
        served = open_deployments(runtime, batch.model, tries)
        live = frozenset(filter(runtime.fleet.is_live, served))
        native = served.keys() - live
        if job is not None and job.reason == CANARY:
            return tries.closed_to(native)
        is_new = shard.is_tile or (job is not None and is_rest(job, jobs))
        return in_lane(
            tries, batch, shard, runtime.settings, runtime.now(), native=native, live=live, is_new=is_new
        )


def in_lane(
    tries: Tries,
    batch: Batch,
    shard: Shard,
    settings: Settings,
    now: datetime,
    *,
    native: Collection[str],
    live: Collection[str],
    is_new: bool,
) -> Tries:
    """The same, without the deployments whose lane a job may not take, or not yet. Pure: `now` is passed.

    Args:
        shard: what the job runs.
        native: ids of the deployments that take batches and that the job may go to.
        live: those of the others.
        is_new: whether nothing of it was at a deployment before, and it is not a retry.

    """
    if not live:
        return tries
    if batch.expires_at - batch.created_at < NATIVE_WINDOW:
        return tries.closed_to(native)
    if not native:
        return tries
    if not is_new:
        is_soon = batch.expires_at - now < (batch.expires_at - batch.created_at) / 2
        is_few = shard.lines < settings.min_retry_rows
        return tries.preferring(live if is_soon or is_few else native)
    if settings.overflow_after_seconds is None:
        return tries.closed_to(live)
    begins = batch.created_at + timedelta(seconds=settings.overflow_after_seconds)
    for where in live:
        tries = tries.not_before(where, max(begins, tries.again_at.get(where, begins)))
    return tries.preferring(native)
