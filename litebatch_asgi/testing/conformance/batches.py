"""Batches, their creation, and what is read of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import InvalidRequest, StateConflict
from litebatch_asgi.models import (
    BatchChange,
    BatchError,
    BatchOptions,
    BatchState,
    BatchStatus,
    Counts,
    DeploymentWait,
    FileState,
    JobState,
    Outcome,
    ProviderBatch,
    ShortRead,
    Usage,
    WaitingFor,
)
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import (
    StorageTests,
    file_state_of,
    state_of,
    stored_batch,
    stored_file,
    writing,
)
from litebatch_asgi.testing.samples import a_batch, a_copy, a_file, a_job, an_event

LATER = datetime.now(UTC).replace(microsecond=123_456) + timedelta(days=30)


class BatchTests(StorageTests):
    """Batches, their creation, and what is read of them."""

    async def test_a_batch_comes_back_as_it_was_written(self, storage: Storage) -> None:
        """Every field, at the edges of what it may hold."""
        batch = a_batch(
            a_file(),
            metadata={"naïve \u2028": 'a "b"', "": ""},
            output_expires_after=2_592_000,
            status=BatchStatus.CANCELLING,
            in_progress_at=LATER,
            finalizing_at=LATER,
            completed_at=LATER,
            failed_at=LATER,
            expired_at=LATER,
            cancelling_at=LATER,
            cancelled_at=LATER,
            counts=Counts(total=3, completed=2, failed=1),
            usage=Usage(input_tokens=2**40, cached_tokens=1, output_tokens=2, total_tokens=2**41),
            errors=(BatchError(code="invalid_json_line", line=7, message="no", param=None),),
            output_file_id="file-lb-out",
            error_file_id="file-lb-err",
            cancel_requested_at=LATER,
            looked_at=LATER,
            request_fingerprint="ab" * 16,
            answered_at=LATER,
            deployment_id="east",
            waiting_for=WaitingFor(
                reason="deployments_busy",
                until=LATER,
                deployments={"naïve": DeploymentWait(reason="busy", status=429, until=LATER)},
            ),
            traceparent=f"00-{'1' * 32}-{'2' * 16}-01",
            options=BatchOptions(rescue=False, row_retries=0, at_expiry="stop"),
            retry_of="batch_lb-earlier",
        )
        await stored_batch(storage, batch=batch)
        assert await storage.get_batch(batch.id) == batch

    async def test_a_job_comes_back_as_it_was_written(self, storage: Storage) -> None:
        """Every field, the provider's word among them."""
        batch = a_batch(a_file())
        job = a_job(
            batch,
            shard=2,
            root=1,
            attempt=3,
            requests=50_000,
            tokens=2**40,
            deployment_id=None,
            provider_file_id="file-1",
            submit_started_at=LATER,
            state=JobState.WATCHED,
            provider_batch_id="batch_1",
            snapshot=ProviderBatch(
                id="batch_1",
                status=BatchStatus.IN_PROGRESS,
                created_at=LATER,
                counts=Counts(total=1),
                errors=(BatchError(message="naïve"),),
                metadata={"litebatch_job": "job"},
            ),
            reason="timed out",
            search_until=LATER,
            cancel_sent_at=LATER,
            reads=(ShortRead(at=LATER, seen="ab"),),
            ended_at=LATER + timedelta(seconds=3),
            next_check_at=None,
            checks=4,
            progress_at=LATER,
            looked_since=LATER + timedelta(seconds=1),
            late_from=LATER + timedelta(seconds=2),
            stop_requested_at=LATER,
            stop_reason="naïve",
            may_hand_on=True,
            outcome=Outcome(
                counts=Counts(total=2**40, completed=1),
                usage=Usage(input_tokens=2**40),
                cancelled=1,
                expired=2,
                handed_on=3,
                executed=4,
            ),
            errors=(BatchError(code="invalid_json_line", line=7, message="no", param="body"),),
            claimed_by="worker",
            claimed_until=LATER,
            epoch=9,
        )
        await stored_batch(storage, job, batch=batch)
        assert (await state_of(storage, batch)).jobs == (job,)

    async def test_what_was_asked_for_may_be_nothing(self, storage: Storage) -> None:
        """Options that leave everything to the settings, and none at all, are kept apart."""
        for options in (BatchOptions(), None):
            batch = await stored_batch(storage, options=options)
            assert await storage.get_batch(batch.id) == batch

    async def test_a_job_is_stopped_and_settled_by_changes(self, storage: Storage) -> None:
        """What is written of that later is kept too."""
        batch = await stored_batch(storage)
        job = (await state_of(storage, batch)).jobs[0]
        stopped = replace(job, stop_requested_at=LATER, stop_reason="late")
        settled = replace(
            stopped,
            state=JobState.SETTLED,
            may_hand_on=True,
            outcome=Outcome(counts=Counts(total=2, completed=2)),
            errors=(BatchError(message="no"),),
        )
        for each in (stopped, settled):
            after = await storage.change_batch(batch.id, writing(jobs=(each,)))
            assert after.jobs == (each,)
            assert await state_of(storage, batch) == after

    async def test_unknown_batches_are_none(self, storage: Storage) -> None:
        """No error: the caller says what it means."""
        assert await storage.get_batch("batch_lb-unknown") is None
        assert await storage.get_batch_state("batch_lb-unknown") is None

    async def test_a_batch_may_have_no_jobs(self, storage: Storage) -> None:
        """Its state has none then."""
        file = await stored_file(storage)
        batch = a_batch(file)
        await storage.create_batch(file.id, lambda _: BatchChange(batch=batch))
        assert await storage.get_batch_state(batch.id) == BatchState(batch=batch, jobs=())

    async def test_jobs_are_in_order_of_shard_and_attempt(self, storage: Storage) -> None:
        """Whatever order they were written in; those of other batches are not among them."""
        batch = a_batch(a_file())
        places = [(1, 2), (0, 10), (0, 2), (10, 1), (1, 1)]
        jobs = [a_job(batch, shard=shard, attempt=attempt) for shard, attempt in places]
        await stored_batch(storage)
        await stored_batch(storage, *jobs, batch=batch)
        found = (await state_of(storage, batch)).jobs
        assert [(job.shard, job.attempt) for job in found] == sorted(places)

    async def test_creating_sees_the_file_and_returns_what_it_wrote(self, storage: Storage) -> None:
        """The file with copies and open batches; batch, jobs and events are there afterwards."""
        file = await stored_file(storage, a_copy(a_file()))
        await stored_batch(storage, batch=a_batch(file))
        batch = a_batch(file)
        jobs = (a_job(batch, shard=1), a_job(batch, shard=0))
        event = an_event(batch, payload={"nested": [{"naïve": None}]})
        before = await file_state_of(storage, file)
        seen: list[FileState] = []

        def admit(state: FileState) -> BatchChange:
            seen.append(state)
            return BatchChange(batch=batch, new_jobs=jobs, events=(event,))

        created = await storage.create_batch(file.id, admit)
        assert seen == [before]
        assert created == BatchState(batch=batch, jobs=(jobs[1], jobs[0]))
        assert await storage.get_batch_state(batch.id) == created
        assert await storage.list_events() == [event]
        assert (await file_state_of(storage, file)).open_batches == 2

    async def test_a_batch_on_a_file_that_is_not_there_conflicts(self, storage: Storage) -> None:
        """Nobody is asked whether to admit it."""
        with pytest.raises(StateConflict):
            await storage.create_batch("file-lb-unknown", lambda _: pytest.fail("was called"))

    async def test_what_an_admission_raises_passes_through(self, storage: Storage) -> None:
        """And nothing was created."""
        file = await stored_file(storage)

        def refuse(state: FileState) -> BatchChange:
            raise InvalidRequest("no")

        with pytest.raises(InvalidRequest):
            await storage.create_batch(file.id, refuse)
        assert (await file_state_of(storage, file)).open_batches == 0

    async def test_a_batch_that_is_there_is_not_created_again(self, storage: Storage) -> None:
        """The second one conflicts and changes nothing, nor does it leave jobs or events."""
        batch = await stored_batch(storage)
        before = await state_of(storage, batch)
        again = BatchChange(
            batch=a_batch(a_file(), id=batch.id), new_jobs=(a_job(batch, shard=5),), events=(an_event(batch),)
        )
        with pytest.raises(StateConflict):
            await storage.create_batch(batch.input_file_id, lambda _: again)
        assert await state_of(storage, batch) == before
        assert await storage.list_events() == []

    async def test_a_job_that_is_there_is_not_created_again(self, storage: Storage) -> None:
        """Then the batch is not there either."""
        taken = (await state_of(storage, await stored_batch(storage))).jobs[0]
        file = await stored_file(storage)
        batch = a_batch(file)
        with pytest.raises(StateConflict):
            await storage.create_batch(
                file.id, lambda _: BatchChange(batch=batch, new_jobs=(a_job(batch, id=taken.id),))
            )
        assert await storage.get_batch(batch.id) is None

    async def test_events_are_listed_in_order_of_their_ids(self, storage: Storage) -> None:
        """Those behind `after`, at most `limit`, whatever order they were written in."""
        batch = await stored_batch(storage)
        events = [an_event(batch, id=f"evt_{number:03}") for number in (3, 1, 5, 2, 4)]
        await storage.change_batch(batch.id, writing(events=tuple(events)))
        events = [replace(event, seq=seq) for seq, event in enumerate(events, start=1)]
        events.sort(key=lambda event: event.id)
        assert await storage.list_events() == events
        assert await storage.list_events(limit=2) == events[:2]
        assert await storage.list_events(after="evt_002", limit=2) == events[2:4]
        assert await storage.list_events(after="evt_005") == []

    async def test_open_requests_are_summed_by_deployment(self, storage: Storage) -> None:
        """Waiting, under way, unclear or running there; ended, unplaced or given up are not."""
        open_states = {JobState.WAITING, JobState.SUBMITTING, JobState.UNCLEAR, JobState.SUBMITTED}
        for number, state in enumerate(JobState):
            deployment = "east" if state in open_states else "west"
            batch = a_batch(a_file())
            jobs = (
                a_job(batch, state=state, deployment_id=deployment, requests=10**number),
                a_job(batch, state=state, deployment_id=None, shard=1),
            )
            await stored_batch(storage, *jobs, batch=batch)
        expected = sum(10**number for number, state in enumerate(JobState) if state in open_states)
        assert await storage.open_requests() == {"east": expected}

    async def test_known_provider_batches_are_those_that_a_job_of_the_deployment_names(
        self, storage: Storage
    ) -> None:
        """In whatever state the job is."""
        for number, state in enumerate(JobState):
            batch = a_batch(a_file())
            there = {"state": state, "provider_batch_id": f"batch-{number}"}
            jobs = (
                a_job(batch, deployment_id="east", **there),
                a_job(batch, deployment_id="west", shard=1, state=state, provider_batch_id="of west"),
                a_job(batch, deployment_id="east", shard=2, state=state),
            )
            await stored_batch(storage, *jobs, batch=batch)
        named = {f"batch-{number}" for number in range(len(JobState))}
        asked = [*named, *named, "of west", "of nobody"]
        assert await storage.known_provider_batches("east", asked) == named
        assert await storage.known_provider_batches("east", ["batch-1"]) == {"batch-1"}
        assert await storage.known_provider_batches("east", []) == frozenset()
        assert await storage.known_provider_batches("north", asked) == frozenset()

    async def test_unanswered_jobs_may_have_made_a_batch_that_nobody_names(self, storage: Storage) -> None:
        """Submitting, unclear or watched, of the deployment, with as many requests and without a batch.

        Or waiting for any deployment, if these are asked for.
        """
        expected, waiting = set[str](), ""
        for state in JobState:
            batch = a_batch(a_file())
            how = {"state": state, "deployment_id": "east", "requests": 7, "next_check_at": batch.created_at}
            job = a_job(batch, **how)
            others = (
                a_job(batch, shard=1, **(how | {"deployment_id": "west"})),
                a_job(batch, shard=2, **(how | {"requests": 8})),
                a_job(batch, shard=3, **how, provider_batch_id="known"),
                a_job(batch, shard=4, **(how | {"deployment_id": None})),
            )
            await stored_batch(storage, job, *others, batch=batch)
            if state in {JobState.SUBMITTING, JobState.UNCLEAR, JobState.WATCHED}:
                expected.add(job.id)
            if state is JobState.WAITING:
                waiting = others[3].id
        batch = a_batch(a_file())
        over = a_job(batch, state=JobState.WATCHED, deployment_id="east", requests=7, next_check_at=None)
        await stored_batch(storage, over, batch=batch)
        assert await storage.unanswered_jobs("east", 7) == expected
        assert await storage.unanswered_jobs("east", 7, with_waiting=True) == {*expected, waiting}
        assert await storage.unanswered_jobs("north", 7) == frozenset()
