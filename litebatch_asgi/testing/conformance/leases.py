"""Renewing claims and giving them back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import BatchChange, Claim, FileKind, JobState, Work
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import (
    StorageTests,
    file_state_of,
    file_writing,
    state_of,
    stored_file,
    stored_job,
    writing,
)
from litebatch_asgi.testing.conformance.claims import ROOM, ago, claimed_later
from litebatch_asgi.testing.samples import a_batch, a_copy, a_file, a_job

LEASE = timedelta(seconds=60)


class Moments:
    """The database's time before and after something."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def __aenter__(self) -> Moments:
        self._before = await self._storage.now()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._after = await self._storage.now()

    def are_around(self, moment: datetime | None) -> bool:
        """Whether it lies between them."""
        return moment is not None and self._before <= moment <= self._after


def until(claim: Claim) -> datetime | None:
    """When a lease of `LEASE` began that ends as the claim does."""
    return claim.claimed_until - LEASE if claim.claimed_until is not None else None


class LeaseTests(StorageTests):
    """Renewing claims and giving them back, by the database's clock alone."""

    async def test_the_database_tells_the_time(self, storage: Storage) -> None:
        """Aware, in UTC, and never backwards within one process's reading."""
        now = await storage.now()
        assert now.utcoffset() == timedelta()
        assert abs(now - datetime.now(UTC)) < timedelta(minutes=10)
        assert await storage.now() >= now

    async def test_a_claim_runs_by_the_database_s_clock(self, storage: Storage) -> None:
        """As does its renewal."""
        await stored_job(storage, next_check_at=await storage.now())
        async with Moments(storage) as claiming:
            [job] = await storage.claims.claim_jobs("worker", lease_seconds=60, room=ROOM, work=Work.PLACE)
        assert claiming.are_around(until(job))
        async with Moments(storage) as renewing:
            [renewed] = await storage.claims.renew([job], lease_seconds=60)
        assert renewing.are_around(until(renewed))

    async def test_a_file_s_copies_are_created_claimed(self, storage: Storage) -> None:
        """Those with a holder, for the seconds given from now; others are as they are written."""
        file, fixed = a_file(), datetime(2026, 1, 1, tzinfo=UTC)
        copies = [
            a_copy(file, deployment_id="claimed", claimed_by="worker"),
            a_copy(file, deployment_id="fixed", claimed_by="worker", claimed_until=fixed),
            a_copy(file, deployment_id="free"),
        ]
        async with Moments(storage) as moments:
            await storage.create_file(file, copies, lease_seconds=60)
        written = (await file_state_of(storage, file)).copies
        assert moments.are_around(until(written[0]))
        assert written[1:] == tuple(copies[1:])
        claimed = await storage.claims.claim_copies("other", lease_seconds=60, room={"claimed": 1, "free": 1})
        assert [copy.deployment_id for copy in claimed] == ["free"]

    async def test_without_a_lease_a_holder_alone_claims_nothing(self, storage: Storage) -> None:
        """Rows are written as they are."""
        file = a_file()
        copy = a_copy(file, claimed_by="worker")
        await storage.create_file(file, [copy])
        assert (await file_state_of(storage, file)).copies == (copy,)
        assert len(await storage.claims.claim_copies("other", lease_seconds=60, room={"east": 1})) == 1

    async def test_a_batch_s_first_job_is_created_claimed(self, storage: Storage) -> None:
        """For the seconds that the change says, in the database and in what is returned."""
        file = await stored_file(storage)
        batch = a_batch(file)
        change = BatchChange(batch=batch, new_jobs=(a_job(batch, claimed_by="worker"),), lease_seconds=60)
        async with Moments(storage) as moments:
            state = await storage.create_batch(file.id, lambda _: change)
        assert moments.are_around(until(state.jobs[0]))
        assert await state_of(storage, batch) == state
        assert await storage.claims.claim_jobs("other", lease_seconds=60, room=ROOM, work=Work.PLACE) == []

    async def test_jobs_and_copies_are_written_claimed(self, storage: Storage) -> None:
        """The old ones and the new ones of a change of a batch; the claims of others stay."""
        job = await stored_job(storage)
        [held] = await storage.claims.claim_jobs("worker", lease_seconds=600, room=ROOM, work=Work.PLACE)
        output = a_file(kind=FileKind.OUTPUT)
        mine = replace(held, claimed_until=None)
        attempts = [replace(a_job(a_batch(a_file())), batch_id=job.batch_id, attempt=n) for n in (2, 3)]
        theirs = replace(attempts[1], claimed_by="other", claimed_until=held.claimed_until)
        change = writing(
            jobs=(mine,),
            new_jobs=(replace(attempts[0], claimed_by="worker"), theirs),
            files=(output,),
            copies=(a_copy(output, claimed_by="worker"),),
            lease_seconds=60,
        )
        async with Moments(storage) as moments:
            state = await storage.change_batch(job.batch_id, change)
        assert [moments.are_around(until(each)) for each in state.jobs] == [True, True, False]
        assert state.jobs[2] == theirs
        assert await state_of(storage, job) == state
        assert moments.are_around(until((await file_state_of(storage, output)).copies[0]))

    async def test_a_file_s_copies_are_written_claimed(self, storage: Storage) -> None:
        """As with jobs."""
        file = await stored_file(storage, a_copy(a_file()))
        [held] = await storage.claims.claim_copies("worker", lease_seconds=600, room={"east": 1})
        new = a_copy(file, deployment_id="west", claimed_by="worker")
        change = file_writing(copies=(replace(held, claimed_until=None), new), lease_seconds=60)
        async with Moments(storage) as moments:
            state = await storage.change_file(file.id, change)
        assert all(moments.are_around(until(copy)) for copy in state.copies)
        assert await file_state_of(storage, file) == state

    async def test_a_renewed_claim_runs_from_now(self, storage: Storage) -> None:
        """Longer or shorter than before; epoch and holder stay."""
        await stored_job(storage)
        [job] = await storage.claims.claim_jobs("worker", lease_seconds=600, room=ROOM, work=Work.PLACE)
        for seconds in (6000, 60):
            [renewed] = await storage.claims.renew([job], lease_seconds=seconds)
            assert renewed.claimed_until is not None
            left = renewed.claimed_until - datetime.now(UTC)
            assert abs(left - timedelta(seconds=seconds)) < timedelta(seconds=10)
            assert renewed == replace(job, claimed_until=renewed.claimed_until)
            assert (await state_of(storage, job)).jobs == (renewed,)
        assert await storage.claims.claim_jobs("another", lease_seconds=60, room=ROOM, work=Work.PLACE) == []

    async def test_a_claim_that_is_given_back_is_due_at_once(self, storage: Storage) -> None:
        """With a lease of 0 seconds."""
        await stored_job(storage)
        [job] = await storage.claims.claim_jobs("worker", lease_seconds=600, room=ROOM, work=Work.PLACE)
        assert len(await storage.claims.renew([job], lease_seconds=0)) == 1
        [again] = await storage.claims.claim_jobs("another", lease_seconds=60, room=ROOM, work=Work.PLACE)
        assert (again.id, again.epoch) == (job.id, job.epoch + 1)

    async def test_jobs_and_copies_are_returned_in_the_order_given(self, storage: Storage) -> None:
        """Those that are still held; what is lost or unknown is missing."""
        jobs = [await stored_job(storage) for _ in range(3)]
        for _ in range(2):
            await stored_file(storage, a_copy(a_file()))
        claims = await storage.claims.claim_jobs("worker", lease_seconds=600, room=ROOM, work=Work.PLACE)
        copies = await storage.claims.claim_copies("worker", lease_seconds=600, room={"east": 9})
        lost = replace(claims[1], epoch=claims[1].epoch - 1)
        unknown = a_job(a_batch(a_file()))
        given: list[Claim] = [copies[1], claims[2], lost, unknown, claims[0], copies[0]]
        renewed = await storage.claims.renew(given, lease_seconds=60)
        names = [claim.name for claim in renewed]
        assert names == [copies[1].name, claims[2].name, claims[0].name, copies[0].name]
        assert len(jobs) == len(claims)

    async def test_jobs_are_postponed_and_given_back(self, storage: Storage) -> None:
        """When they are due, from when on that may be brought forward, and how often they were looked at."""
        jobs = [await stored_job(storage) for _ in range(3)]
        claims = await storage.claims.claim_jobs("worker", lease_seconds=600, room=ROOM, work=Work.PLACE)
        when = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
        later = [
            replace(job, next_check_at=when, refresh_from=moment, checks=7, reason="not written")
            for job, moment in zip(claims, (when, None, None), strict=True)
        ]
        lost = replace(later[2], epoch=later[2].epoch - 1)
        await storage.claims.postpone([*later[:2], lost])
        await storage.claims.postpone([])
        states = {state.id: state for job in jobs for state in (await state_of(storage, job)).jobs}
        for job in later[:2]:
            free = replace(job, claimed_by=None, claimed_until=None, reason=None)
            assert states[job.id] == free
        assert states[lost.id] == claims[2]

    async def test_a_job_that_is_to_be_cancelled_is_not_postponed(self, storage: Storage) -> None:
        """Given back it is, and due when its cancellation has said since it was claimed."""
        await stored_job(storage)
        [job] = await storage.claims.claim_jobs("worker", lease_seconds=600, room=ROOM, work=Work.PLACE)
        cancelled = replace(job, to_cancel=True, next_check_at=ago(1))
        await storage.change_batch(job.batch_id, writing(jobs=(cancelled,)))
        when = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
        await storage.claims.postpone([replace(job, next_check_at=when, checks=7)])
        free = replace(cancelled, checks=7, claimed_by=None, claimed_until=None)
        assert (await state_of(storage, job)).jobs == (free,)

    async def test_what_is_not_held_any_more_is_left_alone(self, storage: Storage) -> None:
        """A late renewal takes nothing from whoever holds the row now."""
        await stored_job(storage)
        [late] = await storage.claims.claim_jobs("late", lease_seconds=0.01, room=ROOM, work=Work.PLACE)
        holder = await claimed_later(storage, "holder")
        assert await storage.claims.renew([late], lease_seconds=6000) == []
        assert await storage.claims.renew([late], lease_seconds=0) == []
        assert (await state_of(storage, late)).jobs == (holder,)

    async def test_a_copy_that_is_not_held_any_more_is_left_alone(self, storage: Storage) -> None:
        """As with jobs."""
        file = await stored_file(storage, a_copy(a_file()))
        [held] = await storage.claims.claim_copies("worker", lease_seconds=600, room={"east": 1})
        assert await storage.claims.renew([replace(held, epoch=0)], lease_seconds=0) == []
        assert (await file_state_of(storage, file)).copies == (held,)

    async def test_what_was_written_as_free_is_not_renewed(self, storage: Storage) -> None:
        """Its epoch is the same, but its holder has given it up."""
        await stored_job(storage)
        [held] = await storage.claims.claim_jobs("worker", lease_seconds=600, room=ROOM, work=Work.PLACE)
        free = replace(held, claimed_by=None, claimed_until=None, next_check_at=None)
        await storage.change_batch(held.batch_id, writing(jobs=(free,)))
        assert await storage.claims.renew([held, free], lease_seconds=60) == []
        assert await storage.claims.renew([replace(held, claimed_by="another")], lease_seconds=60) == []
        assert (await state_of(storage, held)).jobs == (free,)

    async def test_renewing_nothing_returns_nothing(self, storage: Storage) -> None:
        """No error."""
        assert await storage.claims.renew([], lease_seconds=60) == []

    async def test_a_write_after_the_claim_was_lost_is_refused(self, storage: Storage) -> None:
        """Whoever comes late cannot write over what the next one does."""
        await stored_job(storage)
        [late] = await storage.claims.claim_jobs("late", lease_seconds=0.01, room=ROOM, work=Work.PLACE)
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
        [held] = await storage.claims.claim_jobs("worker", lease_seconds=600, room=ROOM, work=Work.PLACE)
        free = replace(held, claimed_by=None, claimed_until=None, next_check_at=datetime.now(UTC))
        await storage.change_batch(held.batch_id, writing(jobs=(free,)))
        [again] = await storage.claims.claim_jobs("another", lease_seconds=60, room=ROOM, work=Work.PLACE)
        assert (again.id, again.epoch) == (held.id, held.epoch + 1)
