"""What every step of a job's life needs: the runtime, and one way to write what has happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.lifecycle import batch_change, held, move
from litebatch_asgi.models import Batch, BatchChange, BatchState, Job, JobState
from litebatch_asgi.runtime import Runtime


class JobWork:
    """Base of the steps: each takes a claimed job and writes what became of it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def write(
        self,
        claimed: Job,
        state: JobState,
        *,
        follow: Callable[[Job], Job] | None = None,
        batch: Callable[[Batch], Batch] | None = None,
        **changes: Any,
    ) -> BatchState:
        """Move a claimed job and fold its batch, in one transaction.

        `follow` makes the job that comes after it, `batch` changes the batch beforehand. Raises
        `StateConflict` if the claim is no longer ours.
        """
        now = self.runtime.now()

        def decide(current: BatchState) -> BatchChange:
            job = hurried(move(held(current, claimed), state, **changes), current.batch, now)
            new_jobs = (follow(job),) if follow is not None else ()
            changed = batch(current.batch) if batch is not None else None
            lease = self.runtime.settings.lease_seconds
            return batch_change(
                current, now, jobs=(job,), new_jobs=new_jobs, batch=changed, lease_seconds=lease
            )

        return await self.runtime.storage.change_batch(claimed.batch_id, decide)

    async def look_again(self, claimed: Job, *, no_later_than: datetime | None = None) -> None:
        """Give the job back, to be looked at after a while; longer each time there is no news."""
        now = self.runtime.now()
        due = self.runtime.next_look(now, claimed.deployment_id, claimed.checks)
        if no_later_than is not None:
            due = max(now, min(due, no_later_than))
        await self.write(claimed, claimed.state, next_check_at=due, checks=claimed.checks + 1)

    def claim_fields(self, now: datetime) -> dict[str, Any]:
        """What a row says while we hold it: due again as soon as our lease has run out."""
        return {"claimed_by": self.runtime.worker, "next_check_at": now}

    def log_fields(self, job: Job, **more: Any) -> dict[str, Any]:
        """Fields for the log that tell which job is meant."""
        fields = {"batch_id": job.batch_id, "job_id": job.id, "deployment": job.deployment_id}
        return fields | more


def hurried(job: Job, batch: Batch, now: datetime) -> Job:
    """The job, due at once if its batch is to be cancelled and its provider does not know yet."""
    if job.state is JobState.SUBMITTED and batch.cancel_requested_at and job.cancel_sent_at is None:
        return replace(job, next_check_at=now)
    return job


def newest(state: BatchState, shard: int) -> Job:
    """The newest attempt of a shard."""
    return max((job for job in state.jobs if job.shard == shard), key=lambda job: job.attempt)
