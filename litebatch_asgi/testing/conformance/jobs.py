"""Jobs as operators see them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.jobs import DeploymentRecord, JobQuery
from litebatch_asgi.models import Batch, Counts, Job, JobState, Outcome
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import StorageTests, state_of, stored_batch, stored_job
from litebatch_asgi.testing.samples import a_batch, a_file, a_job

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
NO_RECORD = DeploymentRecord(
    settled=0,
    refused=0,
    failed=0,
    completed_requests=0,
    failed_requests=0,
    handed_on_requests=0,
    p50_seconds=None,
    p95_seconds=None,
    since=None,
    settled_at=None,
    busy_seconds=0.0,
)


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

    async def ended_job(self, storage: Storage, ended: int, seconds: float | None, **fields: Any) -> None:
        """A settled job at `east`, that ended so many seconds after `NOW`, and was sent so long before."""
        sent = NOW + timedelta(seconds=ended - seconds) if seconds is not None else None
        values: dict[str, Any] = {
            "ended_at": NOW + timedelta(seconds=ended),
            "submit_started_at": sent,
            "state": JobState.SETTLED,
            "next_check_at": None,
        }
        await stored_job(storage, **values | fields)

    async def test_what_is_known_of_a_deployment_is_told(self, storage: Storage) -> None:
        """Of its jobs that have an end; those count whose results are not still to be read."""
        outcome = Outcome(
            counts=Counts(total=90, completed=70, failed=20), cancelled=5, executed=85, handed_on=10
        )
        await self.ended_job(storage, 5, 1.5, outcome=outcome)
        await self.ended_job(storage, 6, 2.5, outcome=replace(outcome, handed_on=0))
        await self.ended_job(storage, 1, None, state=JobState.REFUSED)
        await self.ended_job(storage, 2, 7, state=JobState.REFUSED)
        await self.ended_job(storage, 3, 7, state=JobState.FAILED, outcome=Outcome(counts=Counts(total=5)))
        await self.ended_job(storage, 9, 1, state=JobState.ENDED)
        await self.ended_job(storage, 4, 1, state=JobState.WATCHED)
        await self.ended_job(storage, 4, 1, state=JobState.CLOSED)
        await self.ended_job(storage, 9, 1, ended_at=None)
        await self.ended_job(storage, 9, 1, deployment_id="west")
        found = await storage.jobs.records(["east", "north"], most=100)
        assert found == {
            "east": DeploymentRecord(
                settled=2,
                refused=4,
                failed=1,
                completed_requests=140,
                failed_requests=30,
                handed_on_requests=10,
                p50_seconds=1.5,
                p95_seconds=2.5,
                since=NOW + timedelta(seconds=1),
                settled_at=NOW + timedelta(seconds=6),
                busy_seconds=2.5,
            ),
            "north": NO_RECORD,
        }

    async def test_the_last_jobs_of_a_deployment_count(self, storage: Storage) -> None:
        """By when they ended; how long those took that nobody has cut short."""
        for number in range(20):
            await self.ended_job(storage, 100 - number, number + 1)
        cut_short: list[dict[str, Any]] = [
            {"stop_requested_at": NOW, "stop_reason": "late"},
            {"to_cancel": True},
            {"cancel_sent_at": NOW},
        ]
        for fields in cut_short:
            await self.ended_job(storage, 200, 1000, **fields)
        record = (await storage.jobs.records(["east"], most=23))["east"]
        assert (record.settled, record.p50_seconds, record.p95_seconds) == (23, 10, 19)
        record = (await storage.jobs.records(["east"], most=13))["east"]
        assert (record.settled, record.p50_seconds, record.p95_seconds) == (13, 5, 10)
        assert record.since == NOW + timedelta(seconds=91)
