"""Owners take turns when due jobs and copies are claimed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import anyio

from litebatch_asgi.models import Job, JobState, Work
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import StorageTests, stored_batch, stored_file, stored_job
from litebatch_asgi.testing.conformance.claims import ago
from litebatch_asgi.testing.samples import a_batch, a_copy, a_file, a_job


async def job_of(storage: Storage, owner: str, **fields: Any) -> Job:
    """A job of a batch of that owner."""
    batch = a_batch(a_file(owner=owner))
    job = a_job(batch, **fields)
    await stored_batch(storage, job, batch=batch)
    return job


async def claimed(
    storage: Storage,
    room: int,
    *,
    deployment: str | None = "east",
    work: Work = Work.PLACE,
    avoid: Collection[str] = (),
) -> list[str]:
    """The owners of the jobs that one claim gives, those longest due first."""
    jobs = await storage.claims.claim_jobs(
        "worker",
        lease_seconds=60,
        room={deployment: room},
        work=work,
        avoid={deployment: avoid},
    )
    return [job.owner for job in jobs]


class TurnTests(StorageTests):
    """Owners take turns when due jobs and copies are claimed."""

    async def test_one_owner_with_much_does_not_keep_others_waiting(self, storage: Storage) -> None:
        """The longest due of each, then the second of each, however long those of one have been due."""
        for seconds in range(100, 106):
            await job_of(storage, "a", next_check_at=ago(seconds))
        for owner, seconds in (("b", 3), ("b", 2), ("c", 1)):
            await job_of(storage, owner, next_check_at=ago(seconds))
        assert await claimed(storage, 5) == ["a", "a", "b", "b", "c"]
        assert await claimed(storage, 5) == ["a"] * 4

    async def test_in_one_turn_the_longest_due_goes_first(self, storage: Storage) -> None:
        """Where there is no room for the whole turn."""
        for owner, seconds in (("a", 1), ("b", 4), ("b", 5), ("c", 3), ("", 2)):
            await job_of(storage, owner, next_check_at=ago(seconds))
        assert await claimed(storage, 2) == ["b", "c"]
        assert await claimed(storage, 3) == ["b", "", "a"]

    async def test_what_is_claimed_or_not_due_takes_no_turn(self, storage: Storage) -> None:
        """Of an owner that has nothing else there is nothing to claim."""
        await job_of(storage, "a", next_check_at=ago(9), claimed_by="other", claimed_until=ago(-60))
        await job_of(storage, "a", next_check_at=ago(-60))
        await job_of(storage, "a", next_check_at=None)
        await job_of(storage, "b", next_check_at=ago(1))
        await job_of(storage, "c", next_check_at=ago(2), claimed_by="other", claimed_until=ago(1))
        assert await claimed(storage, 9) == ["c", "b"]

    async def test_turns_are_of_one_deployment(self, storage: Storage) -> None:
        """What an owner has elsewhere counts there; jobs without a deployment are as those of one."""
        for deployment in ("east", None):
            for owner, seconds in (("a", 9), ("a", 8), ("b", 1)):
                await job_of(storage, owner, deployment_id=deployment, next_check_at=ago(seconds))
        assert await claimed(storage, 2) == ["a", "b"]
        assert await claimed(storage, 2, deployment=None) == ["a", "b"]

    async def test_each_kind_of_work_is_claimed_apart(self, storage: Storage) -> None:
        """The jobs with which that is to be done, and no others."""
        jobs = [await job_of(storage, state, state=state, next_check_at=ago(1)) for state in JobState]
        for work in Work:
            assert set(await claimed(storage, 99, work=work)) == {
                job.owner for job in jobs if job.work is work
            }

    async def test_owners_can_be_passed_over(self, storage: Storage) -> None:
        """At the deployment that is named with them, and nowhere else."""
        for owner, seconds in (("a", 3), ("b", 2), ("c'\"", 1)):
            await job_of(storage, owner, next_check_at=ago(seconds))
            await job_of(storage, owner, next_check_at=ago(seconds), deployment_id="west")
        assert await claimed(storage, 9, avoid=["a", "c'\"", "unknown"]) == ["b"]
        assert await claimed(storage, 9, avoid=["a", "c'\""]) == []
        jobs = await storage.claims.claim_jobs(
            "worker", lease_seconds=60, room={"west": 9}, work=Work.PLACE, avoid={"east": ["a"], None: ["b"]}
        )
        assert [job.owner for job in jobs] == ["a", "b", "c'\""]
        assert await claimed(storage, 9) == ["a", "c'\""]

    async def test_copies_are_claimed_in_turns_as_well(self, storage: Storage) -> None:
        """By the owners of their files, some of which can be passed over."""
        for owner, seconds in (("a", 9), ("a", 8), ("a", 7), ("b", 2), ("c", 1)):
            file = a_file(owner=owner)
            await stored_file(storage, a_copy(file, next_check_at=ago(seconds)), file=file)
        copies = await storage.claims.claim_copies(
            "worker", lease_seconds=60, room={"east": 2}, avoid={"east": {"b"}}
        )
        assert [copy.owner for copy in copies] == ["a", "c"]
        copies = await storage.claims.claim_copies("worker", lease_seconds=60, room={"east": 2})
        assert [copy.owner for copy in copies] == ["a", "b"]

    async def test_claims_at_once_find_what_others_have_left(self, storages: Sequence[Storage]) -> None:
        """Whoever looks at the same moment for the same number gets the rows behind."""
        for _ in range(2 * len(storages)):
            await stored_job(storages[0])
        found: list[Job] = []

        async def claim(storage: Storage) -> None:
            while jobs := await storage.claims.claim_jobs(
                "worker", lease_seconds=60, room={"east": 1}, work=Work.PLACE
            ):
                found.extend(jobs)

        async with anyio.create_task_group() as tasks:
            for storage in storages:
                tasks.start_soon(claim, storage)
        found += await storages[0].claims.claim_jobs(
            "last", lease_seconds=60, room={"east": 99}, work=Work.PLACE
        )
        assert len({job.id for job in found}) == len(found) == 2 * len(storages)
