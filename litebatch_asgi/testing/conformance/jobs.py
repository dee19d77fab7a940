"""Jobs as operators see them."""

from __future__ import annotations

from msgspec.structs import replace

from litebatch_asgi.jobs import JobQuery
from litebatch_asgi.models import Batch, Job, JobState
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import StorageTests, state_of, stored_batch
from litebatch_asgi.testing.samples import a_batch, a_file, a_job


async def listed(storage: Storage, limit: int = 100, **query: object) -> list[str]:
    """The ids of the jobs that a query lists."""
    asked = replace(JobQuery(limit=limit), **query)
    return [job.id for job in await storage.jobs.list(asked)]


async def two_batches(storage: Storage) -> tuple[Batch, Batch]:
    """An older batch with jobs a1 to a4, of which a3 and a4 have ended, and a newer one with b1 and b2."""
    older, newer = a_batch(a_file()), a_batch(a_file())
    ended = {"state": JobState.SETTLED, "next_check_at": None}
    running = {"state": JobState.SUBMITTED}
    jobs = (
        a_job(older, id="a1", shard=0, deployment_id="east", **running),
        a_job(older, id="a2", shard=1, deployment_id=None),
        a_job(older, id="a3", shard=2, deployment_id="east", **ended),
        a_job(older, id="a4", shard=3, deployment_id="west", **ended),
    )
    await stored_batch(storage, *jobs, batch=older)
    others = (
        a_job(newer, id="b1", shard=0, deployment_id="west", **running),
        a_job(newer, id="b2", shard=1, deployment_id="east", state=JobState.UNCLEAR),
    )
    await stored_batch(storage, *others, batch=newer)
    return older, newer


class JobTests(StorageTests):
    """Jobs as operators see them."""

    async def test_a_job_is_found_by_its_id(self, storage: Storage) -> None:
        """As it is in its batch's state; one that is not there is None."""
        older, _ = await two_batches(storage)
        found: list[Job | None] = [await storage.jobs.get(f"a{number}") for number in (1, 2, 3, 4)]
        assert found == list((await state_of(storage, older)).jobs)
        assert await storage.jobs.get("job_lb-unknown") is None

    async def test_open_jobs_of_all_batches_are_listed(self, storage: Storage) -> None:
        """In order of their ids, descending: those that somebody has to look at again."""
        assert await listed(storage) == []
        await two_batches(storage)
        assert await listed(storage) == ["b2", "b1", "a2", "a1"]

    async def test_all_jobs_of_a_batch_are_listed(self, storage: Storage) -> None:
        """Ended ones as well; of an unknown batch none."""
        older, newer = await two_batches(storage)
        assert await listed(storage, batch_id=older.id) == ["a4", "a3", "a2", "a1"]
        assert await listed(storage, batch_id=newer.id) == ["b2", "b1"]
        assert await listed(storage, batch_id="batch_lb-unknown") == []

    async def test_jobs_are_listed_by_deployment_and_state(self, storage: Storage) -> None:
        """Of all batches as of one; what several filters say holds together."""
        older, _ = await two_batches(storage)
        assert await listed(storage, deployment_id="east") == ["b2", "a1"]
        assert await listed(storage, deployment_id="north") == []
        going = frozenset({JobState.WAITING, JobState.SUBMITTED})
        assert await listed(storage, states=going) == ["b1", "a2", "a1"]
        assert await listed(storage, states=going, deployment_id="west") == ["b1"]
        assert await listed(storage, batch_id=older.id, deployment_id="east") == ["a3", "a1"]
        assert await listed(storage, batch_id=older.id, states=going) == ["a2", "a1"]
        assert await listed(storage, states=frozenset({JobState.SETTLED})) == []

    async def test_jobs_are_listed_page_by_page(self, storage: Storage) -> None:
        """At most so many, those behind a job's id, with every filter."""
        older, _ = await two_batches(storage)
        assert await listed(storage, limit=3) == ["b2", "b1", "a2"]
        assert await listed(storage, limit=3, after="a2") == ["a1"]
        assert await listed(storage, after="b2", deployment_id="east") == ["a1"]
        assert await listed(storage, limit=2, after="a4", batch_id=older.id) == ["a3", "a2"]
        settled = frozenset({JobState.SETTLED})
        assert await listed(storage, after="a4", batch_id=older.id, states=settled) == ["a3"]

    async def test_listed_jobs_come_whole(self, storage: Storage) -> None:
        """As they were written."""
        job = a_job(batch := a_batch(a_file()), tokens=2**40)
        await stored_batch(storage, job, batch=batch)
        assert await storage.jobs.list(JobQuery(limit=9)) == [job]
        assert await storage.jobs.list(JobQuery(limit=9, batch_id=batch.id)) == [job]
