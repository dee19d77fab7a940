"""When a job is late, whether its lines may be handed on, and which."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import (
    Batch,
    BatchOptions,
    BatchStatus,
    Counts,
    Job,
    JobState,
    ProviderBatch,
    Settings,
)
from litebatch_asgi.rescue import (
    HALVED,
    NOTHING,
    HandOn,
    RescueRules,
    hand_on_fates,
    is_late,
    is_watched_without_gaps,
    late_from,
    lineage,
    look_fields,
    look_gap_seconds,
    may_hand_on,
    may_stay_unwritten,
    rescue_rules,
    rescues_made,
    used_deployments,
    wants_stop,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RULES = RescueRules()
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
REQUESTS = 1000
GAP = 360.0
OTHERS = frozenset({"east", "west", "north", "south", "spare"})


def at(hours: float) -> datetime:
    """So many hours after the batch was made."""
    return NOW + timedelta(hours=hours)


def a_job(**changes: Any) -> Job:
    values: dict[str, Any] = {
        "id": "job_1",
        "batch_id": BATCH.id,
        "owner": BATCH.owner,
        "requests": REQUESTS,
        "state": JobState.SUBMITTED,
        "deployment_id": "east",
        "submit_started_at": NOW,
        "created_at": NOW,
        "looked_since": NOW,
    }
    return Job(**(values | changes))


def seen(done: int | None, status: BatchStatus = BatchStatus.IN_PROGRESS, **more: Any) -> ProviderBatch:
    """What a provider shows of a job with so many requests done."""
    counts = None if done is None else Counts(total=REQUESTS, completed=done)
    return ProviderBatch(id="p", status=status, counts=counts, **more)


def running(done: int | None, *, since: float = 0, progress: float | None = None, **changes: Any) -> Job:
    """A job that was sent `since` hours after its batch was made, and last went on at `progress`."""
    return a_job(
        snapshot=seen(done),
        submit_started_at=at(since),
        looked_since=at(since),
        progress_at=None if progress is None else at(progress),
        **changes,
    )


def late(job: Job, hours: float, batch: Batch = BATCH, rules: RescueRules = RULES, **known: bool) -> bool:
    """Whether it is late so many hours after its batch was made."""
    how: dict[str, Any] = {"tells_progress": True, "is_watched_without_gaps": True} | known
    return is_late(job, batch, at(hours), rules, **how)


def test_a_job_that_has_done_nothing_is_late_when_the_lead_begins() -> None:
    assert late(running(0), 20)
    assert not late(running(0), 19.99)
    queued = a_job(snapshot=seen(None, BatchStatus.VALIDATING))
    assert late(queued, 20)


def test_after_the_end_it_is_not_a_matter_of_being_late() -> None:
    assert late(running(0), 23.99)
    assert not late(running(0), 24)


@pytest.mark.parametrize(
    ("done", "hours", "expected"),
    [
        (990, 20, False),  # 12 minutes to go
        (990, 23.5, False),
        (990, 23.9, True),  # 14 minutes to go, and 6 left
        (834, 20, False),
        (833, 20, True),
        (1000, 23.99, False),
        (1, 20, True),
    ],
)
def test_the_pace_decides(done: int, hours: float, expected: bool) -> None:
    assert late(running(done, progress=hours), hours) is expected


def test_a_queue_that_the_provider_tells_of_is_no_part_of_the_pace() -> None:
    """300 of 1000 in an hour: through in time, though it began at the nineteenth."""
    began = replace(running(300, progress=20), snapshot=seen(300, in_progress_at=at(19)))
    assert not late(began, 20)
    assert late(replace(began, snapshot=seen(300)), 20)


def test_a_standstill_counts_for_as_long_again() -> None:
    """99 % after ten hours, and nothing since."""
    assert late(running(990, progress=10), 20)
    assert not late(running(990, progress=19.5), 20)  # half an hour: some providers count in steps
    assert not late(running(990, progress=18.5), 20)  # an hour and a half, and as long again
    assert late(running(990, progress=18.5), 22)


def test_a_job_that_was_sent_late_has_half_of_its_time() -> None:
    rescued = running(0, since=20)
    assert late_from(rescued, BATCH, RULES) == at(22)
    assert not late(rescued, 21.9)
    assert late(rescued, 22)


def test_the_lead_is_a_sixth_of_the_window_at_most() -> None:
    short = replace(BATCH, expires_at=at(1))
    assert late_from(a_job(), short, RULES) == at(1) - timedelta(minutes=10)
    assert late_from(a_job(), BATCH, replace(RULES, lead_seconds=60)) == at(24) - timedelta(minutes=1)


@pytest.mark.parametrize("job", [running(0), running(1), running(990, progress=1)])
def test_where_nobody_knows_it_is_left_alone(job: Job) -> None:
    assert late(job, 23)
    assert not late(job, 23, tells_progress=False)
    assert not late(job, 23, is_watched_without_gaps=False)


@pytest.mark.parametrize("status", [BatchStatus.FINALIZING, BatchStatus.CANCELLING])
def test_what_ends_anyway_is_left_alone(status: BatchStatus) -> None:
    assert not late(a_job(snapshot=seen(10, status)), 23)


def test_without_counts_nothing_is_known_once_it_runs() -> None:
    assert not late(running(None), 23)
    assert not late(replace(running(0), snapshot=None), 23)


@given(
    done=st.integers(1, REQUESTS - 1),
    more=st.integers(0, REQUESTS),
    hours=st.floats(20, 23.9),
    behind=st.floats(0, 20),
    earlier=st.floats(0, 20),
)
def test_more_work_done_and_fresher_work_never_make_it_late(
    done: int, more: int, hours: float, behind: float, earlier: float
) -> None:
    job = running(done, progress=hours - behind)
    if late(job, hours):
        return
    ahead = replace(job, snapshot=seen(min(done + more, REQUESTS)))
    fresher = replace(job, progress_at=at(hours - min(behind, earlier)))
    assert not late(ahead, hours)
    assert not late(fresher, hours)


@given(done=st.integers(1, REQUESTS), hours=st.floats(20, 23.99))
def test_a_job_at_a_steady_pace_is_late_if_it_would_come_late(done: int, hours: float) -> None:
    ends = hours * REQUESTS / done
    if abs(ends - 24) > 0.001:
        assert late(running(done, progress=hours), hours) is (ends > 24)


def followed(looks: Sequence[tuple[float, int]], *, first: Job | None = None) -> Job:
    """The job after looks at these hours that showed so many done, each due when it was made.

    Between two looks lies what `look_gap_seconds` allows, unless the hours say otherwise.
    """
    job = first or a_job(looked_since=None, next_check_at=NOW)
    for hours, done in looks:
        shown = seen(done)
        fields = look_fields(job, BATCH, shown, at(hours), RULES, gap_seconds=GAP)
        due = at(hours) + timedelta(minutes=1)
        job = replace(job, snapshot=shown, next_check_at=due, **fields)
    return job


def steady(start: float, end: float, done: int = 0) -> list[tuple[float, int]]:
    """Looks every five minutes that show no progress."""
    count = int((end - start) * 12)
    return [(start + step / 12, done) for step in range(count + 1)]


def test_looks_that_follow_each_other_tell_a_standstill() -> None:
    job = followed(steady(0, 20))
    assert (job.looked_since, job.progress_at) == (NOW, None)
    assert is_watched_without_gaps(job, BATCH, at(20), RULES)


def test_our_own_downtime_is_no_standstill() -> None:
    job = followed([*steady(0, 10), (20, 0)])
    assert job.looked_since == at(20)
    assert not is_watched_without_gaps(job, BATCH, at(20), RULES)
    assert is_watched_without_gaps(followed(steady(20, 21), first=job), BATCH, at(21), RULES)


def test_shortly_before_the_end_a_shorter_watch_is_enough() -> None:
    job = followed([*steady(0, 10), *steady(23.5, 23.75)])
    assert job.looked_since == at(23.5)
    assert not is_watched_without_gaps(job, BATCH, at(23.6), RULES)
    assert is_watched_without_gaps(job, BATCH, at(23.75), RULES)


@given(st.lists(st.tuples(st.floats(0.001, 0.2), st.integers(0, REQUESTS)), min_size=1))
def test_progress_is_when_the_counts_last_grew(steps: list[tuple[float, int]]) -> None:
    hours, looks = 0.0, list[tuple[float, int]]()
    for step, done in steps:
        hours += step
        looks.append((hours, done))
    job = a_job(looked_since=None, next_check_at=NOW)
    most, last, since = 0, None, NOW
    for number, (hours, done) in enumerate(looks):
        shown = seen(done).after(job.snapshot)
        fields = look_fields(job, BATCH, shown, at(hours), RULES, gap_seconds=GAP)
        assert job.next_check_at is not None
        if number == 0 or at(hours) - job.next_check_at > timedelta(seconds=GAP):
            since = at(hours)
        if done > most:
            most, last = done, at(hours)
        due = at(hours) + timedelta(minutes=1)
        job = replace(job, snapshot=shown, next_check_at=due, **fields)
        assert (job.progress_at, job.looked_since) == (last, since)


def test_a_look_without_news_is_written_only_where_it_counts() -> None:
    job = followed([(1, 5)])
    assert job.next_check_at is not None
    assert may_stay_unwritten(job, at(1.02), gap_seconds=GAP)
    assert not may_stay_unwritten(job, at(1.02) + timedelta(seconds=GAP), gap_seconds=GAP)
    assert not may_stay_unwritten(a_job(), at(1), gap_seconds=GAP)
    late_one = replace(job, next_check_at=at(20))
    assert not may_stay_unwritten(late_one, at(20), gap_seconds=GAP)


def test_a_gap_is_some_looks_that_were_missed() -> None:
    assert look_gap_seconds(Settings(), 5) == 5 * 60 + 60
    assert look_gap_seconds(Settings(max_poll_seconds=1, lease_seconds=2), 60) == 5 * 60 + 2


def test_options_go_before_settings() -> None:
    settings = Settings(rescue=False, row_retries=3, max_rescues=0, min_retry_rows=0, at_expiry="stop")
    told = rescue_rules(settings, None)
    assert (told.rescue, told.row_retries, told.max_rescues, told.at_expiry) == (False, 3, 0, "stop")
    own = rescue_rules(settings, BatchOptions(rescue=True, row_retries=0, at_expiry="wait"))
    assert own == replace(told, rescue=True, row_retries=0, at_expiry="wait")
    assert rescue_rules(Settings(), None) == RULES


@pytest.mark.parametrize("name", ["max_rescues", "row_retries", "min_retry_rows"])
def test_none_at_all_can_be_set(name: str) -> None:
    none: dict[str, Any] = {name: 0}
    assert getattr(Settings(**none), name) == 0
    less: dict[str, Any] = {name: -1}
    with pytest.raises(ConfigError, match=rf"^{name} must be 0 or more, not -1$"):
        Settings(**less)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^rescue_lead_seconds must be above 0, not 0$"):
        Settings(rescue_lead_seconds=0)
    values: dict[str, Any] = {"at_expiry": "never"}
    with pytest.raises(ConfigError, match=r"^at_expiry must be `wait` or `stop`, not 'never'$"):
        Settings(**values)


def tried(
    state: JobState, where: str | None = "west", *, shard: int = 0, hours: float = 0, **more: Any
) -> Job:
    """A job of the tile 0 that came into its batch so many hours after it was made."""
    return a_job(
        id=f"job_{shard}_{hours}", state=state, deployment_id=where, shard=shard, created_at=at(hours), **more
    )


@pytest.mark.parametrize(
    ("job", "is_used"),
    [
        (tried(JobState.WAITING), False),
        (tried(JobState.SUBMITTING), True),
        (tried(JobState.UNCLEAR), True),
        (tried(JobState.SUBMITTED), True),
        (tried(JobState.ENDED), True),
        (tried(JobState.SETTLED), True),
        (tried(JobState.REFUSED, provider_batch_id="p"), False),
        (tried(JobState.WATCHED), True),
        (tried(JobState.CLOSED), False),
        (tried(JobState.CLOSED, provider_batch_id="p"), True),
        (tried(JobState.WITHDRAWN), False),
        (tried(JobState.SETTLED, None), False),
        (tried(JobState.SETTLED, root=1, shard=1), False),
    ],
)
def test_which_deployments_a_lineage_has_used(job: Job, is_used: bool) -> None:
    ends = a_job(state=JobState.ENDED)
    jobs = (ends, job)
    assert used_deployments(lineage(jobs, ends)) == ({"east", "west"} if is_used else {"east"})
    assert may_hand_on(ends, BATCH, jobs, at(1), RULES, others={"east", "west"}) is not is_used


def handed_on(*moments: float) -> tuple[Job, ...]:
    """A lineage: the tile, and a derived shard for each moment in hours at which something was handed on."""
    names = sorted(OTHERS - {"spare"})
    return tuple(
        tried(
            JobState.SETTLED,
            names[number % len(names)],
            shard=10 * number,
            parent=10 * (number - 1) if number else None,
            hours=hours,
        )
        for number, hours in enumerate((0.0, *moments))
    )


@given(st.integers(0, 5), st.integers(0, 4))
def test_so_many_rescues_and_no_more(made: int, allowed: int) -> None:
    jobs = handed_on(*range(1, made + 1))
    beside = tried(JobState.SETTLED, "elsewhere", shard=1, hours=9, root=1)
    assert rescues_made((*jobs, beside), jobs[-1]) == made
    rules = replace(RULES, max_rescues=allowed)
    told = may_hand_on(jobs[-1], BATCH, (*jobs, beside), at(10), rules, others=OTHERS)
    assert told is (made < allowed)
    assert lineage((beside, *jobs), jobs[-1]) == list(jobs)
    assert lineage((beside, *jobs), jobs[0]) == [jobs[0]]


def test_a_half_knows_nothing_of_the_other_one() -> None:
    """A shard that was cut in two was not handed on, and its halves run where they like."""
    tile = tried(JobState.SETTLED, "east", reason=HALVED)
    left = tried(JobState.SUBMITTED, "west", shard=1, parent=0)
    right = tried(JobState.WAITING, None, shard=2, parent=0)
    jobs = (tile, left, right)
    assert lineage(jobs, right) == [tile, right]
    assert used_deployments(lineage(jobs, right)) == frozenset()
    assert used_deployments(lineage(jobs, left)) == {"west"}
    assert rescues_made(jobs, right) == 0
    again = tried(JobState.WAITING, None, shard=3, parent=1, attempt=2)
    assert rescues_made((*jobs, again), again) == 1
    assert used_deployments(lineage((*jobs, again), again)) == {"west"}


@pytest.mark.parametrize(
    ("batch", "rules", "hours", "others"),
    [
        (replace(BATCH, cancel_requested_at=NOW), RULES, 1, OTHERS),
        (replace(BATCH, status=BatchStatus.COMPLETED), RULES, 1, OTHERS),
        (BATCH, replace(RULES, rescue=False), 1, OTHERS),
        (BATCH, replace(RULES, max_rescues=0), 1, OTHERS),
        (BATCH, RULES, 24, OTHERS),
        (BATCH, RULES, 1, {"east"}),
        (BATCH, RULES, 1, set[str]()),
    ],
)
def test_when_nothing_is_handed_on(
    batch: Batch, rules: RescueRules, hours: float, others: frozenset[str]
) -> None:
    job = a_job(state=JobState.ENDED)
    assert may_hand_on(job, BATCH, (job,), at(1), RULES, others=OTHERS)
    assert not may_hand_on(job, batch, (job,), at(hours), rules, others=others)


def fates(
    status: BatchStatus = BatchStatus.COMPLETED,
    job: Job | None = None,
    *,
    jobs: tuple[Job, ...] | None = None,
    batch: Batch = BATCH,
    rules: RescueRules = RULES,
    not_executed: int = 0,
    retryable: int = 0,
    missing: int = 0,
    **how: Any,
) -> HandOn:
    job = job or a_job(state=JobState.ENDED)
    counts: dict[str, Any] = {"not_executed": not_executed, "retryable": retryable, "missing": missing}
    return hand_on_fates(job, batch, jobs or (job,), seen(0, status), rules, **counts, **how)


@pytest.mark.parametrize("status", [BatchStatus.EXPIRED, BatchStatus.CANCELLED, BatchStatus.FAILED])
def test_what_a_provider_has_broken_off_is_handed_on_however_little(status: BatchStatus) -> None:
    assert fates(status, not_executed=1) == HandOn(not_executed=True)
    assert fates(status, missing=1) == HandOn(missing=True)
    assert fates(status, not_executed=1, retryable=98) == HandOn(not_executed=True)
    assert fates(status, not_executed=1, retryable=99) == HandOn(not_executed=True, retryable=True)
    assert fates(status, not_executed=1, rules=replace(RULES, row_retries=0)).is_any
    assert not fates(status).is_any


def test_what_we_have_stopped_is_broken_off_whatever_its_provider_calls_it() -> None:
    stopped = a_job(state=JobState.ENDED, stop_requested_at=NOW, stop_reason="late")
    assert fates(job=stopped, not_executed=1) == HandOn(not_executed=True)


def test_failures_are_run_anew_if_they_are_worth_a_job() -> None:
    assert fates(retryable=99) == NOTHING
    assert fates(retryable=100) == HandOn(retryable=True)
    assert fates(retryable=60, not_executed=40) == HandOn(retryable=True, not_executed=True)
    assert fates(not_executed=99) == NOTHING
    assert fates(not_executed=100) == HandOn(not_executed=True)
    assert fates(missing=1) == HandOn(missing=True)
    assert fates(retryable=1, is_live=True) == HandOn(retryable=True)
    assert fates(retryable=1, rules=replace(RULES, min_retry_rows=0)) == HandOn(retryable=True)
    assert fates(retryable=200, rules=replace(RULES, row_retries=0)) == NOTHING


def test_failures_of_what_was_handed_on_are_final() -> None:
    jobs = handed_on(5)
    assert fates(retryable=500, job=jobs[-1], jobs=jobs) == NOTHING
    assert fates(retryable=500, job=jobs[0], jobs=jobs) == HandOn(retryable=True)
    assert fates(not_executed=500, job=jobs[-1], jobs=jobs) == NOTHING
    assert fates(BatchStatus.EXPIRED, jobs[-1], jobs=jobs, not_executed=1).not_executed
    twice = replace(RULES, row_retries=2)
    assert fates(retryable=500, job=jobs[-1], jobs=jobs, rules=twice) == HandOn(retryable=True)


@given(
    status=st.sampled_from([status for status in BatchStatus if status.is_final]),
    not_executed=st.integers(0, 300),
    retryable=st.integers(0, 300),
    missing=st.integers(0, 300),
)
def test_nothing_is_handed_on_that_is_not_there_or_not_allowed(
    status: BatchStatus, not_executed: int, retryable: int, missing: int
) -> None:
    counts: dict[str, Any] = {"not_executed": not_executed, "retryable": retryable, "missing": missing}
    told = fates(status, **counts)
    assert not told.not_executed or not_executed
    assert not told.retryable or retryable
    assert told.missing is (missing > 0)
    assert fates(status, batch=replace(BATCH, cancel_requested_at=NOW), **counts) == NOTHING
    assert fates(status, rules=replace(RULES, rescue=False), **counts) == NOTHING


def stop(
    job: Job, hours: float, *, batch: Batch = BATCH, rules: RescueRules = RULES, **how: Any
) -> str | None:
    values: dict[str, Any] = {"tells_progress": True, "ends_at_expiry": True, "others": OTHERS}
    return wants_stop(job, batch, (job,), at(hours), rules, **(values | how))


def test_a_late_job_is_stopped_if_another_deployment_may_have_its_lines() -> None:
    job = running(0)
    assert stop(job, 20) == "late"
    assert stop(job, 19) is None
    assert stop(job, 20, others={"east"}) is None
    assert stop(job, 20, rules=replace(RULES, rescue=False)) is None
    assert stop(job, 20, tells_progress=False) is None
    assert stop(job, 20, batch=replace(BATCH, cancel_requested_at=NOW)) is None
    assert stop(replace(job, stop_requested_at=NOW), 20) is None
    assert stop(replace(job, state=JobState.UNCLEAR), 20) is None
    assert stop(replace(job, looked_since=at(19.5)), 20) is None


def test_a_job_that_no_provider_ends_is_stopped_when_that_is_asked_for() -> None:
    job, stops = running(900), replace(RULES, at_expiry="stop")
    assert stop(job, 24, rules=stops, ends_at_expiry=False) == "expired"
    assert stop(job, 24, ends_at_expiry=False) is None
    assert stop(job, 24, rules=stops) is None
    assert stop(job, 24, rules=replace(stops, rescue=False), ends_at_expiry=False) == "expired"
    cancelled = replace(BATCH, cancel_requested_at=NOW)
    assert stop(job, 24, batch=cancelled, rules=stops, ends_at_expiry=False) is None


def test_a_job_that_stands_still_for_a_day_after_its_time_is_stopped() -> None:
    """Whatever is to happen at its expiry: nothing waits for ever."""
    assert stop(running(900, progress=23), 47.9, ends_at_expiry=False) is None
    assert stop(running(900, progress=23), 48, ends_at_expiry=False) == "expired"
    assert stop(running(900), 48) == "expired"
    assert stop(running(900, progress=40), 60, ends_at_expiry=False) is None
    assert stop(running(900, progress=40), 64, ends_at_expiry=False) == "expired"


def test_what_was_sent_late_ends_late_by_itself_and_is_stopped() -> None:
    """A provider counts its window from when it got the job, or says itself when it ends."""
    stops = replace(RULES, at_expiry="stop")
    assert stop(running(900, since=20), 24, rules=stops) == "expired"
    ends = replace(running(900, since=20), snapshot=seen(900, expires_at=at(24)))
    assert stop(ends, 24, rules=stops) is None
