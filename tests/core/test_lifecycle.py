"""Folding and moving, as tables."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.fold import current_jobs, fold
from litebatch_asgi.lifecycle import (
    TRANSITIONS,
    batch_change,
    held,
    move,
    next_attempt,
    poll_delay,
)
from litebatch_asgi.models import (
    Batch,
    BatchState,
    BatchStatus,
    Counts,
    Job,
    JobState,
    Outcome,
    ProviderBatch,
    WaitingFor,
)
from litebatch_asgi.models.ids import attempt_of, job_family, job_id

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
BATCH = Batch(
    id="batch_lb1",
    owner="o",
    created_by=None,
    input_file_id="file-lb1",
    endpoint="/v1/chat/completions",
    completion_window="24h",
    model="m",
    created_at=NOW,
    expires_at=NOW + timedelta(hours=24),
)


def a_job(
    state: JobState, status: BatchStatus | None = None, *, attempt: int = 1, counts: Counts | None = None
) -> Job:
    snapshot = ProviderBatch(id="p", status=status, counts=counts) if status else None
    outcome = Outcome(
        counts=Counts(total=10, failed=10),
        cancelled=10 if status is BatchStatus.CANCELLED else 0,
        expired=10 if status is BatchStatus.EXPIRED else 0,
    )
    return Job(
        id=f"job_{attempt}",
        batch_id=BATCH.id,
        owner=BATCH.owner,
        attempt=attempt,
        requests=10,
        state=state,
        snapshot=snapshot,
        outcome=outcome if state is JobState.SETTLED else None,
        created_at=NOW,
    )


@pytest.mark.parametrize(
    ("state", "told", "status"),
    [
        (JobState.WAITING, None, "validating"),
        (JobState.SUBMITTING, None, "validating"),
        (JobState.UNCLEAR, None, "validating"),
        (JobState.SUBMITTED, "validating", "validating"),
        (JobState.SUBMITTED, "in_progress", "in_progress"),
        (JobState.SUBMITTED, "finalizing", "finalizing"),
        (JobState.SUBMITTED, "cancelling", "in_progress"),
        (JobState.ENDED, "completed", "finalizing"),
        (JobState.ENDED, "cancelled", "finalizing"),
        (JobState.SETTLED, "completed", "completed"),
        (JobState.SETTLED, "expired", "expired"),
        (JobState.SETTLED, "cancelled", "cancelled"),
        (JobState.FAILED, None, "failed"),
        (JobState.WITHDRAWN, None, "expired"),
    ],
)
def test_a_batch_is_what_its_job_makes_it(state: JobState, told: str | None, status: str) -> None:
    job = a_job(state, BatchStatus(told) if told else None)
    assert fold(BATCH, [job], LATER).status == status


@pytest.mark.parametrize(
    ("state", "told", "status"),
    [
        (JobState.WAITING, None, "cancelling"),
        (JobState.UNCLEAR, None, "cancelling"),
        (JobState.SUBMITTED, "in_progress", "cancelling"),
        (JobState.ENDED, "completed", "cancelling"),
        (JobState.SETTLED, "completed", "completed"),
        (JobState.SETTLED, "cancelled", "cancelled"),
        (JobState.WITHDRAWN, None, "cancelled"),
    ],
)
def test_a_cancelled_batch_is_cancelling_until_its_job_has_ended(
    state: JobState, told: str | None, status: str
) -> None:
    batch = replace(BATCH, cancel_requested_at=NOW)
    job = a_job(state, BatchStatus(told) if told else None)
    assert fold(batch, [job], LATER).status == status


@pytest.mark.parametrize(
    ("state", "told", "checks", "reason"),
    [
        (JobState.WAITING, None, 3, "deployments_busy"),
        (JobState.SUBMITTING, None, 0, "deployments_busy"),
        (JobState.UNCLEAR, None, 0, "answer_unclear"),
        (JobState.SUBMITTED, BatchStatus.IN_PROGRESS, 9, None),
        (JobState.ENDED, BatchStatus.COMPLETED, 0, None),
        (JobState.ENDED, BatchStatus.COMPLETED, 1, "results_incomplete"),
        (JobState.SETTLED, BatchStatus.COMPLETED, 1, None),
        (JobState.WITHDRAWN, None, 0, None),
    ],
)
def test_a_batch_waits_for_what_its_job_waits_for(
    state: JobState, told: BatchStatus | None, checks: int, reason: str | None
) -> None:
    """A call that is being made is not the end of waiting: it may be refused again."""
    waiting = replace(BATCH, waiting_for=WaitingFor(reason="deployments_busy"), deployment_id="old")
    job = replace(a_job(state, told), checks=checks, deployment_id="east", search_until=NOW)
    folded = fold(waiting, [job], NOW)
    assert (folded.waiting_for.reason if folded.waiting_for else None) == reason
    assert folded.deployment_id == "east"
    change = batch_change(BatchState(batch=waiting, jobs=(job,)), NOW, waiting_for=WaitingFor(reason="moon"))
    assert (change.batch.waiting_for is None) == change.batch.status.is_final


def test_the_batch_follows_its_newest_attempt() -> None:
    jobs = [a_job(JobState.REFUSED), a_job(JobState.WATCHED, attempt=2), a_job(JobState.WAITING, attempt=3)]
    assert current_jobs(jobs) == [jobs[2]]
    assert fold(BATCH, jobs, LATER).status is BatchStatus.VALIDATING


def test_completing_at_once_sets_the_times_of_what_was_skipped() -> None:
    batch = fold(BATCH, [a_job(JobState.SETTLED, BatchStatus.COMPLETED)], LATER)
    assert batch.in_progress_at == batch.finalizing_at == batch.completed_at == LATER


def test_the_providers_times_are_taken_unless_they_cannot_be_true() -> None:
    told = ProviderBatch(
        id="p",
        status=BatchStatus.IN_PROGRESS,
        in_progress_at=NOW + timedelta(seconds=3),
    )
    job = replace(a_job(JobState.SUBMITTED), snapshot=told)
    assert fold(BATCH, [job], LATER).in_progress_at == NOW + timedelta(seconds=3)
    early = replace(job, snapshot=replace(told, in_progress_at=NOW - timedelta(hours=1)))
    assert fold(BATCH, [early], LATER).in_progress_at == NOW


def test_running_counts_never_pass_the_total() -> None:
    job = a_job(JobState.SUBMITTED, BatchStatus.IN_PROGRESS, counts=Counts(total=99, completed=8, failed=77))
    assert fold(BATCH, [job], LATER).counts == Counts(total=10, completed=8, failed=2)


steps = st.lists(
    st.sampled_from(
        [
            (JobState.WAITING, None),
            (JobState.UNCLEAR, None),
            *((JobState.SUBMITTED, status) for status in BatchStatus if not status.is_final),
            (JobState.ENDED, BatchStatus.COMPLETED),
            (JobState.SETTLED, BatchStatus.COMPLETED),
            (JobState.SETTLED, BatchStatus.CANCELLED),
            (JobState.FAILED, None),
        ]
    )
)
ORDER = ["validating", "in_progress", "finalizing", "completed"]


@given(steps)
def test_a_status_never_goes_back(told: list[tuple[JobState, BatchStatus | None]]) -> None:
    seen = [BATCH]
    for state, status in told:
        seen.append(fold(seen[-1], [a_job(state, status)], LATER))
    for before, after in pairwise(seen):
        if before.status.is_final:
            assert after == before
        elif after.status in ORDER:
            assert ORDER.index(before.status) <= ORDER.index(after.status)


@pytest.mark.parametrize("state", list(JobState))
def test_a_job_moves_only_as_the_table_says(state: JobState) -> None:
    for target in JobState:
        if target is state or target in TRANSITIONS[state]:
            assert move(a_job(state), target, due=None).state is target
        else:
            with pytest.raises(StateConflict):
                move(a_job(state), target, due=None)


def test_moving_gives_the_claim_back() -> None:
    job = replace(a_job(JobState.WAITING), claimed_by="w", claimed_until=LATER, next_check_at=NOW)
    moved = move(job, JobState.SUBMITTING, due=None)
    assert (moved.claimed_by, moved.claimed_until, moved.next_check_at) == (None, None, None)


def test_a_claim_that_somebody_else_has_taken_is_a_conflict() -> None:
    job = a_job(JobState.WAITING)
    state = BatchState(batch=BATCH, jobs=(replace(job, epoch=2),))
    with pytest.raises(StateConflict):
        held(state, replace(job, epoch=1))
    assert held(state, replace(job, epoch=2)).epoch == 2


def test_a_change_of_status_is_an_event() -> None:
    state = BatchState(batch=BATCH, jobs=(a_job(JobState.SUBMITTING),))
    running = move(
        state.jobs[0],
        JobState.SUBMITTED,
        due=LATER,
        snapshot=ProviderBatch(id="p", status=BatchStatus.IN_PROGRESS),
    )
    written = batch_change(state, LATER, jobs=(running,))
    assert [event.type for event in written.events] == ["job.placed", "batch.in_progress"]
    again = batch_change(BatchState(batch=written.batch, jobs=(running,)), LATER, jobs=(running,))
    assert again.events == ()


def test_the_next_attempt_is_another_job_of_the_same_shard() -> None:
    following = next_attempt(replace(a_job(JobState.REFUSED), deployment_id="d"), LATER, due=LATER)
    assert (following.attempt, following.shard, following.requests) == (2, 0, 10)
    assert following.deployment_id is None
    assert following.state is JobState.WAITING


def test_polls_come_further_apart_but_within_bounds() -> None:
    delays = [poll_delay(n, floor=5, ceiling=60, chance=0) for n in range(20)]
    assert delays[0] == 5
    assert delays == sorted(delays)
    assert delays[-1] == 60
    assert poll_delay(3, floor=60, ceiling=10, chance=1) == 66


@given(st.integers(0, 99), st.integers(1, 9999))
def test_the_id_of_a_job_says_which_attempt_it_is(shard: int, attempt: int) -> None:
    family = job_family(BATCH.id, shard)
    assert attempt_of(job_id(BATCH.id, shard, attempt), family) == attempt
    assert attempt_of(job_id(BATCH.id, shard + 1, attempt), family) is None
    assert attempt_of(family, family) is None


tellings = st.tuples(
    st.sampled_from("pq"),
    st.none() | st.builds(Counts, completed=st.integers(0, 9), failed=st.integers(0, 9)),
)


@given(told=st.lists(tellings, min_size=1, max_size=6))
def test_a_jobs_snapshot_keeps_the_highest_counts_of_its_providers_batch(
    told: list[tuple[str, Counts | None]],
) -> None:
    job = a_job(JobState.SUBMITTED)
    for batch_id, counts in told:
        snapshot = ProviderBatch(id=batch_id, status=BatchStatus.IN_PROGRESS, counts=counts)
        job = move(job, JobState.SUBMITTED, due=None, snapshot=snapshot)
    assert job.snapshot is not None
    same = list(takewhile(lambda each: each[0] == told[-1][0], reversed(told)))
    highest = max((counts.done for _, counts in same if counts is not None), default=None)
    assert (job.snapshot.counts.done if job.snapshot.counts is not None else None) == highest


def test_a_job_knows_when_its_deployment_had_done_with_it() -> None:
    """From the first word on: a later one, or settling it, changes nothing. Waiting jobs had none."""
    running = replace(a_job(JobState.SUBMITTED, BatchStatus.IN_PROGRESS), deployment_id="east", ended_at=None)
    state = BatchState(batch=BATCH, jobs=(running,))
    for reached in (JobState.ENDED, JobState.REFUSED, JobState.FAILED, JobState.WATCHED):
        [there] = batch_change(state, NOW, jobs=(move(running, reached, due=None),)).jobs
        assert there.ended_at == NOW, reached
        [still] = batch_change(replace(state, jobs=(there,)), LATER, jobs=(there,)).jobs
        assert still.ended_at == NOW, reached
    for other in (JobState.UNCLEAR, JobState.SETTLED):
        [there] = batch_change(state, NOW, jobs=(move(running, other, due=None),)).jobs
        assert there.ended_at is None, other
    waiting = replace(a_job(JobState.WAITING), deployment_id=None)
    refused = move(waiting, JobState.FAILED, due=None)
    [there] = batch_change(BatchState(batch=BATCH, jobs=(waiting,)), NOW, jobs=(refused,)).jobs
    assert there.ended_at is None
