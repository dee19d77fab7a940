"""Claiming due jobs and copies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
from msgspec.structs import replace

from litebatch_asgi.models import CopyState, FileCopy, Job, JobState, Work
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import (
    StorageTests,
    file_state_of,
    state_of,
    stored_batch,
    stored_file,
    stored_job,
)
from litebatch_asgi.testing.samples import a_batch, a_copy, a_file, a_job

PATIENCE_SECONDS = 20.0
"""How long a test waits for a lease of some milliseconds to run out."""
ROOM: dict[str | None, int] = {"east": 100, "west": 100, None: 100}


def ago(seconds: float) -> datetime:
    """That many seconds before now; negative: in the future."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


async def claimed_later(storage: Storage, worker: str) -> Job:
    """The one job that comes free while we look."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            claimed = await storage.claims.claim_jobs(worker, lease_seconds=60, room=ROOM, work=Work.PLACE)
            if claimed:
                [job] = claimed
                return job
            await anyio.sleep(0.005)


class ClaimTests(StorageTests):
    """Claiming due jobs and copies."""

    async def test_a_claim_is_written_and_returned(self, storage: Storage) -> None:
        """`claimed_by`, `claimed_until` and the next epoch; the rest stays."""
        job = await stored_job(storage, epoch=4, state=JobState.SUBMITTED, next_check_at=ago(5))
        before = datetime.now(UTC)
        [claimed] = await storage.claims.claim_jobs("worker", lease_seconds=60, room=ROOM, work=Work.LOOK)
        after = datetime.now(UTC)
        assert claimed.claimed_until is not None
        lease, clocks = timedelta(seconds=60), timedelta(seconds=5)  # a database may have its own clock
        assert before + lease - clocks <= claimed.claimed_until <= after + lease + clocks
        assert claimed == replace(job, claimed_by="worker", claimed_until=claimed.claimed_until, epoch=5)
        assert (await state_of(storage, job)).jobs == (claimed,)

    async def test_a_copy_is_claimed_by_the_same_rules(self, storage: Storage) -> None:
        """Due ones, longest due first, within the room, and one at a time."""
        places = [("east", 5), ("west", 9), ("east", 7), ("east", 6), ("north", 8), ("east", -60)]
        copies: list[FileCopy] = []
        for deployment, seconds in places:
            copy = a_copy(a_file(), deployment_id=deployment, next_check_at=ago(seconds))
            file = await stored_file(storage, copy)
            copies.append(replace(copy, file_id=file.id))
        room = {"east": 2, "west": 5, "south": 5}
        claimed = await storage.claims.claim_copies("worker", lease_seconds=60, room=room)
        assert [copy.file_id for copy in claimed] == [copies[index].file_id for index in (1, 2, 3)]
        assert {(copy.claimed_by, copy.epoch) for copy in claimed} == {("worker", 1)}
        state = await storage.get_file(claimed[0].file_id)
        assert state is not None
        assert state.copies == (claimed[0],)
        [last] = await storage.claims.claim_copies("another", lease_seconds=60, room=room)
        assert last.file_id == copies[0].file_id

    async def test_copies_of_one_file_are_claimed_apart(self, storage: Storage) -> None:
        """Each copy is a row of its own, in whatever state."""
        sample = a_file()
        copies = [
            a_copy(sample, deployment_id=deployment, shard=shard, state=CopyState.DELETING)
            for deployment in ("east", "west")
            for shard in (0, 1)
        ]
        file = await stored_file(storage, *copies)
        claimed = await storage.claims.claim_copies("worker", lease_seconds=60, room={"west": 1})
        assert [(copy.deployment_id, copy.shard) for copy in claimed] == [("west", 0)]
        epochs = {copy.key[1:]: copy.epoch for copy in (await file_state_of(storage, file)).copies}
        assert epochs == {(0, "east"): 0, (0, "west"): 1, (1, "east"): 0, (1, "west"): 0}

    async def test_only_due_jobs_are_claimed(self, storage: Storage) -> None:
        """Not those whose time is to come, nor those that nobody has to look at."""
        due = await stored_job(storage, next_check_at=ago(0.001))
        await stored_job(storage, next_check_at=ago(-60))
        await stored_job(storage, next_check_at=None)
        claimed = await storage.claims.claim_jobs("worker", lease_seconds=60, room=ROOM, work=Work.PLACE)
        assert [job.id for job in claimed] == [due.id]

    async def test_what_there_is_to_claim_is_told(self, storage: Storage) -> None:
        """By kind of work and deployment; not what is claimed, to come, or at another deployment."""
        await stored_job(storage, next_check_at=ago(2))
        await stored_job(storage, next_check_at=ago(1))
        await stored_job(storage, deployment_id=None, next_check_at=ago(1))
        await stored_job(storage, deployment_id="west", state=JobState.WATCHED, next_check_at=ago(1))
        await stored_job(storage, deployment_id="north", state=JobState.ENDED, next_check_at=ago(1))
        await stored_job(storage, state=JobState.SUBMITTED, next_check_at=ago(-60))
        await stored_job(storage, state=JobState.ENDED, next_check_at=None)
        held = {"claimed_by": "other", "claimed_until": ago(-60)}
        await stored_job(storage, state=JobState.UNCLEAR, next_check_at=ago(1), **held)
        file = a_file()
        copies = [a_copy(file, deployment_id=name, next_check_at=ago(1)) for name in ("west", "north")]
        await stored_file(storage, *copies, file=file)
        east = {(Work.PLACE, None), (Work.PLACE, "east")}
        assert await storage.claims.due([None, "east"]) == east
        west = {(Work.SEARCH, "west"), (None, "west")}
        assert await storage.claims.due(["west", None, "east"]) == east | west
        await storage.claims.claim_jobs("worker", lease_seconds=60, room=ROOM, work=Work.PLACE)
        assert await storage.claims.due(["west", None, "east"]) == west
        assert await storage.claims.due([]) == set()

    async def test_those_longest_due_come_first(self, storage: Storage) -> None:
        """Over all deployments, and when there is no room for all."""
        for seconds in (3, 5, 1, 4, 2):
            deployment = "east" if seconds % 2 else "west"
            await stored_job(storage, checks=seconds, deployment_id=deployment, next_check_at=ago(seconds))
        claimed = await storage.claims.claim_jobs(
            "worker", lease_seconds=60, room={"east": 2, "west": 2}, work=Work.PLACE
        )
        assert [job.checks for job in claimed] == [5, 4, 3, 2]

    async def test_each_deployment_has_its_own_room(self, storage: Storage) -> None:
        """A full one takes nothing away from another; None is the room of jobs without a deployment."""
        for deployment in ("east", "west", None, "north"):
            for seconds in range(1, 4):
                await stored_job(storage, deployment_id=deployment, next_check_at=ago(seconds))
        room: dict[str | None, int] = {"east": 1, "west": 0, None: 2, "unknown": 5}
        claimed = await storage.claims.claim_jobs("worker", lease_seconds=60, room=room, work=Work.PLACE)
        assert sorted(str(job.deployment_id) for job in claimed) == ["None", "None", "east"]
        claimed = await storage.claims.claim_jobs(
            "worker", lease_seconds=60, room={"north": 9, "west": -1}, work=Work.PLACE
        )
        assert [job.deployment_id for job in claimed] == ["north"] * 3
        assert await storage.claims.claim_jobs("worker", lease_seconds=60, room={}, work=Work.PLACE) == []

    async def test_what_is_claimed_is_not_given_out_again(self, storage: Storage) -> None:
        """Neither to another worker nor to the same."""
        await stored_job(storage)
        assert (
            len(await storage.claims.claim_jobs("worker", lease_seconds=60, room=ROOM, work=Work.PLACE)) == 1
        )
        assert await storage.claims.claim_jobs("worker", lease_seconds=60, room=ROOM, work=Work.PLACE) == []
        assert await storage.claims.claim_jobs("another", lease_seconds=60, room=ROOM, work=Work.PLACE) == []

    async def test_what_was_created_claimed_is_not_given_out(self, storage: Storage) -> None:
        """Until that lease is over."""
        await stored_job(storage, claimed_by="creator", claimed_until=ago(-60))
        free = await stored_job(storage, claimed_by="creator", claimed_until=ago(1))
        claimed = await storage.claims.claim_jobs("worker", lease_seconds=60, room=ROOM, work=Work.PLACE)
        assert [job.id for job in claimed] == [free.id]

    async def test_a_lease_runs_out(self, storage: Storage) -> None:
        """Then another worker gets the row, with another epoch."""
        await stored_job(storage)
        [first] = await storage.claims.claim_jobs("first", lease_seconds=0.05, room=ROOM, work=Work.PLACE)
        second = await claimed_later(storage, "second")
        assert (second.id, second.claimed_by, second.epoch) == (first.id, "second", first.epoch + 1)

    async def test_refreshing_brings_forward_what_may_be(self, storage: Storage) -> None:
        """Jobs of these batches whose `refresh_from` has come; never without one, nowhere else."""
        moments = (ago(5), ago(-30), None)
        batch = a_batch(a_file())
        jobs = [
            a_job(batch, shard=shard, next_check_at=ago(-60), refresh_from=moment)
            for shard, moment in enumerate(moments)
        ]
        await stored_batch(storage, *jobs, batch=batch)
        other = await stored_job(storage, next_check_at=ago(-60), refresh_from=ago(5))
        second = await stored_job(storage, next_check_at=ago(-60), refresh_from=ago(5))
        await storage.claims.refresh({batch.id, second.batch_id, "batch_lb-unknown"})
        claimed = await storage.claims.claim_jobs("worker", lease_seconds=60, room=ROOM, work=Work.PLACE)
        assert {job.id for job in claimed} == {jobs[0].id, second.id}
        assert (await state_of(storage, batch)).jobs[1:] == tuple(jobs[1:])
        assert (await state_of(storage, other)).jobs == (other,)

    async def test_refreshing_leaves_alone_what_is_due_or_never_looked_at(self, storage: Storage) -> None:
        """A job that is due already does not lose its place, and one without a next check gets none."""
        due = await stored_job(storage, next_check_at=ago(60), refresh_from=ago(60))
        resting = await stored_job(storage, next_check_at=None, refresh_from=ago(60))
        await storage.claims.refresh([due.batch_id, resting.batch_id])
        await storage.claims.refresh([])
        assert (await state_of(storage, due)).jobs == (due,)
        assert (await state_of(storage, resting)).jobs == (resting,)
