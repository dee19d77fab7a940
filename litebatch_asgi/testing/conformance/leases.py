"""Renewing claims and giving them back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import FileCopy, Job, JobState
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import (
    StorageTests,
    file_state_of,
    state_of,
    stored_file,
    stored_job,
    writing,
)
from litebatch_asgi.testing.conformance.claims import ROOM, claimed_later
from litebatch_asgi.testing.samples import a_batch, a_copy, a_file, a_job


class LeaseTests(StorageTests):
    """Renewing claims and giving them back."""

    async def test_a_renewed_claim_runs_from_now(self, storage: Storage) -> None:
        """Longer or shorter than before; epoch and holder stay."""
        await stored_job(storage)
        [job] = await storage.claim_jobs("worker", lease_seconds=600, room=ROOM)
        for seconds in (6000, 60):
            [renewed] = await storage.renew([job], lease_seconds=seconds)
            assert renewed.claimed_until is not None
            left = renewed.claimed_until - datetime.now(UTC)
            assert abs(left - timedelta(seconds=seconds)) < timedelta(seconds=10)
            assert renewed == replace(job, claimed_until=renewed.claimed_until)
            assert (await state_of(storage, job)).jobs == (renewed,)
        assert await storage.claim_jobs("another", lease_seconds=60, room=ROOM) == []

    async def test_a_claim_that_is_given_back_is_due_at_once(self, storage: Storage) -> None:
        """With a lease of 0 seconds."""
        await stored_job(storage)
        [job] = await storage.claim_jobs("worker", lease_seconds=600, room=ROOM)
        assert len(await storage.renew([job], lease_seconds=0)) == 1
        [again] = await storage.claim_jobs("another", lease_seconds=60, room=ROOM)
        assert (again.id, again.epoch) == (job.id, job.epoch + 1)

    async def test_jobs_and_copies_are_returned_in_the_order_given(self, storage: Storage) -> None:
        """Those that are still held; what is lost or unknown is missing."""
        jobs = [await stored_job(storage) for _ in range(3)]
        for _ in range(2):
            await stored_file(storage, a_copy(a_file()))
        claims = await storage.claim_jobs("worker", lease_seconds=600, room=ROOM)
        copies = await storage.claim_copies("worker", lease_seconds=600, room={"east": 9})
        lost = replace(claims[1], epoch=claims[1].epoch - 1)
        unknown = a_job(a_batch(a_file()))
        given: list[Job | FileCopy] = [copies[1], claims[2], lost, unknown, claims[0], copies[0]]
        renewed = await storage.renew(given, lease_seconds=60)
        keys = [claim.id if isinstance(claim, Job) else claim.key for claim in renewed]
        assert keys == [copies[1].key, claims[2].id, claims[0].id, copies[0].key]
        assert len(jobs) == len(claims)

    async def test_what_is_not_held_any_more_is_left_alone(self, storage: Storage) -> None:
        """A late renewal takes nothing from whoever holds the row now."""
        await stored_job(storage)
        [late] = await storage.claim_jobs("late", lease_seconds=0.01, room=ROOM)
        holder = await claimed_later(storage, "holder")
        assert await storage.renew([late], lease_seconds=6000) == []
        assert await storage.renew([late], lease_seconds=0) == []
        assert (await state_of(storage, late)).jobs == (holder,)

    async def test_a_copy_that_is_not_held_any_more_is_left_alone(self, storage: Storage) -> None:
        """As with jobs."""
        file = await stored_file(storage, a_copy(a_file()))
        [held] = await storage.claim_copies("worker", lease_seconds=600, room={"east": 1})
        assert await storage.renew([replace(held, epoch=0)], lease_seconds=0) == []
        assert (await file_state_of(storage, file)).copies == (held,)

    async def test_what_was_written_as_free_is_not_renewed(self, storage: Storage) -> None:
        """Its epoch is the same, but its holder has given it up."""
        await stored_job(storage)
        [held] = await storage.claim_jobs("worker", lease_seconds=600, room=ROOM)
        free = replace(held, claimed_by=None, claimed_until=None, next_check_at=None)
        await storage.change_batch(held.batch_id, writing(jobs=(free,)))
        assert await storage.renew([held, free], lease_seconds=60) == []
        assert await storage.renew([replace(held, claimed_by="another")], lease_seconds=60) == []
        assert (await state_of(storage, held)).jobs == (free,)

    async def test_renewing_nothing_returns_nothing(self, storage: Storage) -> None:
        """No error."""
        assert await storage.renew([], lease_seconds=60) == []

    async def test_a_write_after_the_claim_was_lost_is_refused(self, storage: Storage) -> None:
        """Whoever comes late cannot write over what the next one does."""
        await stored_job(storage)
        [late] = await storage.claim_jobs("late", lease_seconds=0.01, room=ROOM)
        holder = await claimed_later(storage, "holder")
        with pytest.raises(StateConflict):
            await storage.change_batch(
                late.batch_id, writing(jobs=(replace(late, state=JobState.SUBMITTED),))
            )
        await storage.change_batch(late.batch_id, writing(jobs=(replace(holder, state=JobState.SUBMITTED),)))
        [job] = (await state_of(storage, late)).jobs
        assert (job.state, job.claimed_by) == (JobState.SUBMITTED, "holder")

    async def test_a_job_that_was_written_as_free_is_claimed_again(self, storage: Storage) -> None:
        """The row is as it was written: without a claim, and due when it says."""
        await stored_job(storage)
        [held] = await storage.claim_jobs("worker", lease_seconds=600, room=ROOM)
        free = replace(held, claimed_by=None, claimed_until=None, next_check_at=datetime.now(UTC))
        await storage.change_batch(held.batch_id, writing(jobs=(free,)))
        [again] = await storage.claim_jobs("another", lease_seconds=60, room=ROOM)
        assert (again.id, again.epoch) == (held.id, held.epoch + 1)
